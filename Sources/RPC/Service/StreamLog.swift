internal import Crypto
internal import DequeModule
package import Wire

/// SHA-256 over a request's body and attachments (not its header), by which a repeated request is
/// told from another one under the same key.
package struct PayloadDigest: Sendable, Equatable {
  package let words: (UInt64, UInt64, UInt64, UInt64)

  /// Each frame counts with its length, so that moving a boundary changes the digest.
  package init(_ payload: Payload) {
    var hash = SHA256()
    Self.update(&hash, payload.body)
    for attachment in payload.attachments { Self.update(&hash, attachment) }
    let digest = hash.finalize()
    words = digest.withUnsafeBytes { bytes in
      (
        bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self),
        bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
        bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self),
        bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
      )
    }
  }

  /// A digest that was kept; nil unless it has 32 bytes.
  package init?(bytes: [UInt8]) {
    guard bytes.count == 32 else { return nil }
    words = bytes.withUnsafeBytes {
      $0.loadUnaligned(as: (UInt64, UInt64, UInt64, UInt64).self)
    }
  }

  /// The 32 bytes.
  package var bytes: [UInt8] { withUnsafeBytes(of: words) { [UInt8]($0) } }

  private static func update(_ hash: inout SHA256, _ bytes: Bytes) {
    withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { hash.update(bufferPointer: $0) }
    bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
  }

  package static func == (left: Self, right: Self) -> Bool { left.words == right.words }
}

/// What a request led to; recorded per seq, and sent again bit for bit to whoever repeats it.
package struct Outcome: Sendable {
  /// Nil for OK.
  package var error: RPCError?
  /// The answer; empty with an error.
  package var payload: Payload
  /// Costs and timings for the header.
  package var info: ReplyInfo

  package init(error: RPCError? = nil, payload: Payload = .empty, info: ReplyInfo = ReplyInfo()) {
    self.error = error
    self.payload = payload
    self.info = info
  }

  var code: StatusCode { error?.code ?? .ok }
}

