import Tinsmith

/// Another tenant, who trains and samples as chance has it, to be in the way.
struct Neighbour: Sendable {
  let base: String
  let seed: UInt64
  /// How long it thinks, in times of what it waited for an answer.
  let leisure: Int

  /// Works until the task is cancelled.
  /// - Throws: what the service refused.
  func live(_ service: ServiceClient) async throws {
    do {
      try await work(service)
    } catch {
      // Nobody waits for answers any more.
      guard Task.isCancelled else { throw error }
    }
  }

  private func work(_ service: ServiceClient) async throws {
    var random = SeededGenerator(seed: seed)
    let capabilities = try await service.getServerCapabilities().value()
    let vocabulary = capabilities.models.first { $0.name == base }?.vocabularySize ?? 1
    func tokens(_ range: ClosedRange<Int>) -> [Int32] {
      (0..<Int.random(in: range, using: &random)).map { _ in
        Int32.random(in: 0..<Int32(clamping: vocabulary), using: &random)
      }
    }
    while !Task.isCancelled {
      let isAll = Bool.random(using: &random)
      let training = try await service.createLoRATrainingClient(
        baseModel: base, rank: [1, 2, 3, 5, 8, 16, 32].randomElement(using: &random) ?? 1,
        seed: random.next(), trainMLP: isAll || Bool.random(using: &random),
        trainAttention: true, trainUnembed: isAll
      ).value()
      for _ in 0..<Int.random(in: 2...8, using: &random) {
        let clock = ContinuousClock()
        let start = clock.now
        if Bool.random(using: &random) {
          let data = (0..<Int.random(in: 1...4, using: &random)).map { _ in
            Datum(prompt: tokens(1...24), completion: tokens(1...96))
          }
          let pass = training.forwardBackward(data, loss: .crossEntropy)
          _ = try await training.optimStep(AdamParams(learningRate: 1e-3)).value()
          _ = try await pass.value()
        } else {
          let sampler = try await training.saveWeightsAndGetSamplingClient().value()
          let params = SamplingParams(
            maxTokens: Int.random(in: 1...48, using: &random),
            temperature: Double.random(in: 0...1.5, using: &random))
          _ = try await sampler.sample(
            ModelInput(tokens: tokens(1...64)), numSamples: Int.random(in: 1...4, using: &random),
            params: params
          ).value()
        }
        try await Task.sleep(for: (clock.now - start) * leisure)
      }
      try await training.unload().value()
    }
  }
}
