import Foundation
import RPC
import Synchronization
import Wire

/// What one run of a load saw.
struct Measured: Sendable {
  /// Requests per second.
  let rate: Double
  /// Microseconds of each request, from submission to answer.
  let times: [UInt64]

  func microseconds(_ quantile: Double) -> Double {
    let sorted = times.sorted()
    return sorted.isEmpty ? 0 : Double(sorted[Int(quantile * Double(sorted.count - 1))])
  }
}

/// Null requests of one size on one stream.
struct NullLoad: Sendable {
  let stream: StreamHandle
  let method: Wire.Method
  var payload: Payload

  init(_ stream: StreamHandle, _ method: Wire.Method, bodyBytes: Int) {
    self.stream = stream
    self.method = method
    payload = Payload(body: Bytes([UInt8](repeating: 0, count: bodyBytes)))
  }

  /// Keeps `window` requests outstanding: each answer submits the next request.
  func pump(count: Int, window: Int, keepsTimes: Bool = true) async throws -> Measured {
    try await Pump(self, count: count, keepsTimes: keepsTimes).run(window: window)
  }

  /// As many tasks as the window has requests; each awaits its answer before it asks again.
  func await(count: Int, window: Int) async throws -> Measured {
    let start = Monotonic.microseconds()
    let times = try await withThrowingTaskGroup(of: [UInt64].self) { group in
      for _ in 0..<window {
        group.addTask {
          var times: [UInt64] = []
          times.reserveCapacity(count / window)
          for _ in 0..<(count / window) {
            let start = Monotonic.microseconds()
            _ = try await stream.call(method, payload, Payload.self)
            times.append(Monotonic.microseconds() - start)
          }
          return times
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    let elapsed = Double(Monotonic.microseconds() - start) * 1e-6
    return Measured(rate: Double(times.count) / elapsed, times: times)
  }
}

/// Keeps a number of requests outstanding with no task for each.
private final class Pump: Sendable {
  private struct State {
    var left: Int
    var open = 0
    var answered = 0
    var times: [UInt64] = []
    var failure: RPCError?
    var done: CheckedContinuation<Void, Never>?
  }

  private let load: NullLoad
  private let keepsTimes: Bool
  private let state: Mutex<State>

  init(_ load: NullLoad, count: Int, keepsTimes: Bool) {
    self.load = load
    self.keepsTimes = keepsTimes
    state = Mutex(State(left: count))
    if keepsTimes { state.withLock { $0.times.reserveCapacity(count) } }
  }

  func run(window: Int) async throws -> Measured {
    let start = Monotonic.microseconds()
    await withCheckedContinuation { continuation in
      state.withLock { state in
        state.done = continuation
        state.left -= window
        state.open = window
      }
      for _ in 0..<window { submit() }
    }
    let elapsed = Double(Monotonic.microseconds() - start) * 1e-6
    let (answered, times, failure) = state.withLock { ($0.answered, $0.times, $0.failure) }
    if let failure { throw failure }
    return Measured(rate: Double(answered) / elapsed, times: times)
  }

  private func submit() {
    let start = Monotonic.microseconds()
    load.stream.submit(load.method, load.payload, Payload.self).whenDone { result in
      self.answered(result, Monotonic.microseconds() - start)
    }
  }

  private func answered(_ result: Result<Payload, RPCError>, _ time: UInt64) {
    enum Next { case submit, wait, end(CheckedContinuation<Void, Never>?) }
    let next = state.withLock { state -> Next in
      state.answered += 1
      if keepsTimes { state.times.append(time) }
      if case .failure(let error) = result {
        state.failure = error
        state.left = 0
      }
      if state.left > 0 {
        state.left -= 1
        return .submit
      }
      state.open -= 1
      guard state.open == 0 else { return .wait }
      defer { state.done = nil }
      return .end(state.done)
    }
    switch next {
    case .submit: submit()
    case .wait: break
    case .end(let done): done?.resume()
    }
  }
}

/// Attachments of 1 MiB with empty answers.
struct BulkLoad {
  static let bytes = 1 << 20

  let stream: StreamHandle

  /// Requests per second with `window` outstanding.
  func rate(count: Int, window: Int) async throws -> Double {
    let attachment = Bytes(count: Self.bytes) { $0.initializeMemory(as: UInt8.self, repeating: 1) }
    var load = NullLoad(stream, NullMethod.independent, bodyBytes: 0)
    load.payload.attachments = [attachment]
    return try await load.pump(count: count, window: window).rate
  }
}
