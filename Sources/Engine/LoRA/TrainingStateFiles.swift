/// What a training checkpoint holds beside the adapter: Adam's moments, unapplied gradients if
/// asked for, and counters.
package enum TrainingStateFiles {
  package static let stateName = "training_state.json"
  package static let tensorsName = "optimizer.safetensors"
  private static let maxStep = 1 << 48

  private struct StateFile: Codable {
    var step: Int
    var hasGradient: Bool
    var numericsVersion: UInt32
    var precision: String
    var seed: UInt64
    var alpha: Float
    var rank: Int
    var trainAttn: Bool
    var trainMlp: Bool
    var trainUnembed: Bool
  }

  /// Writes into `folder`, which must exist; each file is synced.
  ///
  /// - Throws: `failedPrecondition` for an adapter without an optimizer.
  package static func write(
    _ adapter: Adapter, includesGradient: Bool, to folder: String, storage: any Storage
  ) throws {
    guard let training = adapter.training else {
      throw EngineError(.failedPrecondition, "the adapter is not being trained")
    }
    let keepsGradient = includesGradient && training.hasGradient
    let groups = adapter.config.groups
    let state = StateFile(
      step: training.stepCount, hasGradient: keepsGradient, numericsVersion: Numerics.version,
      precision: Numerics.precision, seed: adapter.config.seed, alpha: adapter.config.alpha,
      rank: adapter.config.rank, trainAttn: groups.contains(.attention),
      trainMlp: groups.contains(.mlp), trainUnembed: groups.contains(.unembedding))
    try JSONFiles.write(state, to: "\(folder)/\(stateName)", storage)
    var blocks: [(prefix: String, block: FloatBlock)] = [
      ("exp_avg.", training.firstMoment), ("exp_avg_sq.", training.secondMoment),
    ]
    if keepsGradient { blocks.append(("gradient.", training.gradients)) }
    try AdapterFiles.writeTensors(
      "\(folder)/\(tensorsName)", blocks, adapter, metadata: [:], storage)
  }

  /// Reads a checkpoint's adapter, warm (`optimizer`) or with a cold optimizer.
  ///
  /// - Throws: errors of `AdapterFiles.read`; `failedPrecondition` when the optimizer state is of
  ///   another numerics class.
  package static func read(
    _ folder: String, optimizer: Bool, model: BaseModel, kernels: Kernels,
    admit: AdapterAdmission = { _ in nil }
  ) throws(EngineError) -> Adapter {
    let state = try JSONFiles.read(
      StateFile.self, "\(folder)/\(stateName)", "training state")
    // The config of PEFT knows no seed: the state's own is carried on.
    let adapter = try AdapterFiles.read(
      folder, model: model, kernels: kernels, seed: state.seed, isTrained: true, admit: admit)
    guard optimizer, let training = adapter.training else { return adapter }
    guard state.numericsVersion == Numerics.version, state.precision == Numerics.precision else {
      throw EngineError(
        .failedPrecondition,
        "the state is of numerics version \(state.numericsVersion) \(state.precision), this is "
          + "\(Numerics.version) \(Numerics.precision)")
    }
    guard (0...Self.maxStep).contains(state.step) else {
      throw EngineError(.dataLoss, "\(folder)/\(stateName) has step \(state.step)")
    }
    let file = try Safetensors(
      path: "\(folder)/\(tensorsName)", headerLimit: RegularFile.Limit.optimizerHeader)
    var rest = Set(file.tensors.keys)
    var blocks = [("exp_avg.", training.firstMoment), ("exp_avg_sq.", training.secondMoment)]
    if state.hasGradient { blocks.append(("gradient.", training.gradients)) }
    for (prefix, block) in blocks {
      try AdapterFiles.readTensors(
        file.tensors, prefix: prefix, mustBeFinite: false, into: block, adapter, kernels, &rest)
    }
    training.stepCount = state.step
    training.restoreGradient(present: state.hasGradient)
    return adapter
  }
}
