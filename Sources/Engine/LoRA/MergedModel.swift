import CKernels
import Foundation
import JSON

/// A base model with an adapter merged into its weights: a Hugging Face folder of its own, for
/// software that knows no adapters.
package enum MergedModel {
  /// What is copied as it is beside config and weights, where the base has it.
  private static let companions = [
    "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "chat_template.jinja", "chat_template.json", "LICENSE", "NOTICE",
  ]

  /// Writes the merged model into `folder`, which must exist; each file is synced.
  ///
  /// The files of the weights are those of the base, and so are the bytes of every tensor without
  /// an adapter; the others are W + scale · B·A in f32, rounded to nearest even to the base's type.
  /// A tied head with an adapter becomes a tensor of its own. One block of rows is in memory at a
  /// time.
  ///
  /// - Throws: `invalidArgument` naming a tensor with a value that its type cannot hold; errors of
  ///   `storage`.
  package static func write(
    _ adapter: Adapter, model: BaseModel, to folder: String, storage: any Storage, kernels: Kernels
  ) throws {
    let places = Dictionary(
      uniqueKeysWithValues: adapter.tensors.map { ("\($0.site.module).weight", $0) })
    let stored = model.weights.origin
    let untiedHead = stored.isHeadTied && places[TensorName.head] != nil
    let names = fileNames(stored.shards.map(\.name))
    var index = Index(stored.indexMetadata)
    for (i, shard) in stored.shards.enumerated() {
      var tensors = shard.tensors
      if untiedHead {
        // Some tied checkpoints hold a copy of the head, which nothing reads, or the head alone.
        tensors = tensors.map { $0.renamed(stored.nameBesideHead($0)) }
        tensors.removeAll { stored.modelName(of: $0) == TensorName.head }
        if i == stored.shards.count - 1, let base = model.stored(TensorName.head) {
          tensors.append(base.renamed(TensorName.head))
        }
      }
      var writer = SafetensorsWriter(metadata: shard.file.metadata)
      for tensor in tensors {
        index.add(tensor, in: names[i])
        if let place = places[stored.modelName(of: tensor)] {
          writer.add(
            tensor.name, tensor.type, shape: tensor.shape, byteCount: tensor.bytes.count
          ) { file in
            try append(place, of: adapter, to: tensor, file, kernels)
          }
        } else {
          writer.add(tensor.name, tensor.type, tensor.bytes, shape: tensor.shape)
        }
      }
      try storage.writeFile("\(folder)/\(names[i])") { try writer.write(to: $0) }
      shard.file.file.releasePages()
    }
    if stored.indexMetadata != nil || names.count > 1 {
      try write(Data(index.json.text.utf8), to: "\(folder)/\(StoredWeights.indexName)", storage)
    }
    try copyCompanions(of: model, to: folder, storage)
    try writeConfig(of: model, to: folder, untied: untiedHead, storage)
  }

  /// Appends W + scale · B·A in the type of W.
  private static func append(
    _ place: AdapterTensors, of adapter: Adapter, to weight: StoredTensor, _ file: any StorageFile,
    _ kernels: Kernels
  ) throws {
    let (outputs, inputs) = (place.site.outputs, place.site.inputs)
    guard let factors = adapter.factors(at: place.site), weight.shape == [outputs, inputs],
      let source = weight.bytes.baseAddress
    else {
      throw EngineError(.internal, "\(weight.name) is not the matrix that the adapter is for")
    }
    let type = try WeightStore.kernelType(weight)
    let size = weight.bytes.count / weight.count
    let blockRows = min(64, outputs)
    let (sum, delta) = (
      FloatBlock(count: blockRows * inputs), FloatBlock(count: blockRows * inputs)
    )
    let narrow = UnsafeMutableRawBufferPointer.allocate(
      byteCount: blockRows * inputs * size, alignment: 64)
    defer { narrow.deallocate() }
    guard let output = narrow.baseAddress else { return }
    for start in stride(from: 0, to: outputs, by: blockRows) {
      let rows = min(blockRows, outputs - start)
      let count = rows * inputs
      let w = Rows(sum.pointer, count: rows, width: inputs)
      let product = Rows(delta.pointer, count: rows, width: inputs)
      let b = Rows(
        adapter.parameters.pointer + place.offsetB + start * place.rank, count: rows,
        width: place.rank)
      ck_convert(
        kernels.handle, w.pointer, source + start * inputs * size, type, Int64(count))
      kernels.linearBackward(product, b, factors.packedA, accumulate: false)
      kernels.scale(product, by: factors.scale)
      kernels.add(w, w, product)
      let values = UnsafeBufferPointer(start: w.pointer, count: count)
      guard try Narrowing.round(values, to: weight.type, output) else {
        throw EngineError.invalid(
          weight.name, "a merged value is not finite or exceeds \(weight.type.rawValue)")
      }
      try file.append(UnsafeRawBufferPointer(rebasing: narrow[..<(count * size)]))
    }
  }

  /// `model.safetensors.index.json`, with what else the base's says of its weights.
  private struct Index {
    private let metadata: [(key: String, value: JSONValue)]
    private var totalSize = 0
    private var map: [String: String] = [:]

    init(_ metadata: JSONObject?) {
      self.metadata = (metadata?.members ?? []).filter { $0.key != "total_size" }
    }

    mutating func add(_ tensor: StoredTensor, in file: String) {
      totalSize += tensor.bytes.count
      map[tensor.name] = file
    }

    var json: JSONValue {
      let files = map.sorted { $0.key < $1.key }
        .map { (key: $0.key, value: JSONValue.string($0.value)) }
      return .object(
        JSONObject([
          ("metadata", .object(JSONObject(metadata + [("total_size", .int(totalSize))]))),
          ("weight_map", .object(JSONObject(files))),
        ]))
    }
  }

  /// The base's names of files, or numbers where those lie in folders of their own.
  private static func fileNames(_ names: [String]) -> [String] {
    guard names.contains(where: { $0.contains("/") }) else { return names }
    func number(_ value: Int) -> String {
      let digits = String(value)
      return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
    return names.indices.map {
      "model-\(number($0 + 1))-of-\(number(names.count)).safetensors"
    }
  }

  private static func copyCompanions(
    of model: BaseModel, to folder: String, _ storage: any Storage
  ) throws {
    for name in companions {
      let source = "\(model.folder)/\(name)"
      guard FileManager.default.fileExists(atPath: source) else { continue }
      let content = try RegularFile.read(source, limit: RegularFile.Limit.companion)
      try write(content, to: "\(folder)/\(name)", storage)
    }
  }

  /// The base's config to the letter but for the head.
  private static func writeConfig(
    of model: BaseModel, to folder: String, untied: Bool, _ storage: any Storage
  ) throws {
    let source = "\(model.folder)/config.json"
    let content = try RegularFile.read(source, limit: RegularFile.Limit.settings)
    var text = String(decoding: content, as: UTF8.self)
    if untied {
      let isTied = /"tie_word_embeddings"\s*:\s*true/
      guard text.contains(isTied) else {
        throw EngineError(.internal, "cannot untie the embeddings in \(source)")
      }
      text = text.replacing(isTied, with: "\"tie_word_embeddings\": false")
    }
    try write(Data(text.utf8), to: "\(folder)/config.json", storage)
  }

  private static func write(_ data: Data, to path: String, _ storage: any Storage) throws {
    try storage.writeFile(path) { file in try data.withUnsafeBytes { try file.append($0) } }
  }
}
