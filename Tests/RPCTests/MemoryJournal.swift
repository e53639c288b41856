import RPC
import Synchronization
import Wire

/// A journal that keeps what it was told, and makes outcomes durable when the test says so.
final class MemoryJournal: StreamJournal {
  private struct State {
    var notes: [String] = []
    var isHolding = false
    var held: [@Sendable () -> Void] = []
  }

  /// What opening a stream finds; new streams where nothing is said.
  let logs = Mutex<[String: OpenedLog]>([:])
  private let state = Mutex(State())

  /// What happened, in order.
  var notes: [String] { state.withLock { $0.notes } }

  /// From here on nothing becomes durable.
  func hold() { state.withLock { $0.isHolding = true } }

  /// Everything is durable.
  func release() {
    let held = state.withLock { state in
      defer { (state.held, state.isHolding) = ([], false) }
      return state.held
    }
    for durable in held { durable() }
  }

  func open(_ stream: String, epoch: UInt64, done: @escaping @Sendable (OpenedLog) -> Void) {
    note("open \(epoch)")
    done(logs.withLock { $0[stream] } ?? .log(StreamLog()))
  }

  func admitted(_ request: AdmittedRequest) { note("admitted \(request.seq)") }

  func finished(
    _ stream: String, epoch: UInt64, seq: UInt64, _ outcome: Outcome, ran: Bool,
    durable: @escaping @Sendable () -> Void
  ) {
    note("finished \(seq) \(ran ? "ran" : "refused")")
    let isHolding = state.withLock { state in
      if state.isHolding { state.held.append(durable) }
      return state.isHolding
    }
    if !isHolding { durable() }
  }

  func closed(_ stream: String) { note("closed") }

  func isCurrent(_ stream: String, epoch: UInt64) -> Bool { true }

  private func note(_ text: String) { state.withLock { $0.notes.append(text) } }
}
