import TestSupport
import Testing
import Tinsmith

/// Requests that are wrong: refused with a code and the field's name, the service going on.
@Suite(.timeLimit(.minutes(30))) struct BadRequestTests {
  /// A wrong pass, and what the refusal must say.
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var code: TinsmithError.Code = .invalidArgument
    var field: String
    var loss: LossFunction = .crossEntropy
    var options: [String: LossOption] = [:]
    var change: @Sendable (inout Datum) -> Void = { _ in }
    var testDescription: String { name }
  }

  static let cases = [
    Case(
      name: "unknown loss", code: .unimplemented, field: "loss_fn", loss: "no_such_loss"),
    Case(
      name: "unknown option", field: "loss_fn_config[beta]", options: ["beta": 1]),
    Case(
      name: "text as option", field: "loss_fn_config[clip_low_threshold]", loss: .ppo,
      options: ["clip_low_threshold": "low"]),
    Case(
      name: "an option beyond float32", field: "loss_fn_config[clip_high_threshold]", loss: .ppo,
      options: ["clip_high_threshold": 1e300]),
    Case(name: "unknown input", field: "data[1].loss_fn_inputs[mask]") {
      $0.lossFnInputs["mask"] = $0.lossFnInputs["weights"]
    },
    Case(name: "missing input", field: "data[1].loss_fn_inputs[weights]") {
      $0.lossFnInputs["weights"] = nil
    },
    Case(name: "token too large", field: "data[1].model_input") {
      $0.modelInput = ModelInput(tokens: [3, Int32(TestService.vocabulary)])
    },
    Case(name: "negative token", field: "data[1].model_input") {
      $0.modelInput = ModelInput(tokens: [-1, 3])
    },
    Case(name: "target out of range", field: "data[1].loss_fn_inputs[target_tokens]") {
      $0.lossFnInputs["target_tokens"] = TensorData(tokens: [3, 5000])
    },
    Case(name: "lengths differ", field: "data[1].loss_fn_inputs[target_tokens]") {
      $0.lossFnInputs["target_tokens"] = TensorData(tokens: [3, 4, 5])
    },
    Case(name: "weights differ", field: "data[1].loss_fn_inputs[weights]") {
      $0.lossFnInputs["weights"] = TensorData([1])
    },
    Case(name: "weights of integers", field: "data[1].loss_fn_inputs[weights]") {
      $0.lossFnInputs["weights"] = TensorData(tokens: [1, 1])
    },
    Case(name: "NaN", field: "data[1].loss_fn_inputs[weights]") {
      $0.lossFnInputs["weights"] = TensorData([1, .nan])
    },
    Case(name: "infinity", field: "data[1].loss_fn_inputs[weights]") {
      $0.lossFnInputs["weights"] = TensorData([.infinity, 1])
    },
    Case(name: "no tokens", field: "data[1].model_input") {
      $0.modelInput = ModelInput(tokens: [])
    },
    Case(name: "too long", field: "data[1].model_input") {
      $0 = Datum(
        prompt: [3], completion: Batches.tokens(TestService.positions + 1, seed: 1))
    },
  ]

  @Test(arguments: cases) func passIsRefused(_ wrong: Case) async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    var datum = Datum(prompt: [3], completion: [4, 5])
    let good = datum
    wrong.change(&datum)
    let pass = training.forwardBackward([good, datum], loss: wrong.loss, options: wrong.options)
    // Submitted before the refusal is known: it must not apply what there is.
    let step = training.optimStep()
    let error = await #expect(throws: TinsmithError.self) { try await pass.value() }
    #expect(error?.code == wrong.code, "\(error?.description ?? "")")
    #expect(error?.field.hasPrefix(wrong.field) == true, "\(error?.description ?? "")")
    #expect(try Schema().hasField(error?.field ?? "?", of: "ForwardBackwardRequest"))
    #expect(error?.message.isEmpty == false)
    let refusal = await #expect(throws: TinsmithError.self) { try await step.value() }
    #expect(refusal?.code == .failedPrecondition)
    #expect(try await training.getInfo().value().step == 0)
    // The model goes on.
    _ = try await training.forwardBackward([good], loss: .crossEntropy).value()
    _ = try await training.optimStep().value()
    #expect(try await training.getInfo().value().step == 1)
    await service.close()
  }

  @Test func creatingIsRefused() async throws {
    let service = try await TestService.client()
    var model = service.createLoRATrainingClient(baseModel: "no/such-model")
    var error = await #expect(throws: TinsmithError.self) { try await model.value() }
    #expect(error?.code == .notFound)
    #expect(error?.field == "base_model")
    model = service.createLoRATrainingClient(baseModel: TestService.tiny, rank: 0)
    error = await #expect(throws: TinsmithError.self) { try await model.value() }
    #expect(error?.code == .invalidArgument)
    #expect(error?.field == "lora.rank")
    for alpha in [1e300, 1e-300] {
      model = service.createLoRATrainingClient(
        baseModel: TestService.tiny, lora: LoRAConfig(alpha: alpha))
      error = await #expect(throws: TinsmithError.self) { try await model.value() }
      #expect(error?.code == .invalidArgument && error?.field == "lora.alpha")
      #expect(error?.message.contains("\(alpha), but must be a number above 0") == true)
    }
    model = service.createLoRATrainingClient(
      baseModel: TestService.tiny, trainMLP: false, trainAttention: false, trainUnembed: false)
    error = await #expect(throws: TinsmithError.self) { try await model.value() }
    #expect(error?.code == .invalidArgument && error?.field == "lora")
    model = service.createTrainingClientFromState(path: "tinsmith://no:train:0/weights/x")
    error = await #expect(throws: TinsmithError.self) { try await model.value() }
    #expect(error?.code == .notFound)
    for path in ["nonsense", "tinsmith://a/weights/../../x", "tinsmith://../weights/x"] {
      model = service.createTrainingClientFromState(path: path)
      error = await #expect(throws: TinsmithError.self) { try await model.value() }
      #expect(error?.code == .invalidArgument, "\(path): \(error?.description ?? "")")
      #expect(error?.field == "from_path")
    }
    await service.close()
  }

  @Test func stepsAndNamesAreRefused() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    for (params, field) in [
      (AdamParams(learningRate: .nan), "adam.learning_rate"), (AdamParams(beta1: 1), "adam.beta1"),
      (AdamParams(eps: -1), "adam.eps"), (AdamParams(weightDecay: -1), "adam.weight_decay"),
      (AdamParams(learningRate: 1e300), "adam.learning_rate"), (AdamParams(eps: 1e300), "adam.eps"),
      (AdamParams(weightDecay: 1e300), "adam.weight_decay"),
    ] {
      let step = training.optimStep(params)
      let error = await #expect(throws: TinsmithError.self) { try await step.value() }
      #expect(error?.code == .invalidArgument)
      #expect(error?.field == field)
    }
    for params in [
      AdamParams(eps: 1e7), AdamParams(learningRate: 0, weightDecay: 1e7),
      AdamParams(learningRate: 1e-9, eps: 0, weightDecay: 1e7),
    ] {
      _ = try await training.forwardBackward(
        [Datum(prompt: [3], completion: [4, 5])], loss: .crossEntropy
      ).value()
      _ = try await training.optimStep(params).value()
    }
    for name in ["", "../up", ".hidden", "a/b", "a b"] {
      let save = training.saveState(name: name)
      let error = await #expect(throws: TinsmithError.self) { try await save.value() }
      #expect(error?.code == .invalidArgument)
      #expect(error?.field == "name")
    }
    await service.close()
  }

  @Test func samplingIsRefused() async throws {
    let service = try await TestService.client()
    let sampler = try await service.createSamplingClient(baseModel: TestService.tiny).value()
    let prompt: ModelInput = [3, 4]
    for (pending, field) in [
      (sampler.sample([3, 400]), "prompt"),
      (sampler.sample(ModelInput(tokens: [])), "prompt"),
      (sampler.sample(prompt, numSamples: 0), "num_samples"),
      (
        sampler.sample(prompt, params: SamplingParams(maxTokens: 255)), "sampling_params.max_tokens"
      ),
      (
        sampler.sample(prompt, params: SamplingParams(temperature: -1)),
        "sampling_params.temperature"
      ),
      (sampler.sample(prompt, params: SamplingParams(topP: 0)), "sampling_params.top_p"),
      (
        sampler.sample(prompt, params: SamplingParams(stop: .strings([""]))), "sampling_params.stop"
      ),
      (
        sampler.sample(prompt, params: SamplingParams(stop: .tokens([3, 331]))),
        "sampling_params.stop_tokens.ids[1]"
      ),
      (
        sampler.sample(prompt, params: SamplingParams(stop: .tokens([-1]))),
        "sampling_params.stop_tokens.ids[0]"
      ),
      (sampler.sample(prompt, topKSampleLogprobs: 9999), "topk_sample_logprobs"),
    ] {
      let error = await #expect(throws: TinsmithError.self) { try await pending.value() }
      #expect(error?.code == .invalidArgument, "\(field): \(error?.description ?? "")")
      #expect(error?.field.hasPrefix(field) == true, "\(field): \(error?.description ?? "")")
      #expect(try Schema().hasField(error?.field ?? "?", of: "SampleRequest"))
    }
    // Valid numbers beyond float32, with what they mean.
    let greedy = try await sampler.sample(
      prompt, params: SamplingParams(maxTokens: 4, temperature: 0)
    )
    .value()
    for params in [
      SamplingParams(maxTokens: 4, seed: 1, topP: 1e-300),
      SamplingParams(maxTokens: 4, seed: 1, temperature: 1e-300),
    ] {
      let sampled = try await sampler.sample(prompt, params: params).value()
      #expect(sampled.sequences.map(\.tokens) == greedy.sequences.map(\.tokens))
    }
    _ = try await sampler.sample(prompt, params: SamplingParams(maxTokens: 4, temperature: 1e308))
      .value()
    _ = try await sampler.sample(prompt, params: SamplingParams(maxTokens: 2)).value()
    await service.close()
  }
}
