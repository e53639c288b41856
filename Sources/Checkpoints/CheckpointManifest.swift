package import Wire

extension CheckpointStore {
  /// What the manifest says of a checkpoint.
  package struct Manifest: Codable, Sendable, Equatable {
    package var path: String
    /// Who made it, and alone may change it.
    package var tenant: String
    /// Readable by every tenant.
    package var isPublished = false
    package var baseModel: String
    package var rank: Int
    package var alpha: Float
    package var trainAttention: Bool
    package var trainMLP: Bool
    package var trainUnembed: Bool
    package var step: Int
    package var createdUnixMilliseconds: UInt64
    /// 0 for never.
    package var expiresUnixMilliseconds: UInt64
    package var userMetadata: [String: String]
    /// Of the model that wrote it; nil for one that no model wrote, and of older versions.
    package var modelUserMetadata: [String: String]?
    /// The seq of the model's request that wrote it; nil for one that no model wrote.
    package var seq: UInt64?
    /// File name → bytes and lower-case hex SHA-256.
    package var files: [String: File] = [:]

    package struct File: Codable, Equatable, Sendable {
      package var bytes: Int
      package var sha256: String
    }

    package init(
      path: CheckpointPath, tenant: some StringProtocol, baseModel: String, rank: Int,
      alpha: Float, trainAttention: Bool, trainMLP: Bool, trainUnembed: Bool, step: Int,
      createdUnixMilliseconds: UInt64, expiresUnixMilliseconds: UInt64,
      userMetadata: [String: String]
    ) {
      self.path = path.text
      self.tenant = String(tenant)
      self.baseModel = baseModel
      self.rank = rank
      self.alpha = alpha
      self.trainAttention = trainAttention
      self.trainMLP = trainMLP
      self.trainUnembed = trainUnembed
      self.step = step
      self.createdUnixMilliseconds = createdUnixMilliseconds
      self.expiresUnixMilliseconds = expiresUnixMilliseconds
      self.userMetadata = userMetadata
    }

    /// Whether a tenant may read the checkpoint.
    package func isReadable(by tenant: some StringProtocol) -> Bool {
      isPublished || self.tenant == tenant
    }

    /// Whether it should be gone; `now` is in milliseconds since 1970.
    package func isExpired(at now: UInt64) -> Bool {
      expiresUnixMilliseconds != 0 && expiresUnixMilliseconds <= now
    }
  }
}

extension Checkpoint {
  /// The description of a checkpoint that clients get.
  package init(_ manifest: CheckpointStore.Manifest, _ path: CheckpointPath) {
    self.init(
      path: path.text, kind: path.kind, modelID: path.model, name: path.name,
      baseModel: manifest.baseModel,
      lora: LoraConfig(
        rank: manifest.rank, alpha: Double(manifest.alpha),
        trainAttention: manifest.trainAttention, trainMLP: manifest.trainMLP,
        trainUnembed: manifest.trainUnembed),
      step: UInt64(max(manifest.step, 0)),
      sizeBytes: UInt64(manifest.files.values.reduce(0) { $0 + max($1.bytes, 0) }),
      createdUnixMilliseconds: manifest.createdUnixMilliseconds,
      expiresUnixMilliseconds: manifest.expiresUnixMilliseconds,
      isPublished: manifest.isPublished, userMetadata: manifest.userMetadata,
      modelUserMetadata: manifest.modelUserMetadata ?? [:])
  }
}
