internal import CProto

/// What a checkpoint is for.
package enum CheckpointKind: UInt32, Sendable {
  /// Adapter and optimizer state: `weights`.
  case training = 1
  /// Adapter only: `sampler_weights`.
  case sampler = 2
}

/// Description of a checkpoint; answer of most methods of `Checkpoints`.
package struct Checkpoint: Sendable, Equatable {
  /// `tinsmith://<model>/weights/<name>` or `tinsmith://<model>/sampler_weights/<name>`.
  package var path: String
  /// What it is for.
  package var kind: CheckpointKind
  /// The model it was saved from.
  package var modelID: String
  /// Its name.
  package var name: String
  /// Name of the base model.
  package var baseModel: String
  /// The adapter; `seed` is nil.
  package var lora: LoraConfig
  /// Optimizer steps done when it was written.
  package var step: UInt64
  /// Bytes of all its files.
  package var sizeBytes: UInt64
  /// Milliseconds since 1970 in UTC.
  package var createdUnixMilliseconds: UInt64
  /// Likewise; 0 for never.
  package var expiresUnixMilliseconds: UInt64
  /// Readable by other users.
  package var isPublished: Bool
  /// Free text of the user.
  package var userMetadata: [String: String]
  /// Likewise, of the model that wrote it.
  package var modelUserMetadata: [String: String]

  /// A description.
  package init(
    path: String, kind: CheckpointKind, modelID: String, name: String, baseModel: String,
    lora: LoraConfig, step: UInt64 = 0, sizeBytes: UInt64 = 0, createdUnixMilliseconds: UInt64 = 0,
    expiresUnixMilliseconds: UInt64 = 0, isPublished: Bool = false,
    userMetadata: [String: String] = [:], modelUserMetadata: [String: String] = [:]
  ) {
    self.path = path
    self.kind = kind
    self.modelID = modelID
    self.name = name
    self.baseModel = baseModel
    self.lora = lora
    self.step = step
    self.sizeBytes = sizeBytes
    self.createdUnixMilliseconds = createdUnixMilliseconds
    self.expiresUnixMilliseconds = expiresUnixMilliseconds
    self.isPublished = isPublished
    self.userMetadata = userMetadata
    self.modelUserMetadata = modelUserMetadata
  }
}

extension Checkpoint: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__Checkpoint>?) {
    tinsmith__v1__checkpoint__init(c)
  }

  init(_ c: Tinsmith__V1__Checkpoint, _ reader: Reader) throws(WireError) {
    path = reader.text(c.path)
    kind = try Check.kind(UInt32(c.kind.rawValue))
    modelID = reader.text(c.model_id)
    name = reader.text(c.name)
    baseModel = reader.text(c.base_model)
    lora = LoraConfig(
      rank: Int(c.rank), alpha: c.alpha, trainAttention: c.train_attn != 0,
      trainMLP: c.train_mlp != 0, trainUnembed: c.train_unembed != 0)
    step = c.step
    sizeBytes = c.size_bytes
    createdUnixMilliseconds = c.created_unix_ms
    expiresUnixMilliseconds = c.expires_unix_ms
    isPublished = c.published != 0
    userMetadata = try reader.metadata(c.user_metadata, c.n_user_metadata)
    modelUserMetadata = try reader.metadata(c.model_user_metadata, c.n_model_user_metadata)
  }

  func fill(_ c: inout Tinsmith__V1__Checkpoint, _ writer: Writer) {
    c.path = writer.text(path)
    c.kind = Tinsmith__V1__CheckpointKind(rawValue: .init(kind.rawValue))
    c.model_id = writer.text(modelID)
    c.name = writer.text(name)
    c.base_model = writer.text(baseModel)
    c.rank = UInt32(clamping: lora.rank)
    c.alpha = lora.alpha
    c.train_attn = lora.trainAttention ? 1 : 0
    c.train_mlp = lora.trainMLP ? 1 : 0
    c.train_unembed = lora.trainUnembed ? 1 : 0
    c.step = step
    c.size_bytes = sizeBytes
    c.created_unix_ms = createdUnixMilliseconds
    c.expires_unix_ms = expiresUnixMilliseconds
    c.published = isPublished ? 1 : 0
    writer.pairs(userMetadata, &c.n_user_metadata, &c.user_metadata, TextPair.init)
    writer.pairs(
      modelUserMetadata, &c.n_model_user_metadata, &c.model_user_metadata, TextPair.init)
  }
}

extension Check {
  /// A checkpoint's kind, which must be given.
  static func kind(_ number: UInt32) throws(WireError) -> CheckpointKind {
    guard let kind = CheckpointKind(rawValue: number) else {
      throw WireError(.missing, "must be given", field: "kind")
    }
    return kind
  }
}

/// `Checkpoints.Info`, `Delete`, `Publish`, `Unpublish` and `Export`.
package struct CheckpointRequest: Sendable, Equatable {
  /// The checkpoint's path.
  package var path: String

  /// A request.
  package init(path: String) { self.path = path }
}

extension CheckpointRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__CheckpointRequest>?) {
    tinsmith__v1__checkpoint_request__init(c)
  }

  init(_ c: Tinsmith__V1__CheckpointRequest, _ reader: Reader) throws(WireError) {
    path = try Check.present(reader.text(c.path), "path")
  }

  func fill(_ c: inout Tinsmith__V1__CheckpointRequest, _ writer: Writer) {
    c.path = writer.text(path)
  }
}

/// Answer of `Checkpoints.Delete`.
package struct DeleteCheckpointResponse: Sendable, Equatable {
  /// The answer.
  package init() {}
}

extension DeleteCheckpointResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__DeleteCheckpointResponse>?) {
    tinsmith__v1__delete_checkpoint_response__init(c)
  }

  init(_ c: Tinsmith__V1__DeleteCheckpointResponse, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__DeleteCheckpointResponse, _ writer: Writer) {}
}

/// `Checkpoints.SetTTL`; answered with the `Checkpoint`.
package struct SetCheckpointTTLRequest: Sendable, Equatable {
  /// The checkpoint's path.
  package var path: String
  /// Seconds from now until it is deleted; nil for never.
  package var ttlSeconds: UInt64?

  /// A request.
  package init(path: String, ttlSeconds: UInt64?) {
    self.path = path
    self.ttlSeconds = ttlSeconds
  }
}

extension SetCheckpointTTLRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SetCheckpointTtlRequest>?) {
    tinsmith__v1__set_checkpoint_ttl_request__init(c)
  }

  init(_ c: Tinsmith__V1__SetCheckpointTtlRequest, _ reader: Reader) throws(WireError) {
    path = try Check.present(reader.text(c.path), "path")
    let hasTTL =
      c.ttl_presence_case
      == TINSMITH__V1__SET_CHECKPOINT_TTL_REQUEST__TTL_PRESENCE_TTL_SECONDS
    ttlSeconds = hasTTL ? try Check.ttl(c.ttl_seconds) : nil
  }

  func fill(_ c: inout Tinsmith__V1__SetCheckpointTtlRequest, _ writer: Writer) {
    c.path = writer.text(path)
    guard let ttlSeconds else { return }
    c.ttl_presence_case = TINSMITH__V1__SET_CHECKPOINT_TTL_REQUEST__TTL_PRESENCE_TTL_SECONDS
    c.ttl_seconds = ttlSeconds
  }
}
