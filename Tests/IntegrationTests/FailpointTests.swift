import Engine
import Foundation
import Synchronization
import Testing
import Tinsmith

/// Workers that die, or stop for a while, at the worst places: nothing is lost, nothing happens
/// twice, and all bits are those of an undisturbed run.
@Suite(.serialized, .timeLimit(.minutes(30))) struct FailpointTests {
  private static let seeds: Range<UInt64> = 40..<42
  private static let expected = Task { try await RecordedTraining.undisturbed(seeds) }

  /// Which hit of a failpoint kills: early enough that ten workers die before the training ends.
  private static func hits(_ name: Failpoints.Name) -> ClosedRange<Int> {
    switch name {
    case .submit, .run, .reply: 1...40
    case .append, .sync: 1...8
    case .snapshot: 1...5
    // One per snapshot.
    case .rename: 1...1
    case .folderSync: 1...4
    }
  }

  @Test("Killed ten times at each failpoint", arguments: Failpoints.Name.allCases)
  func killed(at name: Failpoints.Name) async throws {
    let expected = try await Self.expected.value
    try await TestFolder.with { folder in
      let separate = try await SeparateService(data: folder)
      defer { separate.stop() }
      var random = SeededGenerator(UInt64(Failpoints.Name.allCases.firstIndex(of: name) ?? 0))
      // The first one leaves something to recover: that is when snapshots are written.
      var worker = try separate.worker("w", failpoints: "reply=kill@60")
      let service = separate.client()
      let work = Task { try await RecordedTraining.together(service, Self.seeds) }
      await worker.ended()
      var kills = 0
      while kills < 10 {
        let hit = Int.random(in: Self.hits(name), using: &random)
        worker = try separate.worker("w", failpoints: "\(name.rawValue)=kill@\(hit)")
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(60)
        while worker.isRunning, clock.now < deadline {
          try await Task.sleep(for: .milliseconds(5))
        }
        try #require(!worker.isRunning, "\(name.rawValue) was not hit \(hit) times")
        #expect(await worker.ended() == SIGKILL)
        kills += 1
      }
      worker = try separate.worker("w")
      let records = try await work.value
      #expect(records == expected)
      print("failpoint \(name.rawValue): \(kills) kills, all bits equal: \(records == expected)")
      await service.close()
      worker.signal(SIGTERM)
    }
  }

  @Test("A hundred kills at random times", arguments: [1, 2, 3, 4] as [UInt64])
  func killedAtRandom(seed: UInt64) async throws {
    let expected = try await Self.expected.value
    try await TestFolder.with { folder in
      let separate = try await SeparateService(data: folder)
      defer { separate.stop() }
      var random = SeededGenerator(seed)
      var worker = try separate.worker("w")
      let service = separate.client()
      let isEnough = Mutex(false)
      let work = Task {
        var rounds: [[RecordedTraining]] = []
        // As many trainings as it takes.
        repeat {
          rounds.append(try await RecordedTraining.together(service, Self.seeds))
        } while !isEnough.withLock { $0 }
        return rounds
      }
      for _ in 0..<25 {
        try await Task.sleep(for: .milliseconds(Int.random(in: 100...600, using: &random)))
        worker.signal(SIGKILL)
        await worker.ended()
        worker = try separate.worker("w")
      }
      isEnough.withLock { $0 = true }
      let rounds = try await work.value
      for records in rounds { #expect(records == expected) }
      print("random kills, seed \(seed): 25, in \(rounds.count) trainings")
      await service.close()
      worker.signal(SIGTERM)
    }
  }

  @Test(
    "Stopped at the worst moment, replaced, and woken up again",
    arguments: ["append=stop@40", "sync=stop@40", "reply=stop@200"])
  func replaced(failpoint: String) async throws {
    let expected = try await Self.expected.value
    try await TestFolder.with { folder in
      let separate = try await SeparateService(data: folder)
      defer { separate.stop() }
      let first = try separate.worker("first", failpoints: failpoint)
      let service = separate.client()
      let work = Task { try await RecordedTraining.together(service, Self.seeds) }
      try await eventually("the worker has stopped") { first.isStopped }
      // The router gives the silent one's models to another, and then it wakes up.
      let second = try separate.worker("second")
      #expect(try await work.value == expected)
      first.signal(SIGCONT)
      // What it still wrote does not count, and it is no danger to what follows.
      #expect(first.isRunning)
      let again = try await RecordedTraining.together(service, Self.seeds)
      #expect(again == expected)
      await service.close()
      first.signal(SIGTERM)
      second.signal(SIGTERM)
    }
  }

  @Test(
    "A full or broken disk: clients wait and are told why, others are served, nothing is lost",
    arguments: [
      ("append=full@30", "no space left"), ("sync=full@30", "no space left"),
      ("sync=broken@30", "input/output error"),
    ])
  func fullDisk(failpoint: String, says: String) async throws {
    let expected = try await Self.expected.value
    try await TestFolder.with { folder in
      let separate = try await SeparateService(data: folder)
      defer { separate.stop() }
      var worker = try separate.worker("w", failpoints: failpoint)
      let service = separate.client()
      let work = Task { try await RecordedTraining.together(service, Self.seeds) }
      let other = ServiceClient(endpoint: separate.endpoint, timeout: .seconds(3))
      // A model's requests wait for the disk; what they wait for is said.
      let error = await #expect(throws: TinsmithError.self) {
        while true { _ = try await TestService.model(other, seed: 1) }
      }
      #expect(error?.code == .deadlineExceeded)
      #expect(error?.message.contains(says) == true, "\(String(describing: error))")
      // The service itself goes on.
      let sampler = try await other.createSamplingClient(baseModel: TestService.tiny).value()
      let params = SamplingParams(maxTokens: 4, stop: .tokens([]))
      let sample = try await sampler.sample(ModelInput(tokens: [3, 4]), params: params).value()
      #expect(sample.sequences[0].tokens.count == 4)
      // There is room again.
      worker.signal(SIGTERM)
      await worker.ended()
      worker = try separate.worker("w")
      #expect(try await work.value == expected)
      await other.close()
      await service.close()
      worker.signal(SIGTERM)
    }
  }
}
