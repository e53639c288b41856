import Foundation
import Synchronization
import Testing

/// Nothing goes unanswered: whole lives of clients, router and owners under every fault that the
/// network, the disks and the processes know, one schedule for each seed. Each ends with every
/// request answered once, with the bytes of a run without faults, and all accounts at zero.
///
/// A schedule that fails is run again, with every message printed, by
/// `TINSMITH_SEED=<seed> SWIFT_DETERMINISTIC_HASHING=1 swift test … --filter SimulationTests.LifeTests`.
/// `TINSMITH_SCHEDULES=<count>` runs more of them, `TINSMITH_FIRST_SEED=<seed>` others.
@Suite(.timeLimit(.minutes(20)))
struct LifeTests {
  static let schedules: UInt64 = 100_000

  private static func number(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap(UInt64.init)
  }

  @Test func everyRequestIsAnsweredOnceWithTheSameBytes() {
    if let seed = Self.number("TINSMITH_SEED") {
      let world = World(seed: seed, isTraced: true)
      world.run()
      print("seed \(seed): fingerprint \(String(world.fingerprint, radix: 16))")
      #expect(world.problems.isEmpty, "seed \(seed): \(world.problems)")
      return
    }
    let first = Self.number("TINSMITH_FIRST_SEED") ?? 1
    let count = Self.number("TINSMITH_SCHEDULES") ?? Self.schedules
    let next = Atomic(first)
    let failures = Mutex<[(seed: UInt64, problems: [String])]>([])
    let start = ContinuousClock.now
    DispatchQueue.concurrentPerform(iterations: ProcessInfo.processInfo.activeProcessorCount) { _ in
      while true {
        let seed = next.wrappingAdd(1, ordering: .relaxed).oldValue
        guard seed < first + count, failures.withLock({ $0.count }) < 20 else { return }
        let world = World(seed: seed)
        world.run()
        if !world.problems.isEmpty { failures.withLock { $0.append((seed, world.problems)) } }
      }
    }
    print("\(count) schedules in \(ContinuousClock.now - start)")
    for failure in failures.withLock({ $0 }) {
      Issue.record(
        """
        seed \(failure.seed): \(failure.problems.joined(separator: "; "))
        run it again: TINSMITH_SEED=\(failure.seed) SWIFT_DETERMINISTIC_HASHING=1 swift test \
        -c release -Xswiftc -enable-testing --disable-xctest --filter SimulationTests.LifeTests
        """)
    }
  }

  @Test func aScheduleFollowsFromItsSeed() {
    for seed in 1...50 as ClosedRange<UInt64> {
      let worlds = (0..<2).map { _ in World(seed: seed) }
      for world in worlds { world.run() }
      #expect(worlds[0].fingerprint == worlds[1].fingerprint, "seed \(seed)")
    }
  }
}
