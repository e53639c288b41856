import Engine
import Journal
import Testing

@testable import Trainer

@Suite struct ReplayPlanTests {
  private func request(_ seq: UInt64, method: UInt32 = 300) -> JournalRecord {
    var request = JournalRecord.Request()
    request.seq = seq
    request.method = method
    return .request(request)
  }

  private func outcome(_ seq: UInt64, code: UInt32 = 0) -> JournalRecord {
    var outcome = JournalRecord.Outcome()
    outcome.seq = seq
    outcome.code = code
    return .outcome(outcome)
  }

  private func text(_ plan: ReplayPlan) -> String {
    let steps = plan.steps.map {
      "\($0.request.seq):\($0.request.method)=\($0.outcome.map { "\($0.code)" } ?? "?")"
    }
    let answers = plan.answers.map { "\($0.request.seq)" }
    return "\(steps.joined(separator: " ")) | \(plan.nextSeq) | \(answers.joined(separator: " "))"
  }

  @Test("What runs again, what runs next, and what can be answered")
  func table() throws {
    let history = [
      request(0), outcome(0), request(1), request(2), outcome(1), outcome(2, code: 9), request(3),
    ]
    #expect(text(try ReplayPlan([], from: 0, keeping: 9)) == " | 0 | ")
    #expect(text(try ReplayPlan([], from: 7, keeping: 9)) == " | 7 | ")
    // The request of seq 3 had no outcome: nobody was told that it ran.
    #expect(
      text(try ReplayPlan(history, from: 0, keeping: 9))
        == "0:300=0 1:300=0 2:300=9 | 3 | 0 1 2")
    #expect(text(try ReplayPlan(history, from: 2, keeping: 9)) == "2:300=9 | 3 | 0 1 2")
    #expect(text(try ReplayPlan(history, from: 3, keeping: 2)) == " | 3 | 1 2")
    // A snapshot may be ahead of what the journal knows, if it holds the last outcome itself.
    #expect(
      text(try ReplayPlan(history + [outcome(3)], from: 4, keeping: 2)) == " | 4 | 2 3")
  }

  @Test("A seq that was given back: its last request is the one that ran")
  func givenBack() throws {
    let history = [request(0), outcome(0), request(1), request(1, method: 301), outcome(1)]
    #expect(text(try ReplayPlan(history, from: 0, keeping: 9)) == "0:300=0 1:301=0 | 2 | 0 1")
  }

  @Test("What was carried into another segment, without its body, takes the place of nothing")
  func carried() throws {
    var bare = JournalRecord.Request()
    bare.seq = 0
    bare.method = 302
    let history = [request(0), outcome(0), .request(bare), outcome(0), request(1), outcome(1)]
    #expect(text(try ReplayPlan(history, from: 0, keeping: 9)) == "0:300=0 1:300=0 | 2 | 0 1")
  }

  @Test("A request that was decided without a record, behind others, is known to be that")
  func decidedWithoutRecord() throws {
    let history = [request(0), request(1), outcome(1)]
    #expect(text(try ReplayPlan(history, from: 0, keeping: 9)) == "0:300=? 1:300=0 | 2 | 1")
  }

  @Test("A request that is missing is damage")
  func missing() {
    let error = #expect(throws: EngineError.self) {
      try ReplayPlan([request(0), outcome(0), outcome(1)], from: 0, keeping: 9)
    }
    #expect(error?.code == .dataLoss)
  }
}