/// One stream at its owner: which seq runs next, which run, and the answers that may be asked for
/// again. A value without clock, lock or socket; every rule about repeated requests is here.
package struct StreamLog: Sendable {
  /// What to do with a request that arrived.
  package enum Verdict: Sendable {
    /// It is next: run it, then call `finish`.
    case run
    /// It has run: send this again.
    case replay(Outcome)
    /// It is running: `finish` will say how often to answer.
    case alreadyRunning
    /// Refuse it; the stream is unchanged.
    case refuse(RPCError)
  }

  /// How an outcome was taken.
  package enum Finish: Sendable {
    /// Recorded (or given back, if it does not consume the seq): answer so many times.
    case answer(Outcome, times: Int)
    /// There was no such request running.
    case unknown
  }

  /// What is known of one seq.
  private enum Entry {
    /// Nothing: recovery did not find its answer.
    case unknown
    case running(digest: PayloadDigest?, copies: Int)
    case recorded(digest: PayloadDigest?, outcome: Outcome)

    var isRunning: Bool { if case .running = self { true } else { false } }
  }

  /// Answers kept that the client has not acknowledged.
  package static let maximumAnswers = 256
  /// Bytes of answers kept that the client has not acknowledged. With more nothing new runs until it
  /// has: an answer that nobody has seen is never dropped for its size.
  package static let maximumBytes = 64 << 20
  /// Seqs known at once: answers behind a request that still runs cannot be dropped before it.
  package static let maximumEntries = 1024

  /// The seqs from `firstKept` to the one before `nextSeq`, in order.
  private var entries = Deque<Entry>()
  /// Everything below was acknowledged or is kept no more.
  private var firstKept: UInt64
  private var acked: UInt64 = 0
  /// Entries that are recorded.
  private var answers = 0
  /// Bytes of their payloads.
  private var bytes = 0
  /// What every request is refused with: the stream's records are lost.
  private var failure: RPCError?

  /// A new stream, or one recovered up to `nextSeq` with nothing to replay.
  package init(nextSeq: UInt64 = 0) { firstKept = nextSeq }

  /// A stream that cannot go on. It claims every seq, so that each request is answered `error`.
  package init(refusing error: RPCError) {
    firstKept = .max
    failure = error
  }

  /// The seq that runs next.
  package var nextSeq: UInt64 { firstKept + UInt64(entries.count) }

  /// Requests that are running.
  package var runningCount: Int { entries.count { $0.isRunning } }

  /// Adds an answer found by recovery; its seq must be below `nextSeq`, and not further below than
  /// answers are kept.
  package mutating func restore(seq: UInt64, digest: PayloadDigest?, outcome: Outcome) {
    guard seq < nextSeq, nextSeq - seq <= UInt64(Self.maximumAnswers) else { return }
    while firstKept > seq {
      entries.prepend(.unknown)
      firstKept -= 1
    }
    if case .recorded(_, let known) = entries[Int(seq - firstKept)] {
      bytes -= known.payload.byteCount
    } else {
      answers += 1
    }
    bytes += outcome.payload.byteCount
    entries[Int(seq - firstKept)] = .recorded(digest: digest, outcome: outcome)
  }

  /// Decides about a request.
  /// - Parameters:
  ///   - digest: nil for a refusal passed on by the router, which matches any payload.
  ///   - acked: the highest seq up to which the client has every answer; 0 for none.
  package mutating func begin(seq: UInt64, digest: PayloadDigest?, acked: UInt64) -> Verdict {
    if let failure { return .refuse(failure) }
    if acked > 0, acked >= nextSeq { return .refuse(outrun(by: acked)) }
    forget(upTo: acked)
    if seq < firstKept { return .refuse(forgotten(seq)) }
    guard seq < nextSeq else { return beginNext(seq, digest) }
    let index = Int(seq - firstKept)
    switch entries[index] {
    case .unknown: return .refuse(forgotten(seq))
    case .recorded(let known, let outcome):
      return matches(known, digest) ? .replay(outcome) : .refuse(mismatch(seq))
    case .running(let known, let copies):
      guard matches(known, digest) else { return .refuse(mismatch(seq)) }
      entries[index] = .running(digest: known, copies: copies + 1)
      return .alreadyRunning
    }
  }

  private mutating func beginNext(_ seq: UInt64, _ digest: PayloadDigest?) -> Verdict {
    guard seq == nextSeq else {
      return .refuse(
        RPCError(.unavailable, "seq \(nextSeq) comes before \(seq)", retryAfterMilliseconds: 20))
    }
    guard entries.count < Self.maximumEntries else {
      return .refuse(
        RPCError(
          .resourceExhausted, "seq \(firstKept) is still running; send this again",
          retryAfterMilliseconds: 100))
    }
    guard bytes < Self.maximumBytes else {
      return .refuse(
        RPCError(
          .resourceExhausted,
          "\(bytes) bytes of answers from seq \(firstKept) on are not acknowledged; send this again",
          field: "acked", retryAfterMilliseconds: 100))
    }
    entries.append(.running(digest: digest, copies: 1))
    return .run
  }

  /// A client asks for the answer of a key without its body.
  package mutating func await(seq: UInt64, acked: UInt64) -> Verdict {
    let verdict = status(of: seq)
    switch verdict {
    case .alreadyRunning:
      let index = Int(seq - firstKept)
      if case .running(let digest, let copies) = entries[index] {
        entries[index] = .running(digest: digest, copies: copies + 1)
      }
    case .refuse where failure == nil && seq >= nextSeq && acked > 0 && acked >= nextSeq:
      return .refuse(outrun(by: acked))
    default: break
    }
    return verdict
  }

  /// What is known of a request, without asking for another answer of it.
  package func status(of seq: UInt64) -> Verdict {
    if let failure { return .refuse(failure) }
    if seq < firstKept { return .refuse(forgotten(seq)) }
    guard seq < nextSeq else {
      return .refuse(RPCError(.unavailable, "seq \(seq) was not received; send it again"))
    }
    switch entries[Int(seq - firstKept)] {
    case .unknown: return .refuse(forgotten(seq))
    case .recorded(_, let outcome): return .replay(outcome)
    case .running: return .alreadyRunning
    }
  }

  /// What a request's outcome is here. One that does not consume its seq is possible for the last
  /// seq only: what runs behind it would otherwise have run out of order. In that case the request
  /// fails for good.
  package func settled(seq: UInt64, _ outcome: Outcome) -> Outcome {
    guard !outcome.code.consumesSeq, seq + 1 < nextSeq else { return outcome }
    let message = outcome.error.map(\.description) ?? ""
    return Outcome(error: RPCError(.internal, "failed behind its successors: \(message)"))
  }

  /// Records the outcome of a request that `begin` let run.
  package mutating func finish(seq: UInt64, outcome: Outcome) -> Finish {
    guard seq >= firstKept, seq < nextSeq,
      case .running(let digest, let copies) = entries[Int(seq - firstKept)]
    else { return .unknown }
    let outcome = settled(seq: seq, outcome)
    if !outcome.code.consumesSeq {
      entries.removeLast()
      return .answer(outcome, times: copies)
    }
    entries[Int(seq - firstKept)] = .recorded(digest: digest, outcome: outcome)
    answers += 1
    bytes += outcome.payload.byteCount
    forget(upTo: acked)
    while answers > Self.maximumAnswers, dropFirst() {}
    return .answer(outcome, times: copies)
  }

  // MARK: Parts

  /// The client has the answers up to `seq`, which `begin` saw to be below `nextSeq`.
  private mutating func forget(upTo seq: UInt64) {
    acked = max(acked, seq)
    guard acked > 0 else { return }
    while firstKept <= acked, dropFirst() {}
  }

  /// Forgets the oldest entry.
  /// - Returns: false if it is still running (or there is none): it and what is behind it stay.
  private mutating func dropFirst() -> Bool {
    guard let first = entries.first, !first.isRunning else { return false }
    if case .recorded(_, let outcome) = first {
      answers -= 1
      bytes -= outcome.payload.byteCount
    }
    entries.removeFirst()
    firstKept += 1
    return true
  }

  private func matches(_ known: PayloadDigest?, _ given: PayloadDigest?) -> Bool {
    guard let known, let given else { return true }
    return known == given
  }

  private func mismatch(_ seq: UInt64) -> RPCError {
    RPCError(
      .failedPrecondition, "seq \(seq) was used for another request; nothing was changed",
      field: "seq")
  }

  private func outrun(by acked: UInt64) -> RPCError {
    RPCError(
      .dataLoss,
      "the client has answers up to seq \(acked), the service knows of \(nextSeq) requests")
  }

  /// A code that consumes the seq, as its run did: only a late copy can meet it, and "send it
  /// again" would turn the stream back to a seq that nobody will send.
  private func forgotten(_ seq: UInt64) -> RPCError {
    RPCError(
      .dataLoss,
      acked > 0 && seq <= acked
        ? "seq \(seq) was answered and acknowledged; its answer is kept no more"
        : "the answer of seq \(seq) is kept no more")
  }
}
