import Testing
import Wire

@testable import RPC

@Suite struct StreamLogTests {
  private func digest(_ text: String) -> PayloadDigest { PayloadDigest(Payload(text: text)) }

  private func outcome(_ text: String) -> Outcome { Outcome(payload: Payload(text: text)) }

  /// Runs seqs 0 to `count` - 1, each with the text of its seq.
  private func log(_ count: UInt64) -> StreamLog {
    var log = StreamLog()
    for seq in 0..<count {
      _ = log.begin(seq: seq, digest: digest("\(seq)"), acked: 0)
      _ = log.finish(seq: seq, outcome: outcome("answer \(seq)"))
    }
    return log
  }

  private func word(_ verdict: StreamLog.Verdict) -> String {
    switch verdict {
    case .run: "run"
    case .replay(let outcome): "replay \(outcome.payload.text)"
    case .alreadyRunning: "running"
    case .refuse(let error): "\(error.code)"
    }
  }

  @Test func onlyTheNextSeqRuns() {
    var log = log(3)
    #expect(word(log.begin(seq: 4, digest: digest("4"), acked: 0)) == "UNAVAILABLE")
    #expect(word(log.begin(seq: 3, digest: digest("3"), acked: 0)) == "run")
    #expect(word(log.begin(seq: 4, digest: digest("4"), acked: 0)) == "run")
    #expect(log.nextSeq == 5)
  }

  /// Nothing runs while the client does not take what there is, and nothing is dropped meanwhile.
  @Test func answersAreLimitedByTheirBytes() {
    let large = Payload(body: Bytes([UInt8](repeating: 1, count: StreamLog.maximumBytes / 2)))
    var log = log(1)
    for seq in UInt64(1)...2 {
      #expect(word(log.begin(seq: seq, digest: digest("\(seq)"), acked: 0)) == "run")
      _ = log.finish(seq: seq, outcome: Outcome(payload: large))
    }
    #expect(word(log.begin(seq: 3, digest: digest("3"), acked: 0)) == "RESOURCE_EXHAUSTED")
    #expect(word(log.begin(seq: 0, digest: digest("0"), acked: 0)) == "replay answer 0")
    guard case .replay(let again) = log.begin(seq: 1, digest: digest("1"), acked: 0) else {
      Issue.record("an answer that was not acknowledged was dropped")
      return
    }
    #expect(again.payload == large)
    // The same request, sent again by a client that has the first answers, is let in.
    #expect(word(log.begin(seq: 3, digest: digest("3"), acked: 1)) == "run")
    // What recovery found counts, too.
    var recovered = StreamLog(nextSeq: 2)
    for seq in UInt64(0)...1 {
      recovered.restore(seq: seq, digest: digest("\(seq)"), outcome: Outcome(payload: large))
    }
    #expect(word(recovered.begin(seq: 2, digest: nil, acked: 0)) == "RESOURCE_EXHAUSTED")
    #expect(word(recovered.begin(seq: 2, digest: nil, acked: 1)) == "run")
  }

  @Test func repeatsGetTheRecordedAnswer() {
    var log = log(3)
    for _ in 0..<2 {
      #expect(word(log.begin(seq: 1, digest: digest("1"), acked: 0)) == "replay answer 1")
    }
    #expect(log.nextSeq == 3)
  }

  @Test func anotherPayloadUnderAUsedSeqIsRefused() {
    var log = log(3)
    #expect(word(log.begin(seq: 1, digest: digest("other"), acked: 0)) == "FAILED_PRECONDITION")
    #expect(word(log.begin(seq: 1, digest: digest("1"), acked: 0)) == "replay answer 1")
    _ = log.begin(seq: 3, digest: digest("3"), acked: 0)
    #expect(word(log.begin(seq: 3, digest: digest("other"), acked: 0)) == "FAILED_PRECONDITION")
    guard case .answer(_, times: 1) = log.finish(seq: 3, outcome: outcome("x")) else {
      Issue.record("the refused one must not be answered by the running one")
      return
    }
  }

  @Test func everyCopyOfARunningRequestIsAnswered() {
    var log = log(1)
    _ = log.begin(seq: 1, digest: digest("1"), acked: 0)
    #expect(word(log.begin(seq: 1, digest: digest("1"), acked: 0)) == "running")
    #expect(word(log.await(seq: 1, acked: 0)) == "running")
    guard case .answer(_, times: 3) = log.finish(seq: 1, outcome: outcome("x")) else {
      Issue.record("three copies, three answers")
      return
    }
    guard case .unknown = log.finish(seq: 1, outcome: outcome("x")) else {
      Issue.record("finished once only")
      return
    }
  }

  @Test func acknowledgedAnswersAreForgotten() {
    var log = log(5)
    #expect(word(log.begin(seq: 4, digest: digest("4"), acked: 3)) == "replay answer 4")
    #expect(word(log.begin(seq: 3, digest: digest("3"), acked: 3)) == "DATA_LOSS")
    #expect(word(log.begin(seq: 0, digest: digest("0"), acked: 0)) == "DATA_LOSS")
  }

