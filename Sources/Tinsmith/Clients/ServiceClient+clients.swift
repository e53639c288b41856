internal import Wire

extension ServiceClient {
  /// A new adapter on a base model, ready to be trained.
  ///
  /// - Parameters:
  ///   - baseModel: one of the names in `getServerCapabilities`.
  ///   - rank: rank of the factors, at least 1.
  ///   - seed: of the initial weights; nil derives one from the model's id.
  ///   - trainMLP: whether the MLP layers have an adapter.
  ///   - trainAttention: whether the attention layers have an adapter.
  ///   - trainUnembed: whether the output head has an adapter.
  ///   - userMetadata: free text, kept with the model and its checkpoints.
  public func createLoRATrainingClient(
    baseModel: String, rank: Int = 32, seed: UInt64? = nil, trainMLP: Bool = true,
    trainAttention: Bool = true, trainUnembed: Bool = true, userMetadata: [String: String] = [:]
  ) -> Pending<TrainingClient> {
    createLoRATrainingClient(
      baseModel: baseModel,
      lora: LoRAConfig(
        rank: rank, seed: seed, trainMLP: trainMLP, trainAttention: trainAttention,
        trainUnembed: trainUnembed), userMetadata: userMetadata)
  }

  /// A new adapter on a base model, with a scale of its own.
  public func createLoRATrainingClient(
    baseModel: String, lora: LoRAConfig, userMetadata: [String: String] = [:]
  ) -> Pending<TrainingClient> {
    // The message cannot carry it, and the service should not be asked for another rank.
    guard lora.rank >= 1 else {
      return Pending(
        failed: TinsmithError(
          .invalidArgument, "\(lora.rank), but must be at least 1", field: "lora.rank"))
    }
    return create(
      CreateModelRequest(
        baseModel: baseModel, lora: lora.wire, userMetadata: userMetadata))
  }

  /// A model that continues from a checkpoint's weights with a fresh optimizer.
  ///
  /// - Parameter path: of a checkpoint that `saveState` wrote. Rank and targets are the
  ///   checkpoint's.
  public func createTrainingClientFromState(
    path: String, userMetadata: [String: String] = [:]
  ) -> Pending<TrainingClient> {
    create(CreateModelRequest(userMetadata: userMetadata, fromPath: path))
  }

  /// A model that continues from a checkpoint's weights and optimizer state: training goes on as
  /// if it had not been interrupted.
  public func createTrainingClientFromStateWithOptimizer(
    path: String, userMetadata: [String: String] = [:]
  ) -> Pending<TrainingClient> {
    create(CreateModelRequest(userMetadata: userMetadata, fromPath: path, fromOptimizer: true))
  }

  /// Samples from a saved adapter.
  ///
  /// - Parameter modelPath: of a checkpoint that `saveWeightsForSampler` wrote.
  public func createSamplingClient(modelPath: String) -> Pending<SamplingClient> {
    SamplingClient.create(.modelPath(modelPath), session: session)
  }

  /// Samples from a base model as it is.
  public func createSamplingClient(baseModel: String) -> Pending<SamplingClient> {
    SamplingClient.create(.baseModel(baseModel), session: session)
  }

  private func create(_ request: CreateModelRequest) -> Pending<TrainingClient> {
    let (number, session) = (session.nextModel(), session)
    return Pending {
      let sender = try await session.established().value().sender("train:\(number)")
      let response = try await sender.send(
        .trainingCreateModel, request, as: CreateModelResponse.self
      ).value()
      return TrainingClient(sender, session: session, info: ModelInfo(response.info))
    }
  }
}
