internal import Synchronization
internal import Wire

/// An answer as it came.
struct Answer: Sendable {
  var payload: Payload
  var info: ReplyInfo
}

/// One submitted request, from the call to the answer.
///
/// `@unchecked Sendable`: what everybody may touch is constant or behind the lock; the fields of
/// the second group belong to the channel's I/O thread.
final class ClientCall: @unchecked Sendable {
  typealias Outcome = Result<Answer, RPCError>

  private struct State {
    var outcome: Outcome?
    var waiters: [UnsafeContinuation<Outcome, Never>] = []
    var callbacks: [@Sendable (Outcome) -> Void] = []
    var onPartial: (@Sendable (Payload?, UInt64) -> Void)?
  }

  /// Where the request stands.
  enum Phase {
    /// Waits for the window.
    case queued
    /// Sent; the answer is outstanding.
    case sent
    /// To be sent again at this moment (`Monotonic.milliseconds()`).
    case resting(until: UInt64)
    /// Answered for good.
    case answered
  }

  let method: Method
  let seq: UInt64
  let stream: StreamHandle
  let options: CallOptions
  /// `Monotonic.milliseconds()` of the submission.
  let submitted: UInt64
  private let state = Mutex(State())

  // MARK: Of the I/O thread

  var phase = Phase.queued
  /// The encoded request; nil while un-encoded and again once the service has it durably.
  var payload: Payload?
  /// Makes the payload, where the byte limit did not allow it when the request was submitted.
  var encode: (@Sendable () -> Payload)?
  /// It was cancelled before it was sent.
  var isCancelled = false
  /// The service said ACCEPTED.
  var isAccepted = false
  var bytes = 0
  var attempts = 0
  /// Place in the order of submission over all streams.
  var order: UInt64 = 0

  init(
    method: Method, seq: UInt64, stream: StreamHandle, options: CallOptions, submitted: UInt64
  ) {
    self.method = method
    self.seq = seq
    self.stream = stream
    self.options = options
    self.submitted = submitted
  }

  /// `Monotonic.milliseconds()` after which the answer is no longer wanted.
  var deadline: UInt64? {
    guard let timeout = options.timeout else { return nil }
    return submitted &+ timeout.wholeMilliseconds
  }

  var isResolved: Bool { state.withLock { $0.outcome != nil } }

  /// Sets the outcome; only the first one counts, so every waiter is resumed exactly once.
  func resolve(_ outcome: Outcome) {
    let before = state.withLock { state -> State in
      guard state.outcome == nil else { return State() }
      defer { state = State(outcome: outcome) }
      return state
    }
    for waiter in before.waiters { waiter.resume(returning: outcome) }
    for callback in before.callbacks { callback(outcome) }
    before.onPartial?(nil, 0)
  }

  func partial(_ payload: Payload, offset: UInt64) {
    let onPartial = state.withLock { $0.onPartial }
    onPartial?(payload, offset)
  }

  func result() async -> Outcome {
    if let outcome = state.withLock({ $0.outcome }) { return outcome }
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        let outcome = state.withLock { state in
          if state.outcome == nil { state.waiters.append(continuation) }
          return state.outcome
        }
        // Resolved between the first look and this one.
        if let outcome { continuation.resume(returning: outcome) }
      }
    } onCancel: {
      cancel()
    }
  }

  func cancel() {
    guard !isResolved else { return }
    resolve(.failure(RPCError(.cancelled, "cancelled by the client")))
    stream.outbox.push(.cancel(self))
  }

  func whenDone(_ body: @escaping @Sendable (Outcome) -> Void) {
    let outcome = state.withLock { state in
      if state.outcome == nil { state.callbacks.append(body) }
      return state.outcome
    }
    if let outcome { body(outcome) }
  }

  func onPartial(_ body: @escaping @Sendable (Payload?, UInt64) -> Void) {
    let isDone = state.withLock { state in
      if state.outcome == nil { state.onPartial = body }
      return state.outcome != nil
    }
    if isDone { body(nil, 0) }
  }
}

extension Duration {
  /// Rounded up, so that a time-out of a microsecond is not "none".
  var wholeMilliseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 1 }
    let parts = UInt64(attoseconds)
    return UInt64(seconds) * 1000 + (parts + 999_999_999_999_999) / 1_000_000_000_000_000
  }
}
