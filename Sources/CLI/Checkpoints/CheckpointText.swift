import Foundation
import Operations
import Tinsmith

/// A checkpoint as commands print it, and as `--json` does.
struct CheckpointText: Encodable {
  var path: String
  /// `training` or `sampler`.
  var kind: String
  var model: String
  var name: String
  var baseModel: String
  var rank: Int
  var alpha: Double
  var targets: [String]
  var step: UInt64
  var sizeBytes: UInt64
  /// ISO 8601 in UTC.
  var created: String
  /// Likewise; nil for never.
  var expires: String?
  var published: Bool
  var metadata: [String: String]
  /// What its model was created with.
  var modelMetadata: [String: String]

  init(_ checkpoint: Checkpoint) {
    path = checkpoint.path
    kind = checkpoint.kind == .training ? "training" : "sampler"
    model = checkpoint.modelID
    name = checkpoint.name
    baseModel = checkpoint.baseModel
    rank = checkpoint.lora.rank
    alpha = checkpoint.lora.alpha
    let lora = checkpoint.lora
    targets = [
      ("attn", lora.trainAttention), ("mlp", lora.trainMLP), ("unembed", lora.trainUnembed),
    ]
    .filter(\.1).map(\.0)
    step = checkpoint.step
    sizeBytes = checkpoint.sizeBytes
    created = Self.time(checkpoint.createdUnixMilliseconds)
    expires = checkpoint.expiresUnixMilliseconds.map(Self.time)
    published = checkpoint.isPublished
    metadata = checkpoint.userMetadata
    modelMetadata = checkpoint.modelUserMetadata
  }

  /// The size for people.
  var size: String { NumberText.bytes(Double(sizeBytes)) }

  private static func time(_ unixMilliseconds: UInt64) -> String {
    Date(timeIntervalSince1970: Double(unixMilliseconds / 1000)).formatted(.iso8601)
  }
}

extension Terminal {
  /// Prints a value as JSON.
  static func sayJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    say(String(decoding: try encoder.encode(value), as: UTF8.self))
  }
}
