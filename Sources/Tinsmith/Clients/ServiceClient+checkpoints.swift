internal import Wire

/// A checkpoint of the service.
public struct Checkpoint: Sendable, Hashable {
  /// What it is for.
  public enum Kind: Sendable, Hashable {
    /// Training can go on from it (`saveState`).
    case training
    /// It can be sampled from (`saveWeightsForSampler`).
    case sampler
  }

  /// Its path.
  public var path: String
  /// What it is for.
  public var kind: Kind
  /// Model that wrote it.
  public var modelID: String
  /// Its name.
  public var name: String
  /// Name of the base model.
  public var baseModel: String
  /// The adapter.
  public var lora: LoRAConfig
  /// Optimizer steps done when it was written.
  public var step: UInt64
  /// Bytes of its files.
  public var sizeBytes: UInt64
  /// When it was written, in milliseconds since 1970.
  public var createdUnixMilliseconds: UInt64
  /// Free text of the user.
  public var userMetadata: [String: String]

  init(_ wire: Wire.Checkpoint) {
    path = wire.path
    kind = wire.kind == .training ? .training : .sampler
    modelID = wire.modelID
    name = wire.name
    baseModel = wire.baseModel
    lora = LoRAConfig(wire.lora)
    step = wire.step
    sizeBytes = wire.sizeBytes
    createdUnixMilliseconds = wire.createdUnixMilliseconds
    userMetadata = wire.userMetadata
  }
}

/// A file of an exported checkpoint.
public struct CheckpointFile: Sendable, Hashable {
  /// Its name, e.g. `adapter_model.safetensors`.
  public var name: String
  /// Its content.
  public var content: [UInt8]

  /// A file.
  public init(name: String, content: [UInt8]) {
    self.name = name
    self.content = content
  }
}

extension ServiceClient {
  /// The checkpoints of a model; with an empty id those of all models that this session may see.
  public func listCheckpoints(modelID: String = "") -> Pending<[Checkpoint]> {
    Pending { [session] in
      let sender = try await session.control()
      var (checkpoints, page): ([Checkpoint], String) = ([], "")
      repeat {
        let response = try await sender.send(
          .checkpointsList, ListCheckpointsRequest(modelID: modelID, pageToken: page),
          as: ListCheckpointsResponse.self
        ).value()
        checkpoints += response.checkpoints.map { Checkpoint($0) }
        page = response.nextPageToken
      } while !page.isEmpty
      return checkpoints
    }
  }

  /// The files of a checkpoint. Those of a sampler checkpoint are what PEFT loads.
  public func exportCheckpoint(path: String) -> Pending<[CheckpointFile]> {
    Pending { [session] in
      let response = try await session.control().send(
        .checkpointsExport, CheckpointRequest(path: path), as: ExportCheckpointResponse.self
      ).value()
      return response.files.map { CheckpointFile(name: $0.name, content: $0.content.array) }
    }
  }

  /// Deletes a checkpoint.
  public func deleteCheckpoint(path: String) -> Pending<Void> {
    Pending { [session] in
      _ = try await session.control().send(
        .checkpointsDelete, CheckpointRequest(path: path), as: DeleteCheckpointResponse.self
      ).value()
    }
  }
}
