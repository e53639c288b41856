import CKernels
import Foundation

/// A base model with an adapter merged into its weights: a Hugging Face folder of its own, for
/// software that knows no adapters.
package enum MergedModel {
  /// What is copied as it is beside config and weights, where the base has it.
  private static let companions = [
    "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "chat_template.jinja", "chat_template.json", "LICENSE", "NOTICE",
  ]
  private static let head = "lm_head.weight"

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
    let untiedHead = model.config.tiesEmbeddings ? places[head] : nil
    var index = Index()
    for (i, source) in model.weights.files.enumerated() {
      var tensors = source.tensors.values.sorted { one, two in
        (one.range.lowerBound, one.name) < (two.range.lowerBound, two.name)
      }
      if untiedHead != nil {
        // Some tied checkpoints hold a copy of the head, which nothing reads.
        tensors.removeAll { $0.name == head }
        if i == model.weights.files.count - 1, let base = model.stored(head) {
          tensors.append(base.renamed(head))
        }
      }
      let name = (source.file.path as NSString).lastPathComponent
      var writer = SafetensorsWriter(metadata: source.metadata)
      for tensor in tensors {
        index.add(tensor, in: name)
        if let place = places[tensor.name] {
          writer.add(tensor.name, tensor.type, shape: tensor.shape) { file in
            try append(place, of: adapter, to: tensor, file, kernels)
          }
        } else {
          writer.add(tensor.name, tensor.type, tensor.bytes, shape: tensor.shape)
        }
      }
      try storage.writeFile("\(folder)/\(name)") { try writer.write(to: $0) }
      source.file.releasePages()
    }
    if model.weights.files.count > 1 {
      try JSONFiles.write(index, to: "\(folder)/\(WeightStore.indexName)", storage)
    }
    try copyCompanions(of: model, to: folder, storage)
    try writeConfig(of: model, to: folder, untied: untiedHead != nil, storage)
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
    let blockRows = min(64, outputs)
    let (sum, delta) = (
      FloatBlock(count: blockRows * inputs), FloatBlock(count: blockRows * inputs)
    )
    let narrow = UnsafeMutableRawBufferPointer.allocate(
      byteCount: blockRows * inputs * weight.type.size, alignment: 64)
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
        kernels.handle, w.pointer, source + start * inputs * weight.type.size, type, Int64(count))
      kernels.linearBackward(product, b, factors.packedA, accumulate: false)
      kernels.scale(product, by: factors.scale)
      kernels.add(w, w, product)
      let values = UnsafeBufferPointer(start: w.pointer, count: count)
      guard try Narrowing.round(values, to: weight.type, output) else {
        throw EngineError.invalid(
          weight.name, "a merged value is not finite or exceeds \(weight.type.rawValue)")
      }
      try file.append(UnsafeRawBufferPointer(rebasing: narrow[..<(count * weight.type.size)]))
    }
  }

  /// `model.safetensors.index.json`.
  private struct Index: Encodable {
    struct Metadata: Encodable { var totalSize = 0 }

    var metadata = Metadata()
    var weightMap: [String: String] = [:]

    mutating func add(_ tensor: StoredTensor, in file: String) {
      metadata.totalSize += tensor.bytes.count
      weightMap[tensor.name] = file
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
