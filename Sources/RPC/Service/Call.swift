internal import Synchronization
internal import Wire

/// Costs and timings that a handler reports with its answer; they travel in the header.
package struct ReplyInfo: Sendable, Equatable {
  /// Microseconds that the request waited in the worker.
  package var queueMicroseconds: UInt64 = 0
  /// Microseconds of computing.
  package var computeMicroseconds: UInt64 = 0
  /// Prompt tokens found in the prefix cache.
  package var cacheHitTokens: UInt64 = 0
  /// Prompt or training tokens really processed.
  package var costPromptTokens: UInt64 = 0
  /// Tokens really generated.
  package var costNewTokens: UInt64 = 0

  package init() {}
}

/// Says that a client no longer wants an answer. The loop holds it without holding the call, whose
/// end is noticed by nobody holding it.
final class CancelFlag: Sendable {
  private let flag = Atomic(false)

  var isSet: Bool { flag.load(ordering: .relaxed) }
  func set() { flag.store(true, ordering: .relaxed) }
}

/// One request while a handler works on it, and then its outcome on the way to the loop.
///
/// `@unchecked Sendable`: the outcome is written once, by the one who finishes the call, before the
/// outbox's lock hands the call to the loop; all else is constant or atomic.
final class Call: @unchecked Sendable {
  let method: Method
  let seq: UInt64
  let traceID: UInt64
  let flags: RequestHeader.Flags
  let sessionToken: String
  /// `Monotonic.microseconds()` at which it arrived.
  let received: UInt64
  /// `Monotonic.microseconds()` after which the client no longer wants the answer.
  let deadline: UInt64?
  let stream: String
  /// The opening of the stream that it was begun for, here and in the journal.
  let generation: UInt64
  let epoch: UInt64
  let cancelFlag = CancelFlag()
  /// For the loop, once the call is finished.
  private(set) var outcome = Outcome()
  private let finished = Atomic(false)
  /// What is told of the outcome before its client is.
  private let journal: (any StreamJournal)?
  private let outbox: Outbox<ServiceControl.Event>

  init(
    method: Method, entry: StreamEntry, facts: RequestFacts, received: UInt64,
    journal: (any StreamJournal)?, outbox: Outbox<ServiceControl.Event>
  ) {
    self.method = method
    stream = entry.name
    generation = entry.generation
    epoch = entry.epoch
    seq = facts.seq
    traceID = facts.traceID
    flags = facts.flags
    sessionToken = entry.token
    self.received = received
    deadline =
      facts.timeoutMilliseconds == 0
      ? nil : received + UInt64(facts.timeoutMilliseconds) * 1000
    self.journal = method.ordering == .ordered ? journal : nil
    self.outbox = outbox
  }

  /// A handler that forgets its reply must not leave the client waiting.
  deinit { if !isFinished { say(.forgotten) } }

  var isFinished: Bool { finished.load(ordering: .acquiring) }

  /// Hands over the outcome; only the first one counts.
  func finish(_ outcome: Outcome) {
    guard !finished.exchange(true, ordering: .acquiringAndReleasing) else { return }
    self.outcome = outcome
    // What does not take the seq has not happened.
    guard let journal, outcome.code.consumesSeq else { return outbox.push(.finished(self)) }
    let wasDecided =
      !flags.contains(.tombstone) && outcome.code != .cancelled
      && outcome.code != .deadlineExceeded
    journal.finished(stream, epoch: epoch, seq: seq, outcome, ran: wasDecided) { [self] in
      outbox.push(.finished(self))
    }
  }

  func accepted() {
    if !isFinished { say(.accepted) }
  }

  func partial(_ payload: Payload, offset: UInt64) {
    if !isFinished { say(.partial(payload, offset: offset)) }
  }

  private func say(_ kind: ReplyEvent.Kind) {
    outbox.push(.reply(ReplyEvent(key: ReplyEvent.Key(self), kind: kind)))
  }
}

/// Something that a handler said besides its outcome, on its way to the loop.
struct ReplyEvent: Sendable {
  /// What the loop needs to know of the call. Not the call itself: its `deinit` reports too.
  struct Key: Sendable {
    let stream: String
    let generation: UInt64
    let epoch: UInt64
    let seq: UInt64
    let traceID: UInt64
    let isOrdered: Bool

    init(_ call: Call) {
      stream = call.stream
      generation = call.generation
      epoch = call.epoch
      seq = call.seq
      traceID = call.traceID
      isOrdered = call.method.ordering == .ordered
    }
  }

  enum Kind: Sendable {
    case accepted
    case partial(Payload, offset: UInt64)
    /// The handler is done with it and gave no answer.
    case forgotten
  }

  let key: Key
  let kind: Kind
}
