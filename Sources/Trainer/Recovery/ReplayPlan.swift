import Engine
import Journal
import Wire

/// What a new owner of a model does with its journal: which requests it runs again, and which answers
/// it can still give. A pure value.
struct ReplayPlan {
  /// A request and what it led to.
  struct Step {
    let request: JournalRecord.Request
    /// Nil only in journals of before outcomes were written in order: it failed.
    let outcome: JournalRecord.Outcome?
  }

  /// Requests that the snapshot does not contain, in order.
  let steps: [Step]
  /// The seq that runs next: what was admitted behind the last outcome never happened, and its
  /// client will send it again.
  let nextSeq: UInt64
  /// Requests with an outcome that a client may ask for again, oldest first.
  let answers: [Step]

  /// - Parameters:
  ///   - records: of the journal's chain.
  ///   - firstSeq: the first seq that the snapshot does not contain.
  ///   - kept: how many answers are kept at most.
  /// - Throws: `dataLoss` if a request that has an outcome is missing.
  init(
    _ records: [JournalRecord], from firstSeq: UInt64, keeping kept: Int
  ) throws(EngineError) {
    // A seq that was given back has several requests; the last one is the one that ran.
    var requests: [UInt64: JournalRecord.Request] = [:]
    var outcomes: [UInt64: JournalRecord.Outcome] = [:]
    for record in records {
      switch record {
      case .opening: break
      // Behind its outcome it was carried into another segment, without its body.
      case .request(let request):
        if outcomes[request.seq] == nil { requests[request.seq] = request }
      case .outcome(let outcome): outcomes[outcome.seq] = outcome
      }
    }
    let end = max(firstSeq, outcomes.keys.max().map { $0 + 1 } ?? 0)
    steps = try (firstSeq..<end).map { seq throws(EngineError) in
      guard let request = requests[seq] else {
        throw EngineError(.dataLoss, "the journal lacks the request of seq \(seq)")
      }
      return Step(request: request, outcome: outcomes[seq])
    }
    nextSeq = end
    let oldest = end - min(end, UInt64(kept))
    answers = outcomes.keys.filter { $0 >= oldest }.sorted().compactMap { seq in
      requests[seq].map { Step(request: $0, outcome: outcomes[seq]) }
    }
  }

  /// Whether replaying a request that has led to `outcome` reads what it said: the others leave a
  /// model as it is, were refused, or are followed by a snapshot.
  static func needsBody(
    of request: JournalRecord.Request, _ outcome: JournalRecord.Outcome
  ) -> Bool {
    switch Method(rawValue: request.method) {
    case .trainingCreateModel, .trainingForwardBackward: outcome.ran && outcome.code == 0
    case .trainingOptimStep: runsOptimStep(outcome)
    default: false
    }
  }

  /// Settings that were refused left everything as it was; other failures drop the gradient.
  static func runsOptimStep(_ outcome: JournalRecord.Outcome?) -> Bool {
    guard let outcome else { return false }
    return outcome.ran && outcome.code != UInt32(StatusCode.invalidArgument.rawValue)
  }
}
