import Engine
import Foundation
import RPC
import Synchronization
import TestSupport
import Testing
import Tinsmith
import ZeroMQ

@testable import Trainer

/// More models than a worker's memory holds: those that nothing is asked of are on disk meanwhile, and
/// go on with the same bits.
@Suite(.timeLimit(.minutes(30))) struct ParkingTests {
  private static let base = ServedModels.miniName
  private static let rank = 64

  /// A service in this process: what a body makes of it.
  private func withService<Result>(
    _ memory: MemoryOptions, keepsModels: Bool = true,
    _ body: (ServiceClient, String) async throws -> Result
  ) async throws -> Result {
    let folder = try TemporaryFolder()
    let context = try Context()
    var router = RouterConfiguration(
      listen: "tcp://127.0.0.1:*", workers: "inproc://parking-\(UUID().uuidString)")
    router.rules.recoversModels = keepsModels
    let server = try RouterServer(router, context: context)
    try server.start()
    var configuration = TrainerConfiguration(
      routerEndpoint: server.workerEndpoint, name: "w", dataFolder: folder.path)
    configuration.memory = memory
    configuration.keepsModels = keepsModels
    let worker = try TrainerWorker(configuration, context: context)
    let task = Task { try await worker.run() }
    let client = ServiceClient(endpoint: server.clientEndpoint, timeout: .seconds(120))
    do {
      let result = try await body(client, server.clientEndpoint)
      await client.close()
      worker.stop()
      try await task.value
      server.stop()
      try await server.wait()
      return result
    } catch {
      worker.stop()
      server.stop()
      throw error
    }
  }

  /// Room for two adapters of the rank, and their snapshots.
  private func tight() throws -> MemoryOptions {
    var options = MemoryOptions(memoryBytes: 1 << 30, kvCacheBytes: 16 << 20)
    let wanted = try Self.adapterBytes() * 5 / 2
    // Other parts grow with the whole, too.
    while let bytes = options.memoryBytes {
      let rest = try ServedModels().memoryPlan(options).adapters - wanted
      if rest < 1 << 20 { break }
      options.memoryBytes = bytes - rest
    }
    return options
  }

  private static func adapterBytes() throws -> Int {
    let config = try ModelConfig(path: "\(ServedModels.miniFolder)/config.json")
    let (query, key) = (config.heads * config.headDimension, config.kvHeads * config.headDimension)
    let (hidden, inner) = (config.hiddenSize, config.intermediateSize)
    let perLayer = 2 * (hidden + query) + 2 * (hidden + key) + 3 * (hidden + inner)
    let values = rank * (config.layers * perLayer + hidden + config.vocabularySize)
    return 24 * values
  }

  private static func text(_ metrics: [String: Double]) -> String {
    metrics.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }

  /// Five models in turns; the losses of each, and what is sampled from it.
  private func train(_ service: ServiceClient) async throws -> [[String]] {
    var models: [TrainingClient] = []
    for seed: UInt64 in 1...5 {
      models.append(
        try await service.createLoRATrainingClient(
          baseModel: Self.base, rank: Self.rank, seed: seed
        ).value())
    }
    var told: [[String]] = Array(repeating: [], count: models.count)
    for round in 0..<3 {
      for (i, model) in models.enumerated() {
        let data = [
          Datum(prompt: [Int32(round + 3), 4, 5], completion: [6, Int32(i + 7), 8, 9])
        ]
        let passes = (0..<2).map { _ in model.forwardBackward(data, loss: .crossEntropy) }
        // Gradients without a step must outlast a pause, too.
        let step = round == 1 ? nil : model.optimStep(AdamParams(learningRate: 1e-2))
        for pass in passes { told[i].append(Self.text(try await pass.value().metrics)) }
        if let step { told[i].append(Self.text(try await step.value().metrics)) }
      }
    }
    for (i, model) in models.enumerated() {
      let sampler = try await model.saveWeightsAndGetSamplingClient().value()
      let params = SamplingParams(maxTokens: 5, seed: 3, stop: .tokens([]))
      let answer = try await sampler.sample([3, 4, 5], params: params).value()
      told[i].append("\(answer.sequences.map(\.tokens)) \(answer.sequences.map(\.logprobs))")
    }
    return told
  }

  @Test func parkedModelsGoOnWithTheSameBits() async throws {
    let options = try tight()
    #expect(try ServedModels().memoryPlan(options).adapters < 3 * Self.adapterBytes())
    let parked = try await withService(options) { service, _ in
      let told = try await train(service)
      var stats: [String: Double] = [:]
      // Reported once a second.
      for _ in 0..<100 where stats["worker.w.models_parked_total"] == nil {
        stats = try await service.stats().value()
        try await Task.sleep(for: .milliseconds(100))
      }
      #expect(stats["worker.w.models_parked_total", default: 0] >= 5)
      let used = try #require(stats["worker.w.memory_bytes"])
      #expect(used <= Double(try #require(options.memoryBytes)))
      return told
    }
    let roomy = try await withService(MemoryOptions(memoryBytes: 4 << 30)) { service, _ in
      try await train(service)
    }
    #expect(parked == roomy)
  }

  private final class End: Sendable {
    let isReached = Mutex(false)
  }

  /// Two models that always have requests waiting fill the memory; a third one is made, trained and
  /// sampled from all the same.
  @Test func busyModelsKeepNobodyOut() async throws {
    try await withService(tight()) { service, _ in
      func model() async throws -> TrainingClient {
        try await service.createLoRATrainingClient(baseModel: Self.base, rank: Self.rank).value()
      }
      let data = [Datum(prompt: [3, 4, 5], completion: [6, 7, 8, 9])]
      let busy = [try await model(), try await model()]
      let end = End()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for model in busy {
          group.addTask {
            var passes = (0..<8).map { _ in model.forward(data, loss: .crossEntropy) }
            while !end.isReached.withLock(\.self) {
              passes.append(model.forward(data, loss: .crossEntropy))
              _ = try await passes.removeFirst().value()
            }
            for pass in passes { _ = try await pass.value() }
          }
        }
        let third = try await model()
        _ = try await third.forwardBackward(data, loss: .crossEntropy).value()
        let sampler = try await third.saveWeightsAndGetSamplingClient().value()
        let params = SamplingParams(maxTokens: 2, seed: 3, stop: .tokens([]))
        _ = try await sampler.sample([3, 4, 5], params: params).value()
        end.isReached.withLock { $0 = true }
        try await group.waitForAll()
      }
    }
  }

  /// What can never fit is refused for good, with the figures; what others have no room for now is
  /// asked for again, and goes when there is some.
  @Test func whatDoesNotFitIsRefusedOrWaits() async throws {
    // Without records no model can be put on disk.
    try await withService(tight(), keepsModels: false) { service, _ in
      let error = await #expect(throws: TinsmithError.self) {
        try await service.createLoRATrainingClient(baseModel: Self.base, rank: 512).value()
      }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message.contains("MiB") == true, "\(String(describing: error))")
      func model() -> Tinsmith.Pending<TrainingClient> {
        service.createLoRATrainingClient(baseModel: Self.base, rank: Self.rank)
      }
      let first = try await model().value()
      _ = try await model().value()
      let third = model()
      try await Task.sleep(for: .milliseconds(300))
      try await first.unload().value()
      _ = try await third.value()
    }
  }
}
