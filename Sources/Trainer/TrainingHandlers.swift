import Checkpoints
import Engine
import Logging
import RPC
import Wire

/// The service `Training`.
extension Handlers {
  func addTraining(to table: inout MethodTable) {
    handleInOrder(&table, .trainingCreateModel, CreateModelRequest.self) {
      worker, request, context in
      let model = try worker.createModel(context.stream, request, tenant: context.tenant)
      worker.open(model)
      let response = CreateModelResponse(modelID: model.id, info: model.info)
      if !request.fromPath.isEmpty {
        model.nextSeq = context.seq + 1
        do {
          try worker.saveSnapshot(model, answer: response.encode())
        } catch {
          worker.close(model.id)
          throw error
        }
      }
      do {
        try worker.records.write(SessionRecords.Run(model))
      } catch {
        // Training needs no record of it.
        worker.log.info("\(model.id) will not be listed before it has a checkpoint: \(error)")
      }
      return response
    }
    addTraining(.trainingForward, accumulates: false, to: &table)
    addTraining(.trainingForwardBackward, accumulates: true, to: &table)
    handleInOrder(&table, .trainingOptimStep, OptimStepRequest.self) { worker, request, context in
      let model = try worker.model(context.stream)
      return try model.optimStep(
        request, allowsPartial: context.flags.contains(.applyPartial), worker.kernels)
    }
    handleInOrder(&table, .trainingGetInfo, GetInfoRequest.self) { worker, _, context in
      try worker.model(context.stream).info
    }
    handleInOrder(&table, .trainingUnload, UnloadRequest.self) { worker, _, context in
      _ = try worker.model(context.stream)
      worker.close(context.stream)
      let response = UnloadResponse()
      worker.saveVacancy(
        context.stream, firstSeq: context.seq + 1, answer: response.encode())
      return response
    }
    handleInOrder(&table, .trainingSaveState, SaveStateRequest.self) { worker, request, context in
      let model = try worker.model(context.stream)
      return SaveStateResponse(
        path: try worker.saveState(model, request, seq: context.seq, tenant: context.tenant))
    }
    handleInOrder(&table, .trainingLoadState, LoadStateRequest.self) { worker, request, context in
      let model = try worker.model(context.stream)
      let response = LoadStateResponse()
      try worker.loadState(
        model, request, tenant: context.tenant, seq: context.seq, answer: response.encode())
      return response
    }
  }

  /// Decoded beside the compute thread and not by the table: a forward_backward that fails, for
  /// whatever reason, leaves an accumulation that the next optim_step must not apply.
  private func addTraining(_ method: Method, accumulates: Bool, to table: inout MethodTable) {
    table.handle(method, Payload.self, Payload.self) { payload, context, reply in
      preparation.enqueue {
        let training = ModelQueue.Training(
          pending: preparation.training(payload, stream: context.stream),
          accumulates: accumulates, context: context, reply: reply)
        compute.submit { $0.queue.append(training) }
      }
    }
  }
}

extension Worker {
  /// A new model, or one from a checkpoint.
  func createModel(
    _ id: String, _ request: CreateModelRequest, tenant: Substring
  ) throws -> TrainedModel {
    guard models[id] == nil, parked[id] == nil else {
      throw RPCError(.alreadyExists, "model \(id) exists already")
    }
    guard request.fromPath.isEmpty else {
      return try createFromCheckpoint(id, request, tenant: tenant)
    }
    let base = try base(request.baseModel)
    let config = try LoRAConfig(request.lora ?? LoraConfig(), modelID: id)
    let charge = try admit("the adapter")(
      Adapter.bytes(config, sites: base.model.sites, isTrained: true))
    let adapter = try Adapter(config: config, sites: base.model.sites)
    adapter.charge = charge
    adapter.initialize(kernels: kernels)
    adapter.startTraining()
    return TrainedModel(
      id: id, base: base, adapter: adapter, userMetadata: request.userMetadata)
  }

  private func createFromCheckpoint(
    _ id: String, _ request: CreateModelRequest, tenant: Substring
  ) throws -> TrainedModel {
    let path = try CheckpointPath(request.fromPath, field: "from_path")
    let manifest = try checkpoints.verified(path, for: tenant, field: "from_path")
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

extension SessionRecords.Run {
  fileprivate init(_ model: TrainedModel) {
    let info = model.info
    self.init(
      model.id, baseModel: info.baseModel, rank: info.lora.rank,
      alpha: model.adapter.config.alpha, trainAttention: info.lora.trainAttention,
      trainMLP: info.lora.trainMLP, trainUnembed: info.lora.trainUnembed,
      userMetadata: model.userMetadata)
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

  func optimStep(
    _ request: OptimStepRequest, allowsPartial: Bool, _ kernels: Kernels
  ) throws -> OptimStepResponse {
    let adam = AdamParameters(request.adam)
    // Refused settings leave everything as it is.
    try adam.validate(step: (adapter.training?.stepCount ?? 0) + 1)
    let wasBroken = isAccumulationBroken
    isAccumulationBroken = false
    if wasBroken, !allowsPartial {
      adapter.training?.discardGradient()
      throw RPCError(
        .failedPrecondition,
        "a forward_backward since the last optim_step failed or was cancelled: this step was not "
          + "taken, and all gradients since then were dropped, also those of passes after it "
          + "(apply_partial applies what there is)")
    }
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
