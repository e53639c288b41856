internal import Wire

/// A session that lives, and what was made in it.
public struct SessionInfo: Sendable, Hashable {
  /// Its id.
  public var sessionID: String
  /// When it was opened, in milliseconds since 1970.
  public var createdUnixMilliseconds: UInt64
  /// Its name for people.
  public var displayName: String
  /// Its labels.
  public var tags: [String]
  /// Free text of the user.
  public var userMetadata: [String: String]
  /// Group of sessions that are accounted together.
  public var projectID: String
  /// The models that were created in it, also those that were unloaded.
  public var modelIDs: [String]
  /// Its sampling sessions, the last 1,024 of them.
  public var samplingSessionIDs: [String]

  init(_ wire: Wire.SessionInfo) {
    sessionID = wire.sessionID
    createdUnixMilliseconds = wire.createdUnixMilliseconds
    displayName = wire.displayName
    tags = wire.tags
    userMetadata = wire.userMetadata
    projectID = wire.projectID
    modelIDs = wire.modelIDs
    samplingSessionIDs = wire.samplingSessionIDs
  }
}

/// What a sampling session samples from.
public struct SamplerInfo: Sendable, Hashable {
  /// Its id.
  public var samplingSessionID: String
  /// Name of the base model.
  public var baseModel: String
  /// Path of the adapter; nil for the base model as it is.
  public var modelPath: String?
  /// When it was created, in milliseconds since 1970.
  public var createdUnixMilliseconds: UInt64

  init(_ wire: Wire.SamplerInfo) {
    samplingSessionID = wire.samplingSessionID
    baseModel = wire.baseModel
    modelPath = wire.modelPath.isEmpty ? nil : wire.modelPath
    createdUnixMilliseconds = wire.createdUnixMilliseconds
  }
}

/// A model that is, or was, trained.
public struct TrainingRun: Sendable, Hashable {
  /// Its id.
  public var modelID: String
  /// Name of the base model.
  public var baseModel: String
  /// The adapter; its seed is nil.
  public var lora: LoRAConfig
  /// Free text of the user, as it was created with; none for imports and copies.
  public var userMetadata: [String: String]
  /// When it was created, in milliseconds since 1970; nil where its session is over.
  public var createdUnixMilliseconds: UInt64?
  /// The last time known of it, likewise: of its newest checkpoint, or while its session lives of its
  /// last request, or of another worker that took it over.
  public var changedUnixMilliseconds: UInt64
  /// Its newest checkpoint to train further.
  public var lastCheckpoint: Checkpoint?
  /// Its newest checkpoint with a name to sample from.
  public var lastSamplerCheckpoint: Checkpoint?

  init(_ wire: Wire.RunInfo) {
    modelID = wire.modelID
    baseModel = wire.baseModel
    lora = LoRAConfig(wire.lora)
    userMetadata = wire.userMetadata
    createdUnixMilliseconds =
      wire.createdUnixMilliseconds == 0 ? nil : wire.createdUnixMilliseconds
    changedUnixMilliseconds = wire.changedUnixMilliseconds
    lastCheckpoint = wire.lastCheckpoint.map { Checkpoint($0) }
    lastSamplerCheckpoint = wire.lastSamplerCheckpoint.map { Checkpoint($0) }
  }
}
