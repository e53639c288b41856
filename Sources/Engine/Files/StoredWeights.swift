import Foundation
import Glibc
import JSON

/// Names of tensors that are asked for by themselves.
enum TensorName {
  static let embedding = "model.embed_tokens.weight"
  static let head = "lm_head.weight"
}

/// The weights in a Hugging Face folder, found as transformers finds them: in `model.safetensors`,
/// or where `model.safetensors.index.json` says, whatever else the files hold. Every tensor of the
/// model is there, of a type and shape that the model can have.
package struct StoredWeights {
  static let fileName = "model.safetensors"
  static let indexName = "model.safetensors.index.json"

  /// A file of weights by its path in the folder, and the tensors in it that belong to the model or
  /// are not known, in the file's order.
  struct Shard {
    let name: String
    let file: Safetensors
    var tensors: [StoredTensor]
  }

  let shards: [Shard]
  /// `metadata` of the index; nil without one.
  let indexMetadata: JSONObject?
  /// The model's tensors by the names that the model asks for, the head among them if it has its own.
  let tensors: [String: StoredTensor]
  /// Whether the embedding serves as output head.
  package let isHeadTied: Bool
  /// What is stored and not read, and where tensors and config disagree, in words.
  package let warnings: [String]

  /// Bytes of the weights as a worker maps them: f16 becomes f32 when it is packed.
  package var residentBytes: Int {
    tensors.values.reduce(0) { $0 + $1.bytes.count * ($1.type == .f16 ? 2 : 1) }
  }

  /// - Throws: `notFound` for a file or tensor that is absent, `dataLoss` for a damaged file,
  ///   `invalidArgument` for a tensor of another shape, `unimplemented` for a type that is not a
  ///   float of 16 or 32 bits; each names the file or tensor.
  package init(folder: String, config: ModelConfig) throws(EngineError) {
    (shards, indexMetadata) = try Self.open(folder)
    var shapes = config.family.tensors(config)
    var stored: [String: StoredTensor] = [:]
    for tensor in shards.flatMap(\.tensors) {
      let name = Self.modelName(tensor.name, known: shapes)
      if let other = stored.updateValue(tensor, forKey: name) {
        throw .invalid(tensor.name, "means the same tensor as \(other.name)")
      }
    }
    var warnings: [String] = []
    let ties = try Self.tie(&stored, config, &warnings)
    if !ties { shapes[TensorName.head] = shapes[TensorName.embedding] }
    isHeadTied = ties
    var tensors: [String: StoredTensor] = [:]
    for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) {
      guard let tensor = stored.removeValue(forKey: name) else {
        throw EngineError(.notFound, "the weights have no tensor \(name)")
      }
      guard tensor.shape == shape else {
        throw EngineError(
          .invalidArgument, "\(tensor.name) has shape \(tensor.shape), the config says \(shape)")
      }
      _ = try WeightStore.kernelType(tensor)
      tensors[name] = tensor
    }
    self.tensors = tensors
    let unread = stored.keys.filter { !$0.hasSuffix("rotary_emb.inv_freq") }.sorted()
    if !unread.isEmpty {
      let names = unread.prefix(4).joined(separator: ", ") + (unread.count > 4 ? ", …" : "")
      warnings.append(
        "the model has no use for \(unread.count) of the stored tensors: \(names)")
    }
    self.warnings = warnings
  }

  /// The name under which the model asks for a stored tensor. A checkpoint of the bare model has
  /// them without the prefix.
  func modelName(of tensor: StoredTensor) -> String { Self.modelName(tensor.name, known: tensors) }

  private static func modelName<Value>(_ name: String, known: [String: Value]) -> String {
    let prefix = "model."
    if name == prefix + TensorName.head { return TensorName.head }
    return known[name] == nil && known[prefix + name] != nil ? prefix + name : name
  }

  /// The name under which a stored tensor is written anew when the head becomes one of its own.
  func nameBesideHead(_ tensor: StoredTensor) -> String {
    let isEmbedding = tensors[TensorName.embedding]?.name == tensor.name
    return tensor.name == TensorName.head && isEmbedding ? TensorName.embedding : tensor.name
  }

  /// Whether one matrix serves as embedding and as head: the config says so and the files hold one
  /// of the two, or both with the same values. That one then goes by the embedding's name.
  private static func tie(
    _ stored: inout [String: StoredTensor], _ config: ModelConfig, _ warnings: inout [String]
  ) throws(EngineError) -> Bool {
    guard let head = stored[TensorName.head] else {
      guard config.tiesEmbeddings else {
        throw EngineError(
          .notFound,
          "the weights have no tensor \(TensorName.head), and config.tie_word_embeddings does not "
            + "say that the embedding serves as one")
      }
      return true
    }
    guard config.tiesEmbeddings else { return false }
    let embedding = stored[TensorName.embedding] ?? head
    guard try head.hasValues(of: embedding) else {
      warnings.append(
        "config.json says tie_word_embeddings, but \(head.name) and \(embedding.name) differ: both "
          + "are used")
      return false
    }
    stored[TensorName.head] = nil
    stored[TensorName.embedding] = embedding
    return true
  }

  // MARK: Files

  private static func open(
    _ folder: String
  ) throws(EngineError) -> (shards: [Shard], metadata: JSONObject?) {
    if access("\(folder)/\(fileName)", F_OK) == 0 {
      let file = try Safetensors(path: "\(folder)/\(fileName)")
      return ([Shard(name: fileName, file: file, tensors: file.inOrder)], nil)
    }
    let path = "\(folder)/\(indexName)"
    guard access(path, F_OK) == 0 else {
      throw EngineError(.notFound, "\(folder) has neither \(fileName) nor \(indexName)")
    }
    let index = try JSONFiles.object(path, limit: RegularFile.Limit.index)
    guard let map = index["weight_map"]?.object, !map.members.isEmpty else {
      throw EngineError(.dataLoss, "\(path) has no weight_map")
    }
    var names: [String: Set<String>] = [:]
    for (tensor, value) in map.members {
      guard let file = value.string, isInside(file) else {
        throw EngineError(
          .dataLoss,
          "\(path) says that \(tensor) is in \(value.text.prefix(80)), which is no file of the folder"
        )
      }
      names[file, default: []].insert(tensor)
    }
    var shards: [Shard] = []
    for (name, wanted) in names.sorted(by: { $0.key < $1.key }) {
      let file = try Safetensors(path: "\(folder)/\(name)")
      // What the index does not name here is a leftover or belongs to another file.
      let tensors = file.inOrder.filter { wanted.contains($0.name) }
      guard tensors.count == wanted.count else {
        let missing = wanted.subtracting(file.tensors.keys).min() ?? ""
        throw EngineError(
          .notFound, "\(indexName) says that \(missing) is in \(name), which does not hold it")
      }
      shards.append(Shard(name: name, file: file, tensors: tensors))
    }
    return (shards, index["metadata"]?.object ?? JSONObject())
  }

  /// A relative path that does not lead out of the folder.
  private static func isInside(_ path: String) -> Bool {
    !path.isEmpty && !path.hasPrefix("/")
      && !path.split(separator: "/", omittingEmptySubsequences: false).contains { $0 == ".." }
  }
}

extension Safetensors {
  /// The tensors as they lie in the file.
  fileprivate var inOrder: [StoredTensor] {
    tensors.values.sorted { one, two in
      (one.range.lowerBound, one.name) < (two.range.lowerBound, two.name)
    }
  }
}
