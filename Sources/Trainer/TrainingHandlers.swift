import Engine
import RPC
import Wire

/// The service `Training`.
extension Handlers {
  func addTraining(to table: inout MethodTable) {
    handle(&table, .trainingCreateModel, CreateModelRequest.self) { worker, request, context in
      let model = try worker.createModel(context.stream, request)
      worker.models[model.id] = model
      return CreateModelResponse(modelID: model.id, info: model.info)
    }
    handle(&table, .trainingForward, ForwardBackwardRequest.self) { worker, request, context in
      try worker.model(context.stream).run(request, accumulates: false)
    }
    addForwardBackward(to: &table)
    handle(&table, .trainingOptimStep, OptimStepRequest.self) { worker, request, context in
      let model = try worker.model(context.stream)
      return try model.optimStep(
        request, allowsPartial: context.flags.contains(.applyPartial), worker.kernels)
    }
    handle(&table, .trainingGetInfo, GetInfoRequest.self) { worker, _, context in
      try worker.model(context.stream).info
    }
    handle(&table, .trainingUnload, UnloadRequest.self) { worker, _, context in
      _ = try worker.model(context.stream)
      worker.models[context.stream] = nil
      return UnloadResponse()
    }
    handle(&table, .trainingSaveState, SaveStateRequest.self) { worker, request, context in
      let model = try worker.model(context.stream)
      return SaveStateResponse(path: try worker.saveState(model, request))
    }
    handle(&table, .trainingLoadState, LoadStateRequest.self) { worker, request, context in
      let model = try worker.model(context.stream)
      try worker.loadState(model, request)
      return LoadStateResponse()
    }
  }

  /// Decoded here and not by the table: a forward_backward that fails, for whatever reason, leaves
  /// an accumulation that the next optim_step must not apply.
  private func addForwardBackward(to table: inout MethodTable) {
    table.handle(.trainingForwardBackward, Payload.self, Payload.self) { payload, context, reply in
      let request = Result { try ForwardBackwardRequest.decode(payload) }
      compute.submit { worker in
        let leaveHole: () -> Void = { worker.models[context.stream]?.isAccumulationBroken = true }
        Self.run(worker, context, reply, failed: leaveHole) {
          try worker.model(context.stream).run(request.get(), accumulates: true).encode()
        }
      }
    }
  }
}

extension Worker {
  /// A new model, or one from a checkpoint.
  fileprivate func createModel(
    _ id: String, _ request: CreateModelRequest
  ) throws -> TrainedModel {
    guard models[id] == nil else {
      throw RPCError(.alreadyExists, "model \(id) exists already")
    }
    guard request.fromPath.isEmpty else { return try createFromCheckpoint(id, request) }
    let base = try base(request.baseModel)
    let config = try LoRAConfig(request.lora ?? LoraConfig(), modelID: id)
    let adapter = try Adapter(config: config, sites: base.model.sites)
    adapter.initialize(kernels: kernels)
    adapter.startTraining()
    return TrainedModel(
      id: id, base: base, adapter: adapter, userMetadata: request.userMetadata)
  }

  private func createFromCheckpoint(
    _ id: String, _ request: CreateModelRequest
  ) throws -> TrainedModel {
    let path = try CheckpointPath(request.fromPath, field: "from_path")
    let manifest = try checkpoints.verified(path)
    if !request.baseModel.isEmpty, request.baseModel != manifest.baseModel {
      throw RPCError(
        .invalidArgument, "the checkpoint is of base model \(manifest.baseModel)",
        field: "base_model")
    }
    let base = try base(manifest.baseModel)
    let adapter = try readState(path, base, optimizer: request.fromOptimizer)
    return TrainedModel(
      id: id, base: base, adapter: adapter, userMetadata: request.userMetadata)
  }
}

extension LoRAConfig {
  /// An absent seed follows from the model's id.
  init(_ wire: LoraConfig, modelID: String) throws(EngineError) {
    var groups: Set<TargetGroup> = []
    if wire.trainAttention { groups.insert(.attention) }
    if wire.trainMLP { groups.insert(.mlp) }
    if wire.trainUnembed { groups.insert(.unembedding) }
    try self.init(
      rank: wire.rank, alpha: Float(wire.alpha), seed: wire.seed ?? keyHash(modelID, 0),
      groups: groups)
  }
}

