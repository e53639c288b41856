import Checkpoints
import Engine
import Logging
import RPC
import Wire

/// Saving and loading of models.
extension Worker {
  /// - Returns: the checkpoint's path.
  func saveState(
    _ model: TrainedModel, _ request: SaveStateRequest, seq: UInt64, tenant: Substring
  ) throws -> String {
    let path = try CheckpointPath(
      model: model.id, kind: .training, name: request.name, field: "name")
    _ = try write(
      model, path, seq: seq, tenant: tenant, ttlSeconds: request.ttlSeconds,
      overwrite: request.overwrite, userMetadata: request.userMetadata, keepLast: request.keepLast
    ) { folder in
      try AdapterFiles.write(
        model.adapter, base: model.base.model.name, to: folder, storage: storage)
      try TrainingStateFiles.write(
        model.adapter, includesGradient: request.includeGradients, to: folder, storage: storage)
    }
    return path.text
  }

  /// Saves the adapter for sampling; the snapshot is ready in memory too.
  ///
  /// - Parameter seq: of the request; tells snapshots apart that have no name and go with the session.
  func saveForSampler(
    _ model: TrainedModel, _ request: SaveWeightsForSamplerRequest, seq: UInt64,
    tenant: Substring
  ) throws -> String {
    let path =
      request.name.isEmpty
      ? try CheckpointPath(unnamedOf: model.id, seq: seq, field: "stream")
      : try CheckpointPath(model: model.id, kind: .sampler, name: request.name, field: "name")
    let manifest = try write(
      model, path, seq: seq, tenant: tenant, ttlSeconds: request.ttlSeconds,
      overwrite: request.overwrite || request.name.isEmpty, userMetadata: request.userMetadata,
      keepLast: request.keepLast
    ) { folder in
      try AdapterFiles.write(
        model.adapter, base: model.base.model.name, to: folder, storage: storage)
    }
    keepCopy(of: model.adapter, manifest, path)
    return path.text
  }

  /// Sampling will probably follow. Without the memory for it, it is read when it does.
  private func keepCopy(
    of adapter: Adapter, _ manifest: CheckpointStore.Manifest, _ path: CheckpointPath
  ) {
    do {
      let charge = try admit("the snapshot")(
        Adapter.bytes(
          adapter.config, sites: adapter.tensors.map(\.site), isTrained: false))
      let copy = try adapter.snapshot(kernels: kernels)
      copy.charge = charge
      try keepSnapshot(copy, manifest, path)
    } catch {
      log.info("\(path.text) is not kept in memory: \(error)")
    }
  }

  private func write(
    _ model: TrainedModel, _ path: CheckpointPath, seq: UInt64, tenant: Substring,
    ttlSeconds: UInt64?, overwrite: Bool, userMetadata: [String: String], keepLast: Int,
    _ body: (String) throws -> Void
  ) throws -> CheckpointStore.Manifest {
    var manifest = CheckpointStore.Manifest(
      model.adapter, base: model.base.model.name, path: path, tenant: tenant,
      ttlSeconds: ttlSeconds, userMetadata: userMetadata)
    manifest.modelUserMetadata = model.userMetadata
    manifest.seq = seq
    let before = try? checkpoints.stored(path)
    // What this very request wrote before its worker ended, nobody was told of.
    let isOwn = before?.seq == seq
    // Who may read it was said of the name, and stays as it was.
    manifest.isPublished = before?.isPublished ?? false
    let written = try checkpoints.write(
      path, overwrite: overwrite || isOwn, manifest: manifest, body)
    if keepLast > 0 { checkpoints.removeOldest(keeping: keepLast, newest: path) }
    return written
  }

  /// Replaces a model's adapter by that of a checkpoint of the same base model. A snapshot follows at
  /// once, so that no recovery needs the checkpoint again.
  func loadState(
    _ model: TrainedModel, _ request: LoadStateRequest, tenant: Substring, seq: UInt64,
    answer: Payload
  ) throws {
    let path = try CheckpointPath(request.path, field: "path")
    let manifest = try checkpoints.verified(path, for: tenant)
    guard manifest.baseModel == model.base.model.name else {
      throw RPCError(
        .invalidArgument,
        "the checkpoint is of base model \(manifest.baseModel), the model of "
          + model.base.model.name, field: "path")
    }
    try checkShape(of: Checkpoint(manifest, path), model)
    let before = (model.adapter, model.isAccumulationBroken)
    model.adapter = try readState(path, model.base, optimizer: request.optimizer)
    model.isAccumulationBroken = false
    model.nextSeq = seq + 1
    do {
      try saveSnapshot(model, answer: answer)
    } catch {
      (model.adapter, model.isAccumulationBroken) = before
      throw error
    }
  }

  /// What a client knows of its model (rank, alpha, targets) stays true: an adapter of another shape
  /// is not taken in silence.
  private func checkShape(of checkpoint: Checkpoint, _ model: TrainedModel) throws {
    var own = model.info.lora
    own.seed = nil
    guard checkpoint.lora != own else { return }
    throw RPCError(
      .invalidArgument,
      "the checkpoint's adapter has \(checkpoint.lora.shape), the model's has \(own.shape); "
        + "a model created from the checkpoint takes its shape", field: "path")
  }

  /// A trainable adapter from a checkpoint whose files were verified.
  func readState(
    _ path: CheckpointPath, _ base: LoadedBase, optimizer: Bool
  ) throws -> Adapter {
    guard path.kind == .training else {
      throw RPCError(
        .invalidArgument,
        "\(path.text) was saved for sampling; training continues from a path of save_state",
        field: "path")
    }
    return try TrainingStateFiles.read(
      checkpoints.url(path), optimizer: optimizer, model: base.model, kernels: kernels,
      admit: admit("the adapter"))
  }
}

extension LoraConfig {
  /// In words, without the seed.
  fileprivate var shape: String {
    let targets = [("attn", trainAttention), ("mlp", trainMLP), ("unembed", trainUnembed)]
      .filter(\.1).map(\.0).joined(separator: ", ")
    return "rank \(rank) and alpha \(alpha) on \(targets)"
  }
}
