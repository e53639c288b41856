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
  /// When it is deleted, in milliseconds since 1970; nil for never.
  public var expiresUnixMilliseconds: UInt64?
  /// Readable by other users.
  public var isPublished: Bool
  /// Free text of the user.
  public var userMetadata: [String: String]
  /// Likewise, as the model that wrote it was created with.
  public var modelUserMetadata: [String: String]

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
    expiresUnixMilliseconds =
      wire.expiresUnixMilliseconds == 0 ? nil : wire.expiresUnixMilliseconds
    isPublished = wire.isPublished
    userMetadata = wire.userMetadata
    modelUserMetadata = wire.modelUserMetadata
  }
}

/// A file of an adapter, exported or to be imported.
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

/// A model with a merged adapter, whose files `readExport` fetches piece by piece.
public struct ExportedModel: Sendable, Hashable {
  /// A file of the model.
  public struct File: Sendable, Hashable {
    /// Its name, e.g. `model.safetensors`.
    public var name: String
    /// Its bytes.
    public var sizeBytes: UInt64
    /// Its SHA-256 in lower-case hex.
    public var sha256: String

    /// A file.
    public init(name: String, sizeBytes: UInt64, sha256: String) {
      self.name = name
      self.sizeBytes = sizeBytes
      self.sha256 = sha256
    }
  }

  /// Names it at the service.
  public var id: String
  /// A Hugging Face model folder.
  public var files: [File]

  /// An export, for instance one that another process began to read.
  public init(id: String, files: [File]) {
    self.id = id
    self.files = files
  }
}
