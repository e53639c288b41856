import Foundation
import Testing
import Tinsmith

@testable import CLI

/// The program that proves the promise: its parts, and that it can fail.
@Suite(.timeLimit(.minutes(30))) struct ProveTests {
  // MARK: What is compared

  private static func record(adapter: [UInt8] = [UInt8](0..<100)) -> RunRecord {
    var record = RunRecord()
    record.add("loss", 1.5)
    record.add("logprobs", [Float](repeating: -2, count: 5))
    record.add("adapter", adapter)
    return record
  }

  @Test func equalRecordsDoNotDiffer() {
    #expect(RunDifference(expected: Self.record(), actual: Self.record()) == nil)
    // Numbers are equal if their bits are.
    var (first, second) = (RunRecord(), RunRecord())
    first.add("x", Double.nan)
    second.add("x", Double.nan)
    #expect(RunDifference(expected: first, actual: second) == nil)
    second = RunRecord()
    second.add("x", -Double.nan)
    #expect(RunDifference(expected: first, actual: second) != nil)
  }

  @Test func eachChangedByteIsFoundAndNamed() throws {
    for offset in 0..<100 {
      var bytes = [UInt8](0..<100)
      bytes[offset] ^= 0x10
      let difference = try #require(
        RunDifference(expected: Self.record(), actual: Self.record(adapter: bytes)))
      #expect(difference.name == "adapter")
      guard case .byte(offset, let start, let expected, let found) = difference.kind else {
        Issue.record("\(difference)")
        return
      }
      #expect(expected[offset - start] ^ found[offset - start] == 0x10)
      #expect(difference.description.contains("byte \(offset) differs"))
    }
  }

  @Test func missingAndAdditionalResultsAreNamed() {
    var longer = Self.record()
    longer.add("more", 1.0)
    #expect(
      RunDifference(expected: longer, actual: Self.record())?.description == "more is missing")
    #expect(
      RunDifference(expected: Self.record(), actual: longer)?.description
        == "more should not be there")
    var shorter = RunRecord()
    shorter.add("loss", [UInt8](repeating: 0, count: 4))
    var other = RunRecord()
    other.add("loss", [UInt8](repeating: 0, count: 5))
    #expect(
      RunDifference(expected: other, actual: shorter)?.description == "loss: 4 bytes instead of 5")
  }

  // MARK: What a seed decides

  @Test func fatesFollowFromTheSeed() {
    let fates = Fates(seed: 5, odds: .bad)
    let again = Fates(seed: 5, odds: .bad)
    let other = Fates(seed: 6, odds: .bad)
    let quiet = Fates(seed: 5, odds: .none)
    var counts: [String: Int] = [:]
    var different = 0
    for direction in Fates.Direction.allCases {
      for number in 0..<10_000 as Range<UInt64> {
        let fate = fates.fate(of: number, direction)
        #expect(fate == again.fate(of: number, direction))
        #expect(quiet.fate(of: number, direction) == .pass)
        if fate != other.fate(of: number, direction) { different += 1 }
        counts[String("\(fate)".prefix { $0 != "(" }), default: 0] += 1
      }
    }
    #expect(different > 1000)
    // In 20,000 messages, within four standard deviations.
    for (name, odds) in [("late", 80), ("twice", 80), ("behind", 80), ("lost", 12)] {
      let expected = Double(odds * 20)
      #expect(abs(Double(counts[name] ?? 0) - expected) < 4 * expected.squareRoot(), "\(name)")
    }
  }

  @Test(arguments: [ChaosSchedule.Shape.serve, .split])
  func schedulesFollowFromTheSeed(shape: ChaosSchedule.Shape) {
    func schedule(_ seed: UInt64) -> ChaosSchedule {
      ChaosSchedule(seed: seed, shape: shape, count: 10, workers: 2, answers: 100, longPause: 500)
    }
    #expect(schedule(1) == schedule(1))
    #expect(schedule(1) != schedule(2))
    for seed in 0..<50 as Range<UInt64> {
      let steps = schedule(seed).steps
      #expect(steps.count == 10)
      #expect(steps.map(\.answers) == steps.map(\.answers).sorted())
      #expect(steps.allSatisfy { (1...90).contains($0.answers) })
      let kinds = Dictionary(grouping: steps, by: \.act.name).mapValues(\.count)
      #expect(kinds.count == (shape == .serve ? 5 : 4), "\(kinds)")
      #expect(kinds["worker killed"] == 4)
      #expect(kinds["supervisor killed"] == (shape == .serve ? 1 : nil))
    }
  }

  // MARK: Messages on their way

  private static func train(_ endpoint: String) async throws -> [ForwardBackwardOutput] {
    let service = ServiceClient(endpoint: endpoint)
    let training = try await TestService.model(service)
    let passes = (0..<60).map { step in
      let pass = training.forwardBackward(Batches.batch(step), loss: .crossEntropy)
      _ = training.optimStep(Batches.adam)
      return pass
    }
    var outputs: [ForwardBackwardOutput] = []
    for pass in passes { outputs.append(try await pass.value()) }
    await service.close()
    return outputs
  }

  @Test func undisturbedMessagesAllArrive() async throws {
    let endpoint = try await TestService.running().endpoint
    let way = try Interposer(service: endpoint, fates: Fates(seed: 1, odds: .none))
    let through = try await Self.train(way.endpoint)
    try await way.stop()
    #expect(try await Self.train(endpoint) == through)
    let counts = way.counts
    #expect(counts.messages >= 2 * 121)
    #expect(counts == Interposer.Counts(messages: counts.messages))
  }

  @Test("Messages that are lost, late, repeated and out of order change nothing")
  func disturbedMessages() async throws {
    let endpoint = try await TestService.running().endpoint
    let odds = Fates.Odds(late: 100, twice: 100, behind: 100, lost: 20)
    let way = try Interposer(service: endpoint, fates: Fates(seed: 2, odds: odds))
    let through = try await Self.train(way.endpoint)
    try await way.stop()
    #expect(try await Self.train(endpoint) == through)
    let counts = way.counts
    #expect(min(counts.late, counts.twice, counts.behind, counts.lost, counts.breaks) > 0)
  }

  @Test("A way that is closed for a while is waited out")
  func closedWay() async throws {
    let endpoint = try await TestService.running().endpoint
    let way = try Interposer(service: endpoint, fates: Fates(seed: 1, odds: .none))
    let work = Task { try await Self.train(way.endpoint) }
    while way.counts.messages < 40 { try await Task.sleep(for: .milliseconds(5)) }
    way.close()
    try await Task.sleep(for: .milliseconds(500))
    way.open()
    let through = try await work.value
    try await way.stop()
    #expect(way.counts.breaks == 1)
    #expect(try await Self.train(endpoint) == through)
  }

  // MARK: The program

  private static let tiny = "\(TestService.tiny)=\(Program.fixture("qwen3"))"

  @Test func passesAndFails() async throws {
    let arguments = ["prove", "--short", "--only", "alone", "--base", Self.tiny]
    let good = try await Program.run(arguments)
    #expect(good.status == 0, "\(good.output)\n\(good.errors)")
    #expect(good.output.hasSuffix("\nPASS\n"))
    #expect(good.output.contains(/final optimizer: SHA-256 [0-9a-f]{64}\n/))
    // One learning rate is a thousandth higher: the next step sees it.
    let bad = try await Program.run(arguments + ["--disturb-step", "3"])
    #expect(bad.status == 1)
    let last = try #require(bad.output.split(separator: "\n").last)
    #expect(last.contains(/^FAIL: alone.*: sft step 4, forward_backward, .*byte \d+ differs/))
  }

  @Test func chaosOnATinyModel() async throws {
    let (status, output, errors) = try await Program.run([
      "prove", "--short", "--only", "chaos", "--base", Self.tiny, "--seed", "3", "--tenants", "1",
    ])
    #expect(status == 0, "\(output)\n\(errors)")
    #expect(output.hasSuffix("\nPASS\n"))
    // In each of the two ways to start a service.
    #expect(output.matches(of: /worker killed 4/).count == 2)
    #expect(output.contains("router killed 1 ×, supervisor killed 1 ×"))
    #expect(output.contains("\n  all killed at once 2 ×, router killed 2 ×"))
  }
}
