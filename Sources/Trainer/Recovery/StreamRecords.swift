import Journal
import RPC
import Wire

/// What of one stream's requests and outcomes is to be written, and when. A pure value.
///
/// Outcomes are written in the order of their seqs, however they come: one that is refused behind
/// others that still run waits for them. Else the journal would end behind requests of which it does
/// not say what became, and whoever takes over could neither run them nor answer.
///
/// A request is written with its outcome, which says what of it anybody may need: a refused one is
/// its digest, by which a repeat is known, and not its body, so nobody fills the disk with them. What
/// clients may still ask for is carried from segment to segment, so that no segment is kept for it.
struct StreamRecords {
  private struct Open {
    var request: JournalRecord.Request
    /// A snapshot contains it: it is written, without its body, and the segment that it is in may go.
    var isContained = false
    /// It has ended, and one before it has not.
    var outcome: JournalRecord.Outcome?
  }

  /// An answer that may be asked for again, and its request without its body.
  private struct Kept {
    let request: JournalRecord.Request
    let outcome: JournalRecord.Outcome
    var bytes: Int { outcome.payload.byteCount }
  }

  /// Bytes of answers that are carried into a new segment at most, the newest first: well above what
  /// a stream's owner keeps (`StreamLog.maximumBytes` and those under way), and below a block's limit.
  private static let carriedBytes = 1 << 30

  /// The first seq that was not admitted.
  private(set) var nextSeq: UInt64
  /// Bytes of records since the last snapshot.
  private(set) var unsavedBytes = 0
  /// Requests without an outcome.
  private var open: [UInt64: Open] = [:]
  private var kept: [UInt64: Kept] = [:]
  /// No answer below it is kept.
  private var firstKept: UInt64

  /// A stream that was recovered.
  init(nextSeq: UInt64 = 0, answers: [ReplayPlan.Step] = []) {
    self.nextSeq = nextSeq
    firstKept = answers.map(\.request.seq).min() ?? nextSeq
    for step in answers {
      guard let outcome = step.outcome else { continue }
      kept[step.request.seq] = Kept(request: step.request.withoutBody, outcome: outcome)
    }
  }

  /// - Parameter acked: the highest seq up to which the client has every answer; 0 for none.
  mutating func admitted(_ request: JournalRecord.Request, acked: UInt64) {
    open[request.seq] = Open(request: request)
    nextSeq = max(nextSeq, request.seq &+ 1)
    let limit = UInt64(StreamLog.maximumAnswers)
    let first = max(nextSeq - min(nextSeq, limit), acked == 0 ? 0 : min(acked, nextSeq - 1) + 1)
    while firstKept < first {
      kept[firstKept] = nil
      firstKept += 1
    }
  }

  /// - Returns: what is to be written now: nothing while one before it has no outcome, else this
  ///   request and outcome and all that have waited for it.
  mutating func finished(_ outcome: JournalRecord.Outcome) -> [JournalRecord] {
    guard open[outcome.seq] != nil else { return [] }
    open[outcome.seq]?.outcome = outcome
    var records: [JournalRecord] = []
    while let seq = open.keys.min(), let outcome = open[seq]?.outcome {
      records += end(seq, outcome)
    }
    unsavedBytes += records.reduce(0) { $0 + $1.payloadBytes }
    return records
  }

  private mutating func end(_ seq: UInt64, _ outcome: JournalRecord.Outcome) -> [JournalRecord] {
    guard let this = open.removeValue(forKey: seq) else { return [] }
    let bare = this.request.withoutBody
    if seq >= firstKept { kept[seq] = Kept(request: bare, outcome: outcome) }
    guard !this.isContained else { return [.outcome(outcome)] }
    let isNeeded = ReplayPlan.needsBody(of: this.request, outcome)
    return [.request(isNeeded ? this.request : bare), .outcome(outcome)]
  }

  /// Requests that a snapshot is about to contain while they have no outcome yet: to be written, so
  /// that repeats of them are known.
  mutating func contained(below seq: UInt64) -> [JournalRecord] {
    open.keys.filter { $0 < seq }.sorted().compactMap { key in
      guard let this = open[key], !this.isContained else { return nil }
      open[key]?.isContained = true
      return .request(this.request.withoutBody)
    }
  }

  /// Every request below it has an outcome.
  var firstOpen: UInt64 { open.keys.min() ?? nextSeq }

  /// The lowest seq whose request may be written from now on.
  var firstUnwritten: UInt64 { open.filter { !$1.isContained }.keys.min() ?? nextSeq }

  /// A snapshot contains what was written so far.
  mutating func saved() { unsavedBytes = 0 }

  /// What a new segment begins with: the answers that clients may ask for, and the requests whose
  /// outcomes are still to come while nothing else needs the segments before it.
  var carried: [JournalRecord] {
    var (bytes, answers) = (0, [Kept]())
    for (_, answer) in kept.sorted(by: { $0.key > $1.key }) {
      bytes += answer.bytes
      guard bytes <= Self.carriedBytes else { break }
      answers.append(answer)
    }
    let waiting = open.filter { $1.isContained }.sorted { $0.key < $1.key }
    return answers.reversed().flatMap { [.request($0.request), .outcome($0.outcome)] }
      + waiting.map { .request($1.request.withoutBody) }
  }
}

extension JournalRecord {
  /// About what it takes on disk.
  fileprivate var payloadBytes: Int {
    switch self {
    case .opening: 128
    case .request(let request): 128 + request.payload.byteCount
    case .outcome(let outcome): 128 + outcome.payload.byteCount
    }
  }
}

extension JournalRecord.Request {
  fileprivate var withoutBody: Self {
    var bare = self
    bare.payload = .empty
    return bare
  }
}