  @Test func answersBeyondTheLimitAreLost() {
    let limit = UInt64(StreamLog.maximumAnswers)
    var log = log(limit + 5)
    #expect(word(log.begin(seq: 4, digest: digest("4"), acked: 0)) == "DATA_LOSS")
    #expect(word(log.begin(seq: 5, digest: digest("5"), acked: 0)) == "replay answer 5")
    #expect(word(log.await(seq: 4, acked: 0)) == "DATA_LOSS")
  }

  @Test func behindARunningRequestIsRoomForSoMany() {
    var log = log(1)
    #expect(word(log.begin(seq: 1, digest: digest("1"), acked: 0)) == "run")
    let end = UInt64(StreamLog.maximumEntries)
    for seq in 2...end {
      #expect(word(log.begin(seq: seq, digest: nil, acked: 0)) == "run")
      _ = log.finish(seq: seq, outcome: outcome("answer"))
    }
    #expect(word(log.begin(seq: end + 1, digest: nil, acked: 0)) == "RESOURCE_EXHAUSTED")
    _ = log.finish(seq: 1, outcome: outcome("at last"))
    // The answers above the limit went with it.
    #expect(word(log.begin(seq: end + 1, digest: nil, acked: 0)) == "run")
    #expect(word(log.await(seq: 1, acked: 0)) == "DATA_LOSS")
    #expect(log.runningCount == 1)
  }

  @Test func anAcknowledgementOfARunningRequestForgetsNothingBehindIt() {
    var log = log(1)
    _ = log.begin(seq: 1, digest: digest("1"), acked: 0)
    _ = log.begin(seq: 2, digest: digest("2"), acked: 1)
    guard case .answer(_, times: 1) = log.finish(seq: 1, outcome: outcome("x")) else {
      Issue.record("it is answered all the same")
      return
    }
    #expect(word(log.begin(seq: 1, digest: digest("1"), acked: 0)) == "DATA_LOSS")
    #expect(word(log.begin(seq: 2, digest: digest("2"), acked: 0)) == "running")
  }

  @Test func aClientThatKnowsMoreThanTheOwnerIsTold() {
    var log = log(3)
    #expect(word(log.begin(seq: 9, digest: digest("9"), acked: 8)) == "DATA_LOSS")
    #expect(word(log.begin(seq: 3, digest: digest("3"), acked: 3)) == "DATA_LOSS")
    #expect(word(log.begin(seq: 3, digest: digest("3"), acked: 2)) == "run")
  }

  @Test func aSeqThatIsNotUsedUpRunsAgain() {
    var log = log(1)
    _ = log.begin(seq: 1, digest: digest("1"), acked: 0)
    _ = log.finish(seq: 1, outcome: Outcome(error: RPCError(.resourceExhausted, "later")))
    #expect(log.nextSeq == 1)
    #expect(word(log.begin(seq: 1, digest: digest("1"), acked: 0)) == "run")
  }

  @Test func behindSuccessorsEveryOutcomeCounts() {
    var log = log(1)
    _ = log.begin(seq: 1, digest: digest("1"), acked: 0)
    _ = log.begin(seq: 2, digest: digest("2"), acked: 0)
    let finish = log.finish(seq: 1, outcome: Outcome(error: RPCError(.unavailable, "later")))
    guard case .answer(let outcome, times: 1) = finish else {
      Issue.record("an outcome")
      return
    }
    #expect(outcome.code == .internal)
    #expect(log.nextSeq == 3)
  }

  @Test func aTombstoneIsAnOutcomeForAnyPayload() {
    var log = log(1)
    #expect(word(log.begin(seq: 1, digest: nil, acked: 0)) == "run")
    _ = log.finish(seq: 1, outcome: Outcome(error: RPCError(.cancelled, "held")))
    guard case .replay(let outcome) = log.begin(seq: 1, digest: digest("x"), acked: 0) else {
      Issue.record("a recorded refusal")
      return
    }
    #expect(outcome.code == .cancelled)
  }

  @Test func recoveredAnswersAreReplayed() {
    var log = StreamLog(nextSeq: 4)
    log.restore(seq: 3, digest: digest("3"), outcome: outcome("answer 3"))
    log.restore(seq: 7, digest: nil, outcome: outcome("not yet"))
    #expect(word(log.begin(seq: 3, digest: digest("3"), acked: 0)) == "replay answer 3")
    #expect(word(log.begin(seq: 2, digest: digest("2"), acked: 0)) == "DATA_LOSS")
    #expect(word(log.begin(seq: 4, digest: digest("4"), acked: 0)) == "run")
  }

  @Test func digestsSeeFrameBoundaries() {
    let one = Payload(body: Bytes([1, 2]), attachments: [Bytes([3])])
    let other = Payload(body: Bytes([1]), attachments: [Bytes([2, 3])])
    #expect(PayloadDigest(one) != PayloadDigest(other))
    #expect(PayloadDigest(one) == PayloadDigest(one))
    #expect(PayloadDigest(Payload()) != PayloadDigest(Payload(attachments: [.empty])))
  }
}
