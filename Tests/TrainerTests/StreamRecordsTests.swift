import Journal
import Testing
import Wire

@testable import Trainer

/// What is written of requests, and when: bodies only where a replay reads them, answers carried on.
@Suite struct StreamRecordsTests {
  private func request(_ seq: UInt64, _ method: Method) -> JournalRecord.Request {
    var request = JournalRecord.Request()
    request.seq = seq
    request.method = method.rawValue
    request.digest = [UInt8](repeating: UInt8(truncatingIfNeeded: seq), count: 32)
    request.payload = Payload(body: Bytes([UInt8](repeating: 7, count: 1000)))
    return request
  }

  private func outcome(
    _ seq: UInt64, _ code: StatusCode = .ok, ran: Bool = true, bytes: Int = 10
  ) -> JournalRecord.Outcome {
    var outcome = JournalRecord.Outcome()
    outcome.seq = seq
    outcome.code = UInt32(code.rawValue)
    outcome.ran = ran
    outcome.payload = Payload(body: Bytes([UInt8](repeating: 1, count: bytes)))
    return outcome
  }

  /// `r` a request with its body, `d` one with its digest alone, `o` an outcome.
  private func text(_ records: [JournalRecord]) -> String {
    records.map { record in
      switch record {
      case .opening: "?"
      case .request(let request):
        (request.payload.byteCount > 0 ? "r" : request.digest.isEmpty ? "?" : "d")
          + "\(request.seq)"
      case .outcome(let outcome): "o\(outcome.seq)"
      }
    }.joined(separator: " ")
  }

  @Test(
    "A body is written where a replay reads it",
    arguments: [
      (Method.trainingForwardBackward, StatusCode.ok, true, "r0 o0"),
      (.trainingForwardBackward, .invalidArgument, true, "d0 o0"),
      (.trainingForwardBackward, .deadlineExceeded, false, "d0 o0"),
      (.trainingForward, .ok, true, "d0 o0"),
      (.trainingOptimStep, .ok, true, "r0 o0"),
      (.trainingOptimStep, .failedPrecondition, true, "r0 o0"),
      (.trainingOptimStep, .invalidArgument, true, "d0 o0"),
      (.trainingOptimStep, .cancelled, false, "d0 o0"),
      (.trainingCreateModel, .ok, true, "r0 o0"),
      (.trainingCreateModel, .invalidArgument, true, "d0 o0"),
      (.trainingSaveState, .ok, true, "d0 o0"), (.trainingUnload, .ok, true, "d0 o0"),
    ])
  func bodies(method: Method, code: StatusCode, ran: Bool, expected: String) {
    var records = StreamRecords()
    records.admitted(request(0, method), acked: 0)
    #expect(text(records.finished(outcome(0, code, ran: ran))) == expected)
    #expect(text(records.carried) == "d0 o0")
  }

  @Test("An outcome is written behind those before it, which may end later")
  func inOrder() throws {
    var records = StreamRecords()
    for seq in UInt64(0)...3 { records.admitted(request(seq, .trainingForwardBackward), acked: 0) }
    #expect(text(records.finished(outcome(2, .deadlineExceeded, ran: false))) == "")
    #expect(text(records.finished(outcome(1))) == "")
    #expect(records.firstOpen == 0 && records.firstUnwritten == 0)
    let written = records.finished(outcome(0))
    #expect(text(written) == "r0 o0 r1 o1 d2 o2")
    #expect(records.firstOpen == 3)
    #expect(text(records.carried) == "d0 o0 d1 o1 d2 o2")
    // Whoever takes over knows what became of everything before the seq that is next.
    let plan = try ReplayPlan(written, from: 0, keeping: 9)
    #expect(plan.nextSeq == 3 && plan.steps.allSatisfy { $0.outcome != nil })
    // What a snapshot contains needs no body.
    #expect(text(records.contained(below: 4)) == "d3")
    #expect(text(records.contained(below: 4)) == "")
    // The segment that it is in may go with the snapshot; its outcome is to come.
    #expect(text(records.carried) == "d0 o0 d1 o1 d2 o2 d3")
    #expect(text(records.finished(outcome(3))) == "o3")
    #expect(records.firstOpen == 4)
  }

  @Test("Answers are kept until they are acknowledged, and not more of them than can be asked for")
  func kept() {
    var records = StreamRecords()
    for seq in UInt64(0)..<5 {
      records.admitted(request(seq, .trainingForward), acked: 0)
      _ = records.finished(outcome(seq))
    }
    records.admitted(request(5, .trainingForward), acked: 3)
    #expect(text(records.carried) == "d4 o4")
    for seq in UInt64(5)..<600 {
      records.admitted(request(seq, .trainingForward), acked: 3)
      _ = records.finished(outcome(seq))
    }
    #expect(records.carried.count == 2 * 256)
    #expect(text(Array(records.carried.prefix(2))) == "d344 o344")
  }

  @Test("A recovered stream carries what it found")
  func recovered() throws {
    let plan = try ReplayPlan(
      (UInt64(0)..<3).flatMap { seq -> [JournalRecord] in
        [.request(request(seq, .trainingForwardBackward)), .outcome(outcome(seq))]
      }, from: 0, keeping: 2)
    var records = StreamRecords(nextSeq: plan.nextSeq, answers: plan.answers)
    #expect(records.nextSeq == 3 && text(records.carried) == "d1 o1 d2 o2")
    records.admitted(request(3, .trainingForward), acked: 1)
    #expect(text(records.carried) == "d2 o2")
  }

  @Test("Bytes that are in no snapshot are counted: bodies and answers")
  func bytes() {
    var records = StreamRecords()
    records.admitted(request(0, .trainingForwardBackward), acked: 0)
    _ = records.finished(outcome(0, bytes: 500))
    #expect(records.unsavedBytes >= 1500)
    records.saved()
    #expect(records.unsavedBytes == 0)
    records.admitted(request(1, .trainingForwardBackward), acked: 0)
    _ = records.finished(outcome(1, .invalidArgument, bytes: 0))
    #expect(records.unsavedBytes < 1000)
  }

  @Test("A seq that was given back counts as its last request")
  func givenBack() {
    var records = StreamRecords()
    records.admitted(request(0, .trainingForwardBackward), acked: 0)
    records.admitted(request(0, .trainingOptimStep), acked: 0)
    let written = records.finished(outcome(0))
    guard case .request(let request)? = written.first else { return #expect(Bool(false)) }
    #expect(request.method == Method.trainingOptimStep.rawValue)
  }
}
