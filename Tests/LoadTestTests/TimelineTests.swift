import Foundation
import LoadTestCore
import Testing

@Suite struct TimelineTests {
  private func timeline(_ stages: String..., warmup: Double = 0) throws -> Timeline {
    Timeline(try stages.map { try Stage($0) }, warmup: warmup)
  }

  @Test func warmUpHasTheLoadOfTheBeginning() throws {
    let up = try timeline("10s outstanding=2..8 name=up", "5s idle name=rest", warmup: 3)
    #expect(up.names == ["up", "rest"])
    #expect(up.blocks.map(\.start) == [-3, 0, 10])
    #expect(up.blocks[0].load == .outstanding(Ramp(2)))
    #expect(up.end == 15)
    #expect(up.seconds(ofName: 0) == 10)
    #expect(up.block(at: -3)?.name == 0)
    #expect(up.block(at: -3.01) == nil)
    #expect(up.block(at: 10)?.name == 1)
    #expect(up.block(at: 15) == nil)
    let burst = try timeline("1s burst=5", warmup: 1)
    #expect(burst.blocks[0].load == .idle)
  }

  @Test func slotsComeWithTheRamp() throws {
    let timeline = try timeline(
      "10s outstanding=0..10", "5s idle", "10s outstanding=10..0", "1s outstanding=3")
    // The level, rounded, is above the slot when it reaches slot + 0.5.
    #expect(timeline.nextTime(slot: 0, from: 0) == 0.5)
    #expect(timeline.nextTime(slot: 4, from: 0) == 4.5)
    #expect(timeline.nextTime(slot: 4, from: 6) == 6)
    // Idle, then all at once; on the way down the highest leave first.
    #expect(timeline.nextTime(slot: 4, from: 12) == 15)
    #expect(timeline.nextTime(slot: 9, from: 15) == 15)
    #expect(timeline.nextTime(slot: 9, from: 16) == nil)
    #expect(timeline.nextTime(slot: 2, from: 24) == 25)
    #expect(timeline.nextTime(slot: 10, from: 0) == nil)
    #expect(timeline.nextTime(slot: 0, from: 26) == nil)
  }

  @Test func stagesOfOneNameAreOne() throws {
    let timeline = try timeline("2s idle name=a", "3s idle name=b", "4s idle name=a")
    #expect(timeline.names == ["a", "b"])
    #expect(timeline.seconds(ofName: 0) == 6)
  }
}

@Suite struct ArrivalTests {
  private func arrivals(_ stages: String..., warmup: Double = 0, seed: UInt64 = 1) throws
    -> [Double]
  {
    Array(
      Arrivals(
        Timeline(try stages.map { try Stage($0) }, warmup: warmup), seed: seed, group: 0))
  }

  @Test func evenArrivalsAreEven() throws {
    let times = try arrivals("2s rate=4")
    #expect(times == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75])
    #expect(try arrivals("1s rate=2", warmup: 1) == [-1, -0.5, 0, 0.5])
  }

  @Test func aRampHasTheAreaOfItsRates() throws {
    let times = try arrivals("10s rate=0..100")
    #expect(times.count == 500)
    // The n-th comes where 5 t² = n.
    for (n, time) in times.enumerated() {
      #expect(abs(time - (Double(n) / 5).squareRoot()) < 1e-9)
    }
    #expect(try arrivals("10s rate=100..0").count == 500)
    #expect(try arrivals("10s rate=0").isEmpty)
  }

  @Test func poissonArrivalsAreIndependent() throws {
    let times = try arrivals("100s rate=100 poisson")
    // 10,000 expected with a deviation of 100.
    #expect(abs(times.count - 10_000) < 500)
    #expect(times == times.sorted())
    let gaps = zip(times.dropFirst(), times).map { $0 - $1 }
    let mean = gaps.reduce(0, +) / Double(gaps.count)
    let spread = gaps.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(gaps.count)
    // The deviation of an exponential gap is its mean.
    #expect(abs(spread.squareRoot() / mean - 1) < 0.05)
    #expect(try arrivals("100s rate=100 poisson") == times)
    #expect(try arrivals("100s rate=100 poisson", seed: 2) != times)
  }

  @Test func aBurstComesAtOnce() throws {
    #expect(try arrivals("1s idle", "2s burst=3", "1s burst=1") == [1, 1, 1, 3])
    #expect(try arrivals("3s outstanding=5").isEmpty)
  }
}

@Suite struct RequestPlanTests {
  @Test func requestsFollowFromTheirPlace() throws {
    var scenario = Scenario()
    var group = Group()
    group.mix = [
      try Work("sample=3 prompt=uniform(8,64) new=16 samples=2"),
      try Work("forward_backward=1 tokens=uniform(4,9) sequences=uniform(1,3)"),
      try Work("optim_step=0"),
    ]
    scenario.groups = [group, group]
    let plan = RequestPlan(scenario)
    let requests = (0..<4000).map { plan.request(group: 0, client: 1, index: $0) }
    let samples = requests.filter { $0.primitive == .sample }
    #expect(abs(Double(samples.count) / 4000 - 0.75) < 0.04)
    #expect(!requests.contains { $0.primitive == .optimStep })
    #expect(samples.allSatisfy { $0.tokens == 32 && (8...64).contains($0.lengths[0]) })
    let passes = requests.filter { $0.primitive == .forwardBackward }
    #expect(Set(passes.map(\.lengths.count)) == [1, 2, 3])
    #expect(passes.allSatisfy { $0.lengths.allSatisfy { (4...9).contains($0) } })
    #expect(RequestPlan(scenario).request(group: 0, client: 1, index: 7) == requests[7])
    #expect(plan.request(group: 1, client: 1, index: 7).seed != requests[7].seed)
    scenario.seed = 2
    #expect(RequestPlan(scenario).request(group: 0, client: 1, index: 7) != requests[7])
  }
}
