import Testing
import Tinsmith

/// Log-probs are one thing, however they are asked for.
@Suite(.timeLimit(.minutes(30))) struct SamplingTests {
  /// Bit patterns, so that equal means equal.
  private func bits(_ values: [Float?]) -> [UInt32?] { values.map { $0?.bitPattern } }

  /// What `forward` gives for each token of a text but the first.
  private func forward(_ training: TrainingClient, _ tokens: [Int32]) async throws -> [Float] {
    let datum = Datum(tokens: tokens, weights: tokens.map { _ in 1 })
    return try await training.forward([datum], loss: .crossEntropy).value().logprobs[0]
  }

  @Test func sampledLogprobsAreThoseOfForward() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    _ = try await Batches.trainOneByOne(training, 0..<4)
    let sampler = try await training.saveWeightsAndGetSamplingClient().value()
    for (length, temperature) in [(1, 1.0), (7, 0.0), (40, 1.3)] {
      let prompt = Batches.tokens(length, seed: UInt64(length))
      let response = try await sampler.sample(
        ModelInput(tokens: prompt), numSamples: 3,
        params: SamplingParams(maxTokens: 30, seed: 5, temperature: temperature, topK: 50),
        includePromptLogprobs: true, includeModelLogprobs: true
      ).value()
      #expect(response.sequences.count == 3)
      for sequence in response.sequences {
        #expect(!sequence.tokens.isEmpty)
        let all = try await forward(training, prompt + sequence.tokens)
        let own = bits(Array(all.suffix(sequence.tokens.count)))
        #expect(bits(try #require(sequence.modelLogprobs)) == own)
        // Those at the temperature are the model's own where it is 1 or nothing is drawn.
        #expect((bits(sequence.logprobs) == own) == (temperature <= 1))
        let ofPrompt = try #require(response.promptLogprobs)
        #expect(bits(ofPrompt) == bits([nil] + all.prefix(length - 1).map { $0 }))
        let computed = try await sampler.computeLogprobs(
          ModelInput(tokens: prompt + sequence.tokens)
        ).value()
        #expect(bits(computed) == bits([nil] + all.map { $0 }))
      }
    }
    await service.close()
  }

  /// Tokens in place of the prompt's, as a dense and as a sparse matrix, whose cells the answer keeps;
  /// log-probs of the last tokens alone.
  @Test func partsOfAPrompt() async throws {
    let service = try await TestService.client()
    let sampler = try await service.createSamplingClient(baseModel: TestService.tiny).value()
    let prompt: [Int32] = [5, 9, 17, 33]
    let every = try await sampler.computeLogprobs(ModelInput(tokens: prompt)).value()
    let other = try await sampler.computeLogprobs(ModelInput(tokens: [5, 9, 17, 8])).value()
    func score(_ targets: TensorData) async throws -> TensorData? {
      try await sampler.sample(
        ModelInput(tokens: prompt), params: SamplingParams(maxTokens: 1, seed: 1),
        targetPromptLogprobs: targets
      ).value().targetPromptLogprobs
    }
    let expected = [every[1], 0, 0, 0, every[3], other[3]].compactMap(\.self)
    let dense = try await score(TensorData(integers: [9, -1, -1, -1, 33, 8], shape: [3, 2]))
    #expect(dense == TensorData(expected, shape: [3, 2]))
    let rows = TensorData.SparseRows(rowStarts: [0, 1, 1, 3], columns: [0, 0, 1])
    let sparse = try await score(
      TensorData(sparse: rows, cells: .int64([9, 33, 8]), shape: [3, 2]))
    #expect(sparse?.sparse == rows && sparse?.floats == expected)
    let wrong = TensorData(integers: [9, 33], shape: [2, 1])
    let error = await #expect(throws: TinsmithError.self) { try await score(wrong) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.field == "target_prompt_logprobs.shape")
    let last = try await sampler.computeLogprobs(
      ModelInput(tokens: prompt), promptLogprobsLastN: 2
    ).value()
    #expect(last == [nil, nil, every[2], every[3]])
    await service.close()
  }

  @Test func aSeedGivesTheSameTokensInACrowd() async throws {
    let service = try await TestService.client()
    let sampler = try await service.createSamplingClient(baseModel: TestService.tiny).value()
    #expect(sampler.baseModel == TestService.tiny)
    let prompts = (0..<12).map { ModelInput(tokens: Batches.tokens(3 + $0, seed: UInt64($0))) }
    let params = SamplingParams(maxTokens: 12, seed: 77)
    var alone: [[SampledSequence]] = []
    for prompt in prompts {
      alone.append(
        try await sampler.sample(prompt, numSamples: 2, params: params).value().sequences)
    }
    let crowd = prompts.map { sampler.sample($0, numSamples: 2, params: params) }
    for (index, pending) in crowd.enumerated() {
      #expect(try await pending.value().sequences == alone[index])
    }
    #expect(alone[0][0].tokens != alone[0][1].tokens)
    await service.close()
  }

  @Test func theSeedThatWasUsedIsTold() async throws {
    let service = try await TestService.client()
    let sampler = try await service.createSamplingClient(baseModel: TestService.tiny).value()
    let prompt = ModelInput(tokens: [5, 6, 7])
    let first = try await sampler.sample(prompt, params: SamplingParams(maxTokens: 10)).value()
    let again = try await sampler.sample(
      prompt, params: SamplingParams(maxTokens: 10, seed: first.seed)
    ).value()
    #expect(again.sequences == first.sequences)
    await service.close()
  }

  @Test func stopsAndTopK() async throws {
    let service = try await TestService.client()
    let sampler = try await service.createSamplingClient(baseModel: TestService.tiny).value()
    let prompt = ModelInput(tokens: [5, 6, 7])
    let free = try await sampler.sample(
      prompt, params: SamplingParams(maxTokens: 12, seed: 1, stop: .never), topKPromptLogprobs: 4,
      topKSampleLogprobs: 3
    ).value()
    let sequence = free.sequences[0]
    #expect(sequence.tokens.count == 12)
    #expect(sequence.stopReason == .length)
    #expect(sequence.topKLogprobs?.count == 12)
    #expect(sequence.topKLogprobs?.allSatisfy { $0.count == 3 } == true)
    #expect(free.topKPromptLogprobs?.map(\.count) == [0, 4, 4])
    let stop = sequence.tokens[5]
    let end = try #require(sequence.tokens.firstIndex(of: stop))
    let stopped = try await sampler.sample(
      prompt, params: SamplingParams(maxTokens: 12, seed: 1, stop: .tokens([stop]))
    ).value()
    #expect(stopped.sequences[0].tokens == Array(sequence.tokens[...end]))
    #expect(stopped.sequences[0].stopReason == .stop)
    await service.close()
  }

  @Test func theEmbeddedModelIsServed() async throws {
    let service = try await TestService.client()
    let names = try await service.getServerCapabilities().value().models.map(\.name)
    #expect(names.sorted() == [TestService.tiny, "tinsmith/mini"])
    let sampler = try await service.createSamplingClient(baseModel: "tinsmith/mini").value()
    let answer = try await sampler.sample(
      [4, 5, 6], params: SamplingParams(maxTokens: 4, stop: .strings(["\n"]), temperature: 0)
    ).value()
    #expect((1...4).contains(answer.sequences[0].tokens.count))
    await service.close()
  }
}
