import Crypto
import Foundation
package import Wire

extension CheckpointStore {
  /// What the manifest says of a checkpoint. Its JSON holds a digest of all fields, so that a changed
  /// bit in the manifest itself is noticed, too.
  package struct Manifest: Sendable, Equatable {
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

extension CheckpointStore.Manifest: Codable {
  private enum CodingKeys: String, CodingKey {
    case path, tenant
    case isPublished = "published"
    case baseModel, rank, alpha, trainAttention, trainMLP, trainUnembed, step
    case createdUnixMilliseconds, expiresUnixMilliseconds, userMetadata, files, digest
  }

  /// Reads what was stored; manifests from before there were tenants belong to the default one.
  ///
  /// - Throws: `DecodingError` also for a value that its digest does not match.
  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    path = try values.decode(String.self, forKey: .path)
    tenant = try values.decodeIfPresent(String.self, forKey: .tenant) ?? "default"
    isPublished = try values.decodeIfPresent(Bool.self, forKey: .isPublished) ?? false
    baseModel = try values.decode(String.self, forKey: .baseModel)
    rank = try values.decode(Int.self, forKey: .rank)
    alpha = try values.decode(Float.self, forKey: .alpha)
    trainAttention = try values.decode(Bool.self, forKey: .trainAttention)
    trainMLP = try values.decode(Bool.self, forKey: .trainMLP)
    trainUnembed = try values.decode(Bool.self, forKey: .trainUnembed)
    step = try values.decode(Int.self, forKey: .step)
    createdUnixMilliseconds = try values.decode(UInt64.self, forKey: .createdUnixMilliseconds)
    expiresUnixMilliseconds = try values.decode(UInt64.self, forKey: .expiresUnixMilliseconds)
    userMetadata = try values.decode([String: String].self, forKey: .userMetadata)
    files = try values.decode([String: File].self, forKey: .files)
    let stored = try values.decodeIfPresent(String.self, forKey: .digest)
    guard stored == nil || stored == digest else {
      throw DecodingError.dataCorruptedError(
        forKey: .digest, in: values, debugDescription: "the fields do not match their digest")
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(path, forKey: .path)
    try values.encode(tenant, forKey: .tenant)
    try values.encode(isPublished, forKey: .isPublished)
    try values.encode(baseModel, forKey: .baseModel)
    try values.encode(rank, forKey: .rank)
    try values.encode(alpha, forKey: .alpha)
    try values.encode(trainAttention, forKey: .trainAttention)
    try values.encode(trainMLP, forKey: .trainMLP)
    try values.encode(trainUnembed, forKey: .trainUnembed)
    try values.encode(step, forKey: .step)
    try values.encode(createdUnixMilliseconds, forKey: .createdUnixMilliseconds)
    try values.encode(expiresUnixMilliseconds, forKey: .expiresUnixMilliseconds)
    try values.encode(userMetadata, forKey: .userMetadata)
    try values.encode(files, forKey: .files)
    try values.encode(digest, forKey: .digest)
  }

  /// SHA-256 over the values, not over the JSON, whose form is its writer's.
  private var digest: String {
    var texts = [
      path, tenant, "\(isPublished)", baseModel, "\(rank)", "\(alpha.bitPattern)",
      "\(trainAttention)", "\(trainMLP)", "\(trainUnembed)", "\(step)",
      "\(createdUnixMilliseconds)", "\(expiresUnixMilliseconds)", "\(userMetadata.count)",
    ]
    for (key, value) in userMetadata.sorted(by: { $0.key < $1.key }) { texts += [key, value] }
    for (name, file) in files.sorted(by: { $0.key < $1.key }) {
      texts += [name, "\(file.bytes)", file.sha256]
    }
    // No text from the wire has a NUL.
    return SHA256.hash(data: Data(texts.joined(separator: "\0").utf8)).hexadecimal
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
      isPublished: manifest.isPublished, userMetadata: manifest.userMetadata)
  }
}
