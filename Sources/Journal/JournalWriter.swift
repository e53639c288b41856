internal import Engine
internal import Foundation
internal import Synchronization

/// The thread that makes journals durable: all segments that wait are written and synced in turn, and
/// what arrives meanwhile is one block of the next round (group commit), so that computing never
/// waits for the disk and a busy disk means larger commits, not more of them.
package final class JournalWriter: Sendable {
  private struct State: ~Copyable {
    var due: [JournalSegment] = []
    var isStopping = false
    var hasEnded = false
  }

  private let state = Mutex(State())
  private let signal = DispatchSemaphore(value: 0)
  private let ended = DispatchSemaphore(value: 0)

  package init() {
    let thread = Thread { [self] in run() }
    thread.name = "journal"
    thread.start()
  }

  /// Adds a record that need not be durable by itself: it is when the next committed one is.
  package func add(_ record: JournalRecord, to segment: JournalSegment) {
    if segment.add(record, nil) { wake(segment) }
  }

  /// Adds a record and tells, on the writer's thread, when it is durable with all before it.
  package func commit(
    _ record: JournalRecord, to segment: JournalSegment,
    _ completion: @escaping JournalSegment.Completion
  ) {
    if segment.add(record, completion) { wake(segment) }
  }

  /// Waits until everything that was added to a segment is durable.
  /// - Throws: `EngineError` if it cannot be written.
  package func flush(_ segment: JournalSegment) throws {
    let done = DispatchSemaphore(value: 0)
    let result = Mutex(Result<Void, EngineError>.success(()))
    let isDue = segment.add(nil) { outcome in
      result.withLock { $0 = outcome }
      done.signal()
    }
    if isDue { wake(segment) }
    done.wait()
    try result.withLock { $0 }.get()
  }

  /// Writes what was handed over and ends the thread.
  package func stop() {
    let isFirst = state.withLock { state in
      defer { state.isStopping = true }
      return !state.isStopping
    }
    guard isFirst else { return }
    signal.signal()
    ended.wait()
  }

  private func wake(_ segment: JournalSegment) {
    let isNew = state.withLock { state in
      if state.due.contains(where: { $0 === segment }) { return false }
      state.due.append(segment)
      return true
    }
    if isNew { signal.signal() }
  }

  private func run() {
    while true {
      let (due, isStopping) = state.withLock { state in
        defer { state.due = [] }
        return (state.due, state.isStopping)
      }
      for segment in due { segment.commit() }
      if due.isEmpty {
        if isStopping { break }
        signal.wait()
      }
    }
    ended.signal()
  }
}
