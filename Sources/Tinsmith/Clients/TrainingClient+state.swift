internal import Wire

extension TrainingClient {
  /// Writes a checkpoint from which training can go on: adapter and optimizer.
  ///
  /// - Parameters:
  ///   - name: letters, digits and `. _ -`.
  ///   - ttlSeconds: when it is deleted; nil for never.
  ///   - overwrite: replace a checkpoint of the same name, which is an error otherwise.
  ///   - userMetadata: free text, kept with the checkpoint.
  ///   - includeGradients: also the gradients that no `optimStep` has used yet.
  ///   - keepLast: delete the oldest of the model's training checkpoints beyond so many, this one
  ///     counted and published ones not; nil keeps all.
  /// - Returns: the path, `tinsmith://<model>/weights/<name>`.
  public func saveState(
    name: String, ttlSeconds: UInt64? = nil, overwrite: Bool = false,
    userMetadata: [String: String] = [:], includeGradients: Bool = false, keepLast: Int? = nil
  ) -> Pending<String> {
    let request = SaveStateRequest(
      name: name, ttlSeconds: ttlSeconds, overwrite: overwrite, userMetadata: userMetadata,
      includeGradients: includeGradients, keepLast: keepLast ?? 0)
    let answer = sender.sendForAnswer(.trainingSaveState, request)
    return Pending(from: answer) { try SaveStateResponse.decode($0.payload).path }
  }

  /// Replaces the adapter by that of a checkpoint that `saveState` wrote, of the same rank, alpha and
  /// targets. (`createTrainingClientFromState` takes those from the checkpoint.)
  ///
  /// - Parameters:
  ///   - path: the checkpoint.
  ///   - optimizer: take its optimizer state, too; otherwise the optimizer starts afresh.
  public func loadState(path: String, optimizer: Bool = false) -> Pending<Void> {
    let answer = sender.sendForAnswer(
      .trainingLoadState, LoadStateRequest(path: path, optimizer: optimizer))
    return Pending(from: answer) { _ = try LoadStateResponse.decode($0.payload) }
  }

  /// Writes a checkpoint to sample from: the adapter alone, in the layout of PEFT.
  ///
  /// - Parameter keepLast: as in `saveState`, of the model's sampler checkpoints.
  /// - Returns: the path, `tinsmith://<model>/sampler_weights/<name>`.
  public func saveWeightsForSampler(
    name: String, ttlSeconds: UInt64? = nil, overwrite: Bool = false,
    userMetadata: [String: String] = [:], keepLast: Int? = nil
  ) -> Pending<String> {
    guard !name.isEmpty else {
      return Pending(
        failed: TinsmithError(.invalidArgument, "must not be empty", field: "name"))
    }
    let request = SaveWeightsForSamplerRequest(
      name: name, ttlSeconds: ttlSeconds, userMetadata: userMetadata, overwrite: overwrite,
      keepLast: keepLast ?? 0)
    let answer = sender.sendForAnswer(.samplingSaveWeightsForSampler, request)
    return Pending(from: answer) { try SaveWeightsForSamplerResponse.decode($0.payload).path }
  }

  /// A client that samples from the adapter as it is after the calls before this one. The weights
  /// are gone with the session.
  ///
  /// - Parameter keepLast: delete the oldest of the model's weights without a name beyond so many,
  ///   these counted; nil keeps all.
  public func saveWeightsAndGetSamplingClient(keepLast: Int? = nil) -> Pending<SamplingClient> {
    let (number, session) = (session.nextSampler(), session)
    let answer = sender.sendForAnswer(
      .samplingSaveWeightsForSampler, SaveWeightsForSamplerRequest(keepLast: keepLast ?? 0))
    return Pending {
      let payload = try await answer.value().payload
      let path = try SaveWeightsForSamplerResponse.decode(payload).path
      return try await SamplingClient.open(.modelPath(path), number: number, session: session)
    }
  }
}
