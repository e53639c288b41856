import Testing
import Tinsmith

/// Many clients at once: what each computes is what it computes alone, bit for bit.
@Suite(.timeLimit(.minutes(30))) struct CrowdTests {
  private static let clients = 32
  private static let steps = 6

  /// What client `index` trains: its own rank, targets, data and lengths.
  private func model(_ service: ServiceClient, _ index: Int) async throws -> TrainingClient {
    let ranks = [1, 2, 4, 8, 16, 3, 32, 5]
    return try await service.createLoRATrainingClient(
      baseModel: TestService.tiny, rank: ranks[index % ranks.count], seed: UInt64(100 + index),
      trainMLP: index % 3 != 1, trainAttention: index % 3 != 2, trainUnembed: index % 2 == 0
    ).value()
  }

  private func batch(_ client: Int, _ step: Int) -> [Datum] {
    (0..<1 + client % 4).map { index in
      let seed = UInt64(client * 1000 + step * 10 + index)
      return Datum(
        prompt: Batches.tokens(1 + (client + step) % 7, seed: seed),
        completion: Batches.tokens(2 + (client * 5 + step * 3) % 60, seed: ~seed))
    }
  }

  private struct Run: Equatable {
    var losses: [Double] = []
    var logprobs: [[Float]] = []
    var weights: [UInt8] = []
    var samples: [[Int32]] = []
    var sampleLogprobs: [[Float]] = []
  }

  /// All steps at once, then the weights and some samples of them.
  private func train(_ endpoint: String, _ client: Int) async throws -> Run {
    let service = ServiceClient(endpoint: endpoint, timeout: .seconds(240))
    let training = try await model(service, client)
    let pending = (0..<Self.steps).map { step in
      let pass = training.forwardBackward(batch(client, step), loss: .crossEntropy)
      _ = training.optimStep(Batches.adam)
      return pass
    }
    var run = Run()
    for pass in pending {
      let output = try await pass.value()
      run.losses.append(output.loss)
      run.logprobs += output.logprobs
    }
    run.weights = try await Batches.weights(service, training)
    let sampler = try await training.saveWeightsAndGetSamplingClient().value()
    let response = try await sampler.sample(
      ModelInput(tokens: Batches.tokens(33 + client, seed: UInt64(client % 4))), numSamples: 2,
      params: SamplingParams(maxTokens: 12, seed: UInt64(client))
    ).value()
    run.samples = response.sequences.map(\.tokens)
    run.sampleLogprobs = response.sequences.map(\.logprobs)
    await service.close()
    return run
  }

  @Test func eachEndsAsAlone() async throws {
    let crowd = try await TestService(workers: 4)
    defer { crowd.stop() }
    let together = try await withThrowingTaskGroup { group in
      for client in 0..<Self.clients {
        group.addTask { (client, try await train(crowd.endpoint, client)) }
      }
      return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
    let quiet = try await TestService(workers: 1)
    defer { quiet.stop() }
    for client in 0..<Self.clients {
      let alone = try await train(quiet.endpoint, client)
      #expect(together[client] == alone, "client \(client)")
      #expect(!alone.weights.isEmpty && alone.losses.count == Self.steps)
    }
    #expect(Set(together.values.map(\.losses)).count == Self.clients)
  }
}
