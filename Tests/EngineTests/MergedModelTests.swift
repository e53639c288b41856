import Foundation
import TestSupport
import Testing

@testable import Engine

/// Adapters merged into the base: the folder is a model of its own that answers like both.
@Suite struct MergedModelTests {
  private func merge(_ golden: GoldenModel, _ adapter: Adapter) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try MergedModel.write(
      adapter, model: golden.model, to: folder.path, storage: FileStorage(),
      kernels: golden.kernels)
    return folder
  }

  /// What rounding to the base's type leaves of the agreement.
  private static let tolerance: [TensorType: Double] = [.f32: 1e-5, .f16: 5e-3, .bf16: 3e-2]

  @Test(arguments: Golden.models)
  func answersLikeTheAdapter(name: String) throws {
    let golden = try GoldenModel(name)
    let adapter = try golden.adapter("all-r3")
    let folder = try merge(golden, adapter)
    let merged = try GoldenModel(name, folder: folder.path)
    #expect(!merged.model.config.tiesEmbeddings)
    let type = try #require(merged.model.stored("lm_head.weight")).type
    #expect(type == golden.model.stored("lm_head.weight")?.type)
    let limit = try #require(Self.tolerance[type])
    for sequence in try Golden.forward(name).sequences {
      var (with, plain) = (RowBatch(), RowBatch())
      with.append(sequence.tokens, adapter: adapter)
      plain.append(sequence.tokens, adapter: nil)
      let error = relativeError(
        try merged.logits(plain), try golden.logits(with).map(Double.init))
      #expect(error <= limit, "\(type) \(sequence.tokens.count): \(error)")
    }
  }

  /// Each merged value is W + scale · B·A, in double, rounded to the base's type (or the neighbour
  /// where the exact value is all but a tie); every other tensor has the base's bytes.
  @Test(arguments: Golden.models, ["all-r3", "attn-r1"])
  func values(name: String, label: String) throws {
    guard label == "all-r3" || ["llama", "qwen3"].contains(name) else { return }
    let golden = try GoldenModel(name)
    let adapter = try golden.adapter(label)
    let folder = try merge(golden, adapter)
    let merged = try GoldenModel(name, folder: folder.path)
    let places = Dictionary(
      uniqueKeysWithValues: adapter.tensors.map { ("\($0.site.module).weight", $0) })
    var names = Set(golden.model.weights.origin.shards.flatMap { $0.tensors.map(\.name) })
    if label == "all-r3" { names.insert("lm_head.weight") }
    #expect(Set(merged.model.weights.origin.shards.flatMap { $0.tensors.map(\.name) }) == names)
    for name in names {
      let tensor = try #require(merged.model.stored(name))
      let base = try #require(golden.model.stored(name))
      guard let place = places[name] else {
        #expect(tensor.bytes.elementsEqual(base.bytes), "\(name)")
        continue
      }
      let ours = try tensor.floats(golden.kernels)
      let expected = try exact(place, of: adapter, base.floats(golden.kernels))
      var (neighbours, wrong) = (0, 0)
      for (x, y) in zip(ours, expected) where Float(y).rounded(to: tensor.type) != x {
        let (low, high) = (Float(y - abs(y) * 1e-6 - 1e-7), Float(y + abs(y) * 1e-6 + 1e-7))
        let isNear = (low.rounded(to: tensor.type)...high.rounded(to: tensor.type)).contains(x)
        if isNear { neighbours += 1 } else { wrong += 1 }
      }
      #expect(wrong == 0, "\(name): \(wrong) of \(ours.count)")
      // In f32 the sums' own rounding shows; in the narrow types it can only turn a tie.
      #expect(neighbours <= (tensor.type == .f32 ? ours.count : ours.count / 500), "\(name)")
    }
  }

  private func exact(
    _ place: AdapterTensors, of adapter: Adapter, _ weight: [Float]
  ) -> [Double] {
    let (inputs, rank) = (place.site.inputs, place.rank)
    let scale = Double(adapter.config.scale(of: place.site.module))
    let a = adapter.parameters.pointer + place.offsetA
    let b = adapter.parameters.pointer + place.offsetB
    return weight.indices.map { i in
      let (row, column) = (i / inputs, i % inputs)
      return Double(weight[i])
        + scale
        * (0..<rank).reduce(0.0) {
          $0 + Double(b[row * rank + $1]) * Double(a[$1 * inputs + column])
        }
    }
  }

  /// The layout of the files is the base's, and what is beside them comes along.
  @Test func filesAndConfig() throws {
    let golden = try GoldenModel("llama")
    let folder = try merge(golden, golden.adapter("mlp-r3"))
    func text(_ folder: String, _ name: String) throws -> String {
      try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
    }
    let base = golden.model.folder
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
        == FileManager.default.contentsOfDirectory(atPath: base).sorted())
    #expect(try text(folder.path, "config.json") == text(base, "config.json"))
    struct Index: Decodable, Equatable {
      struct Metadata: Decodable, Equatable { let totalSize: Int }
      let metadata: Metadata
      let weightMap: [String: String]
    }
    func index(_ folder: String) throws -> Index {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      return try decoder.decode(
        Index.self, from: Data(text(folder, "model.safetensors.index.json").utf8))
    }
    #expect(try index(folder.path) == index(base))
  }

  /// A tied model without an adapter on the head stays tied; with one it changes in that alone.
  @Test func tiedHead() throws {
    let golden = try GoldenModel("qwen3")
    func config(_ folder: String) throws -> String {
      try String(contentsOfFile: "\(folder)/config.json", encoding: .utf8)
    }
    let base = try config(golden.model.folder)
    let tied = try merge(golden, golden.adapter("attn-r1"))
    #expect(try config(tied.path) == base)
    let untied = try merge(golden, golden.adapter("unembed-r32"))
    #expect(
      try config(untied.path)
        == base.replacing(
          "\"tie_word_embeddings\": true", with: "\"tie_word_embeddings\": false"))
  }

  /// Names, metadata and folders of the base's files: what can stay stays.
  @Test func oddFolders() throws {
    let source = try TemporaryFolder(copying: "\(Golden.folder)/models/llama")
    let shard = "model-00001-of-00002.safetensors"
    try FileManager.default.createDirectory(
      atPath: "\(source.path)/part", withIntermediateDirectories: true)
    try FileManager.default.moveItem(
      atPath: "\(source.path)/\(shard)", toPath: "\(source.path)/part/\(shard)")
    try source.editJSON(StoredWeights.indexName) { index in
      index["metadata"] = ["total_size": 7, "total_parameters": 9]
      let map = index["weight_map"] as? [String: String] ?? [:]
      index["weight_map"] = map.mapValues { $0 == shard ? "part/\(shard)" : $0 }
    }
    let golden = try GoldenModel("llama", folder: source.path)
    let folder = try merge(golden, golden.adapter("mlp-r3"))
    let merged = try GoldenModel("llama", folder: folder.path)
    #expect(merged.model.weights.origin.shards.count == 2 && merged.model.warnings == [])
    let text = try String(
      contentsOfFile: "\(folder.path)/\(StoredWeights.indexName)", encoding: .utf8)
    #expect(text.contains(#""total_parameters":9"#) && !text.contains("\"total_size\":7,"))
  }

  /// The stored head serves as embedding, too: with an adapter on the head both are written.
  @Test func headAlone() throws {
    let source = try TemporaryFolder(copying: "\(Golden.folder)/models/qwen3")
    try source.editTensors(StoredWeights.fileName) { tensors in
      for i in tensors.indices where tensors[i].name == TensorName.embedding {
        tensors[i].name = TensorName.head
      }
    }
    let golden = try GoldenModel("qwen3", folder: source.path)
    let expected = try GoldenModel("qwen3")
    let (one, two) = (
      try merge(golden, golden.adapter("unembed-r32")),
      try merge(expected, expected.adapter("unembed-r32"))
    )
    let (found, wanted) = (
      try Safetensors(path: "\(one.path)/\(StoredWeights.fileName)").tensors,
      try Safetensors(path: "\(two.path)/\(StoredWeights.fileName)").tensors
    )
    #expect(found.keys == wanted.keys)
    for (name, tensor) in found {
      #expect(tensor.bytes.elementsEqual(try #require(wanted[name]).bytes), "\(name)")
    }
  }

  /// A sum that the base's type cannot hold is refused by the tensor's name.
  @Test func overflow() throws {
    let golden = try GoldenModel("llama-kv1")
    let adapter = try golden.adapter("all-r3")
    let place = try #require(adapter.tensors.last)
    for i in 0..<place.countA { adapter.parameters.pointer[place.offsetA + i] = 300 }
    for i in 0..<place.countB { adapter.parameters.pointer[place.offsetB + i] = 300 }
    adapter.repack(kernels: golden.kernels)
    let error = #expect(throws: EngineError.self) { _ = try merge(golden, adapter) }
    #expect(error?.code == .invalidArgument && error?.field == "lm_head.weight")
  }

  @Test func roundingToNearestEven() throws {
    let values: [Float] = [1, 1 + 0x1p-8, 1 + 0x3p-8, 1 + 0x1p-8 + 0x1p-20, -0.0, 0x1p-133]
    let expected: [Float] = [1, 1, 1 + 0x1p-6, 1 + 0x1p-7, -0.0, 0x1p-133]
    for (value, result) in zip(values, expected) {
      #expect(value.rounded(to: .bf16).bitPattern == result.bitPattern, "\(value)")
    }
    #expect(Float(65519).rounded(to: .f16) == 65504)
    for (value, type) in [
      (Float(65520), TensorType.f16), (Float.greatestFiniteMagnitude, .bf16), (.nan, .bf16),
      (.infinity, .f32),
    ] {
      var out: UInt32 = 0
      let isFinite = try withUnsafePointer(to: value) { pointer in
        try Narrowing.round(UnsafeBufferPointer(start: pointer, count: 1), to: type, &out)
      }
      #expect(!isFinite, "\(value)")
    }
  }
}

extension Float {
  /// The nearest value of a storage type, widened again.
  fileprivate func rounded(to type: TensorType) -> Float {
    var (value, out) = (self, UInt32(0))
    _ = try? withUnsafePointer(to: &value) {
      try Narrowing.round(UnsafeBufferPointer(start: $0, count: 1), to: type, &out)
    }
    return switch type {
    case .bf16: Float(bitPattern: out << 16)
    case .f16: Float(Float16(bitPattern: UInt16(truncatingIfNeeded: out)))
    default: Float(bitPattern: out)
    }
  }
}
