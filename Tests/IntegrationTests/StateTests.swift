import Testing
import Tinsmith

/// Checkpoints: what is saved is what comes back.
@Suite(.timeLimit(.minutes(30))) struct StateTests {
  @Test func trainingGoesOnAsIfNothingHadHappened() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    _ = try await Batches.trainOneByOne(training, 0..<5)
    let path = try await training.saveState(name: "five").value()
    #expect(path == "tinsmith://\(training.modelID)/weights/five")
    let expected = try await Batches.trainOneByOne(training, 5..<10)

    try await training.loadState(path: path, optimizer: true).value()
    #expect(try await Batches.trainOneByOne(training, 5..<10) == expected)
    let other = try await service.createTrainingClientFromStateWithOptimizer(path: path).value()
    #expect(try await Batches.trainOneByOne(other, 5..<10) == expected)
    #expect(other.info.lora.rank == 4)

    // Without the optimizer the first loss is the same, and what follows is not.
    let fresh = try await service.createTrainingClientFromState(path: path).value()
    let without = try await Batches.trainOneByOne(fresh, 5..<10)
    #expect(without[0] == expected[0])
    #expect(without[4] != expected[4])
    await service.close()
  }

  /// Log-probs have the shape of the targets, one target a token or several.
  @Test(arguments: [[3], [3, 1], [3, 2]])
  func logprobsHaveTheShapeOfTheTargets(shape: [Int]) async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    let count = shape.reduce(1, *)
    let datum = Datum(
      modelInput: [1, 2, 3],
      lossFnInputs: [
        "target_tokens": TensorData(integers: (0..<count).map { Int64($0) + 2 }, shape: shape),
        "weights": TensorData([Float](repeating: 1, count: count), shape: shape),
      ])
    let answer = try await training.forward([datum], loss: .crossEntropy).value()
    #expect(answer.lossFnOutputs[0]["logprobs"]?.shape == shape)
    await service.close()
  }

  /// A checkpoint of another rank, alpha or target is refused, and what is known of the model stays
  /// true; a model created from it takes its shape.
  @Test func anAdapterOfAnotherShapeIsNotLoaded() async throws {
    let service = try await TestService.client()
    let config = LoRAConfig(rank: 4, alpha: 16, seed: 1)
    func model(_ config: LoRAConfig) async throws -> TrainingClient {
      try await service.createLoRATrainingClient(
        baseModel: TestService.tiny, lora: config
      ).value()
    }
    let training = try await model(config)
    _ = try await Batches.trainOneByOne(training, 0..<1)
    var others = [config, config, config]
    others[0].rank = 8
    others[1].alpha = 8
    others[2].trainUnembed = false
    for other in others {
      let stored = try await model(other)
      let path = try await stored.saveState(name: "other").value()
      for optimizer in [false, true] {
        let loading = training.loadState(path: path, optimizer: optimizer)
        let error = await #expect(throws: TinsmithError.self) { try await loading.value() }
        #expect(error?.code == .invalidArgument)
        #expect(error?.field == "path")
      }
      let created = try await service.createTrainingClientFromState(path: path).value()
      #expect(created.info.lora.rank == other.rank && created.info.lora.alpha == other.alpha)
    }
    let info = try await training.getInfo().value()
    #expect(info.lora.rank == 4 && info.lora.alpha == 16 && info.lora.trainUnembed)
    #expect(info.step == 1)
    // Another seed is no other shape.
    var seeded = config
    seeded.seed = 2
    let stored = try await model(seeded)
    _ = try await Batches.trainOneByOne(stored, 0..<1)
    let path = try await stored.saveState(name: "seeded").value()
    try await training.loadState(path: path).value()
    #expect(
      try await Batches.weights(service, training) == Batches.weights(service, stored))
    await service.close()
  }

  /// After a refused pass the step is refused and drops all gradients, those behind it, too; told to,
  /// it applies what there is.
  @Test func gradientsAroundARefusedPass() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    let refused = Datum(modelInput: ModelInput(tokens: [1, 2]), lossFnInputs: [:])
    for applyPartial in [false, true] {
      let failing = training.forwardBackward([refused], loss: .crossEntropy)
      let good = training.forwardBackward(Batches.batch(0), loss: .crossEntropy)
      let step = training.optimStep(applyPartial: applyPartial)
      await #expect(throws: TinsmithError.self) { try await failing.value() }
      _ = try await good.value()
      if applyPartial {
        #expect(try await step.value().metrics["unclipped_grad_l2:mean"] ?? 0 > 0)
      } else {
        let error = await #expect(throws: TinsmithError.self) { try await step.value() }
        #expect(error?.code == .failedPrecondition)
        #expect(error?.message.contains("passes after it") == true)
        let empty = try await training.optimStep().value()
        #expect(empty.metrics["unclipped_grad_l2:mean"] == 0)
      }
    }
    await service.close()
  }

  /// What a model was created with is told with its checkpoints, beside what they were saved with; of a
  /// copy it is not.
  @Test func checkpointsTellWhatTheirModelWasCreatedWith() async throws {
    let service = try await TestService.client()
    let training = try await service.createLoRATrainingClient(
      baseModel: TestService.tiny, rank: 4, userMetadata: ["renderer": "chatml"]
    ).value()
    let state = try await training.saveState(name: "a", userMetadata: ["note": "b"]).value()
    _ = try await training.saveWeightsForSampler(name: "a").value()
    let listed = try await service.listCheckpoints(modelID: training.modelID).value()
    #expect(listed.count == 2)
    #expect(listed.allSatisfy { $0.modelUserMetadata == ["renderer": "chatml"] })
    #expect(listed.first { $0.path == state }?.userMetadata == ["note": "b"])
    let copy = try await service.copyCheckpoint(path: state, name: "copied").value()
    #expect(copy.modelUserMetadata.isEmpty && copy.userMetadata == ["note": "b"])
    await service.close()
  }

  @Test func namesAreKeptUnlessToldOtherwise() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    _ = try await training.saveState(name: "one").value()
    let again = training.saveState(name: "one")
    let error = await #expect(throws: TinsmithError.self) { try await again.value() }
    #expect(error?.code == .alreadyExists)
    _ = try await training.saveState(name: "one", overwrite: true).value()
    let listed = try await service.listCheckpoints(modelID: training.modelID).value()
    #expect(listed.map(\.name) == ["one"])
    #expect(listed.first?.kind == .training)
    await service.close()
  }

  @Test func aSnapshotStaysAsItWas() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    _ = try await Batches.trainOneByOne(training, 0..<3)
    let sampler = try await training.saveWeightsAndGetSamplingClient().value()
    let path = try await training.saveWeightsForSampler(name: "three").value()
    let prompt = ModelInput(tokens: Batches.tokens(12, seed: 3))
    let before = try await sampler.computeLogprobs(prompt).value()
    _ = try await Batches.trainOneByOne(training, 3..<6)
    #expect(try await sampler.computeLogprobs(prompt).value() == before)
    let named = try await service.createSamplingClient(modelPath: path).value()
    #expect(try await named.computeLogprobs(prompt).value() == before)
    let later = try await training.saveWeightsAndGetSamplingClient().value()
    #expect(try await later.computeLogprobs(prompt).value() != before)
    await service.close()
  }

  @Test func theTwoKindsOfCheckpointsAreNotMixedUp() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    let state = try await training.saveState(name: "a").value()
    let weights = try await training.saveWeightsForSampler(name: "a").value()
    let sampling = service.createSamplingClient(modelPath: state)
    var error = await #expect(throws: TinsmithError.self) { try await sampling.value() }
    #expect(error?.code == .invalidArgument)
    #expect(error?.field == "model_path")
    let loading = training.loadState(path: weights)
    error = await #expect(throws: TinsmithError.self) { try await loading.value() }
    #expect(error?.code == .invalidArgument)
    #expect(error?.field == "path")
    await service.close()
  }

  @Test func anExportIsWhatPEFTReads() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    let path = try await training.saveWeightsForSampler(name: "out").value()
    let files = try await service.exportCheckpoint(path: path).value()
    #expect(
      Set(files.map(\.name)) == ["adapter_config.json", "adapter_model.safetensors"])
    try await service.deleteCheckpoint(path: path).value()
    let gone = service.exportCheckpoint(path: path)
    let error = await #expect(throws: TinsmithError.self) { try await gone.value() }
    #expect(error?.code == .notFound)
    await service.close()
  }
}
