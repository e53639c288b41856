import Foundation
import Synchronization
import Testing
import Tinsmith

/// Models outlive workers, routers and whole services: same answers, same bytes, nothing twice.
@Suite(.timeLimit(.minutes(30))) struct RecoveryTests {
  /// Of a service that the test starts.
  private static let options = [
    "--workers", "1", "--threads", "1",
    "--base", "\(TestService.tiny)=\(Program.fixture("qwen3"))", "--log", "error",
  ]

  @Test("Workers killed at any time: as if nothing had happened", arguments: [SIGKILL, SIGSEGV])
  func killedWorkers(signal: Int32) async throws {
    let seeds: Range<UInt64> = 20..<23
    let expected = try await RecordedTraining.undisturbed(seeds)
    let server = try await TestService(workers: 2)
    defer { server.stop() }
    let service = server.client(timeout: nil)
    let done = Mutex(false)
    let killer = Task {
      var random = SeededGenerator(UInt64(signal))
      var kills = 0
      while !done.withLock({ $0 }) {
        try await Task.sleep(for: .milliseconds(Int.random(in: 50...250, using: &random)))
        guard let victim = server.workers.values.randomElement(using: &random) else { continue }
        kill(victim, signal)
        kills += 1
        // A restart takes a while, longer from the second crash on; let something happen between.
        if kills == 6 { break }
        try await Task.sleep(for: .milliseconds(200))
      }
      return kills
    }
    let records = try await RecordedTraining.together(service, seeds)
    done.withLock { $0 = true }
    #expect(try await killer.value > 1)
    #expect(records == expected)
    await service.close()
  }

  /// A model that has diverged is its owner's to throw away: it survives as any other, is saved and
  /// loaded, and what cannot be computed with it says why.
  @Test(arguments: [true, false])
  func modelsThatHaveDiverged(byGradient: Bool) async throws {
    try await TestFolder.with { folder in
      let first = try await ServeProcess(data: folder, Self.options)
      let service = ServiceClient(endpoint: first.endpoint, timeout: nil)
      let training = try await TestService.model(service)
      var datum = Batches.batch(0)[0]
      if byGradient {
        // Each gradient is finite, the square of one is not.
        let weights = [Float](repeating: 1e25, count: datum.modelInput.length)
        datum.lossFnInputs["weights"] = TensorData(weights)
      }
      _ = try await training.forwardBackward([datum], loss: .crossEntropy).value()
      var settings = AdamParams(learningRate: 1)
      if !byGradient { settings.weightDecay = 3.4e38 }
      for _ in 0..<3 { _ = try await training.optimStep(settings).value() }
      let path = try await training.saveState(name: "wild").value()
      first.signal(SIGTERM)
      await first.ended()
      let second = try await ServeProcess(data: folder, listen: first.endpoint, Self.options)
      #expect(try await training.getInfo().value().step == 3)
      try await training.loadState(path: path, optimizer: true).value()
      let sampler = try await training.saveWeightsAndGetSamplingClient().value()
      if !byGradient {
        let answer = sampler.sample([1, 2, 3], params: SamplingParams(maxTokens: 2))
        let error = await #expect(throws: TinsmithError.self) { try await answer.value() }
        #expect(error?.code == .failedPrecondition)
      }
      await service.close()
      second.signal(SIGTERM)
      await second.ended()
    }
  }

  @Test("The whole service killed and started again: the client goes on where it was")
  func killedService() async throws {
    let expected = try await RecordedTraining.undisturbed(30..<31)
    try await TestFolder.with { folder in
      let first = try await ServeProcess(data: folder, Self.options)
      let service = ServiceClient(endpoint: first.endpoint, timeout: nil)
      let training = try await TestService.model(service, seed: 30)
      let work = Task { try await RecordedTraining.run(service, training) }
      try await Task.sleep(for: .milliseconds(300))
      var current = first
      for _ in 0..<2 {
        let workers = current.workers.values
        current.signal(SIGKILL)
        for worker in workers { kill(worker, SIGKILL) }
        await current.ended()
        current = try await ServeProcess(data: folder, listen: first.endpoint, Self.options)
        try await Task.sleep(for: .milliseconds(400))
      }
      #expect(try await work.value == expected[0])
      await service.close()
      await current.stop()
    }
  }

  @Test("A damaged journal stops its model and names it; the others go on")
  func damage() async throws {
    try await TestFolder.with { folder in
      let first = try await ServeProcess(data: folder, Self.options)
      let service = ServiceClient(endpoint: first.endpoint, timeout: .seconds(60))
      let damaged = try await TestService.model(service, seed: 1)
      let sound = try await TestService.model(service, seed: 2)
      for training in [damaged, sound] { _ = try await Batches.trainOneByOne(training, 0..<3) }
      first.signal(SIGKILL)
      for worker in first.workers.values { kill(worker, SIGKILL) }
      await first.ended()
      let models = "\(folder)/models/\(damaged.modelID)"
      let segment = try #require(
        try FileManager.default.contentsOfDirectory(atPath: models).first { $0.hasSuffix(".log") })
      let file = URL(fileURLWithPath: "\(models)/\(segment)")
      var bytes = try Data(contentsOf: file)
      bytes[bytes.count / 2] ^= 4
      try bytes.write(to: file)
      let second = try await ServeProcess(data: folder, listen: first.endpoint, Self.options)
      let error = await #expect(throws: TinsmithError.self) {
        _ = try await damaged.forwardBackward(Batches.batch(0), loss: .crossEntropy).value()
      }
      #expect(error?.code == .dataLoss)
      #expect(error?.message.contains(segment) == true)
      _ = try await Batches.trainOneByOne(sound, 3..<5)
      await service.close()
      await second.stop()
    }
  }
}