extension TrainedModel {
  var info: ModelInfo {
    let config = adapter.config
    return ModelInfo(
      modelID: id, baseModel: base.model.name, architecture: base.model.config.modelType,
      lora: LoraConfig(
        rank: config.rank, alpha: Double(config.alpha), seed: config.seed,
        trainAttention: config.groups.contains(.attention),
        trainMLP: config.groups.contains(.mlp),
        trainUnembed: config.groups.contains(.unembedding)),
      tokenizer: base.model.folder, maxSequenceLength: base.model.config.maxPositions,
      step: UInt64(adapter.training?.stepCount ?? 0), userMetadata: userMetadata)
  }

  /// forward or forward_backward.
  fileprivate func run(
    _ request: ForwardBackwardRequest, accumulates: Bool
  ) throws -> ForwardBackwardResponse {
    let loss = try LossFunction(request)
    var data: [TrainingDatum] = []
    data.reserveCapacity(request.data.count)
    for (i, datum) in request.data.enumerated() {
      data.append(
        try TrainingDatum(
          tokens: datum.modelInput.tokens, inputs: datum.lossInputs(field: "data[\(i)]"),
          loss: loss, config: base.model.config, field: "data[\(i)]"))
    }
    let result = try base.engine.run([
      TrainingRequest(adapter: adapter, data: data, loss: loss, accumulates: accumulates)
    ])[0].get()
    let outputs = zip(result.logprobs, data).map { values, datum in
      let flat = Tensor(values)
      let k = datum.targetsPerToken
      return ["logprobs": k == 1 ? flat : flat.reshaped([datum.tokens.count, k]) ?? flat]
    }
    return ForwardBackwardResponse(lossFnOutputs: outputs, metrics: result.metrics)
  }

  fileprivate func optimStep(
    _ request: OptimStepRequest, allowsPartial: Bool, _ kernels: Kernels
  ) throws -> OptimStepResponse {
    let wasBroken = isAccumulationBroken
    isAccumulationBroken = false
    if wasBroken, !allowsPartial {
      adapter.training?.discardGradient()
      throw RPCError(
        .failedPrecondition,
        "a forward_backward since the last optim_step failed; the gradients were dropped "
          + "(apply_partial applies what there is)")
    }
    let adam = AdamParameters(request.adam)
    let norm = try adapter.step(adam, kernels: kernels)
    return OptimStepResponse(metrics: [
      "unclipped_grad_l2:mean": norm, "step:max": Double(adapter.training?.stepCount ?? 0),
    ])
  }
}

extension AdamParameters {
  init(_ wire: AdamParams) {
    self.init()
    learningRate = wire.learningRate
    beta1 = wire.beta1
    beta2 = wire.beta2
    epsilon = wire.eps
    weightDecay = wire.weightDecay
    gradientClipNorm = wire.gradClipNorm
  }
}

extension LossFunction {
  init(_ request: ForwardBackwardRequest) throws(EngineError) {
    var config: [String: Double] = [:]
    for (key, option) in request.lossFnConfig {
      guard case .number(let value) = option else {
        throw EngineError(
          .invalidArgument, "must be a number", field: "loss_fn_config[\(key)]")
      }
      config[key] = value
    }
    try self.init(name: request.lossFn, config: config)
  }
}

extension Wire.Datum {
  fileprivate func lossInputs(field: String) throws -> [String: LossInput] {
    var inputs: [String: LossInput] = [:]
    for (name, tensor) in lossFnInputs {
      do {
        let values: LossInput.Values =
          switch tensor.dtype {
          case .float32, .bfloat16: .floats(try tensor.floats())
          case .int32, .int64: .integers(try tensor.int64s())
          }
        inputs[name] = LossInput(shape: tensor.shape, values: values)
      } catch {
        throw RPCError(
          .invalidArgument, error.reason, field: "\(field).loss_fn_inputs[\(name)]", cause: error)
      }
    }
    return inputs
  }
}
