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

  /// Who is told of the outcome.
  private enum Waiter {
    case task(UnsafeContinuation<Outcome, Never>)
    case callback(@Sendable (Outcome) -> Void)

    func resume(_ outcome: Outcome) {
      switch self {
      case .task(let continuation): continuation.resume(returning: outcome)
      case .callback(let body): body(outcome)
      }
    }
  }

  private struct Waiting {
    /// Nearly every call has one waiter; a list would be an allocation for it.
    var first: Waiter?
    var others: [Waiter] = []
    var onPartial: (@Sendable (Payload?, UInt64) -> Void)?

    mutating func add(_ waiter: Waiter) {
      if first == nil { first = waiter } else { others.append(waiter) }
    }
  }

  private enum State {
    case open(Waiting)
    case done(Outcome)

    var outcome: Outcome? { if case .done(let outcome) = self { outcome } else { nil } }

    /// Changes what waits.
    /// - Returns: the outcome if there is one already; nothing was changed then.
    mutating func wait(_ body: (inout Waiting) -> Void) -> Outcome? {
      switch self {
      case .done(let outcome): return outcome
      case .open(var waiting):
        // So that the list is not copied.
        self = .open(Waiting())
        body(&waiting)
        self = .open(waiting)
        return nil
      }
    }
  }

  /// Where the request stands.
  enum Phase {
    /// Waits for the window.
    case queued
    /// Sent; the answer is outstanding.
    case sent
    /// To be sent again at this time in milliseconds.
    case resting(until: UInt64)
    /// Answered for good.
    case answered
  }

  let method: Method
  let seq: UInt64
  let stream: StreamHandle
  let options: CallOptions
  private let state = Mutex(State.open(Waiting()))

  // MARK: Of the I/O thread

  // Unchecked: one thread touches them, for every message.
  @exclusivity(unchecked) var phase = Phase.queued
  /// It counts in the window: sent without a final answer, or to be sent again in its stream's order.
  @exclusivity(unchecked) var hasPlace = false
  /// When the channel took it, in milliseconds.
  @exclusivity(unchecked) var submitted: UInt64 = 0
  /// The encoded request; nil while un-encoded and again once it is answered.
  @exclusivity(unchecked) var payload: Payload?
  /// Makes the payload, where the byte limit did not allow it when the request was submitted.
  var encode: (@Sendable () -> Payload)?
  /// It was cancelled before it was sent.
  @exclusivity(unchecked) var isCancelled = false
  /// The service said ACCEPTED.
  @exclusivity(unchecked) var isAccepted = false
  @exclusivity(unchecked) var bytes = 0
  @exclusivity(unchecked) var attempts = 0
  /// When the request itself was sent last, and when something was heard of it (or it was asked for).
  @exclusivity(unchecked) var lastSent: UInt64 = 0
  @exclusivity(unchecked) var lastWord: UInt64 = 0
  /// A piece of the answer came.
  @exclusivity(unchecked) var hasPartial = false
  /// How long it is waited for before it is asked for again.
  var askWait: UInt64 = 0
  /// The log has a line about it.
  var isNoted = false
  /// Why it is sent again, and the first time of a run of such refusals.
  var refusal: RPCError?
  var refusedSince: UInt64 = 0
  /// Place in the order of submission over all streams.
  var order: UInt64 = 0

  init(method: Method, seq: UInt64, stream: StreamHandle, options: CallOptions) {
    self.method = method
    self.seq = seq
    self.stream = stream
    self.options = options
  }

  /// The service has said something of it.
  func heard(_ now: UInt64) {
    lastWord = now
    askWait = 0
  }

  /// The time in milliseconds after which the answer is no longer wanted.
  var deadline: UInt64? {
    guard let timeout = options.timeout else { return nil }
    return submitted &+ timeout.wholeMilliseconds
  }

  var isResolved: Bool {
    state.withLock { state in if case .done = state { true } else { false } }
  }

  /// Sets the outcome; only the first one counts, so every waiter is resumed exactly once.
  func resolve(_ outcome: Outcome) {
    let waiting = state.withLock { state -> Waiting? in
      guard case .open(let waiting) = state else { return nil }
      state = .done(outcome)
      return waiting
    }
    guard let waiting else { return }
    waiting.first?.resume(outcome)
    for waiter in waiting.others { waiter.resume(outcome) }
    waiting.onPartial?(nil, 0)
  }

  func partial(_ payload: Payload, offset: UInt64) {
    let onPartial = state.withLock { state -> (@Sendable (Payload?, UInt64) -> Void)? in
      if case .open(let waiting) = state { return waiting.onPartial }
      return nil
    }
    onPartial?(payload, offset)
  }

  func result() async -> Outcome {
    if let outcome = state.withLock({ $0.outcome }) { return outcome }
    return await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        let outcome = state.withLock { $0.wait { $0.add(.task(continuation)) } }
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
    let outcome = state.withLock { $0.wait { $0.add(.callback(body)) } }
    if let outcome { body(outcome) }
  }

  func onPartial(_ body: @escaping @Sendable (Payload?, UInt64) -> Void) {
    let outcome = state.withLock { $0.wait { $0.onPartial = body } }
    if outcome != nil { body(nil, 0) }
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
