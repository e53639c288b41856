import Foundation
import TestSupport
import Testing

@testable import Engine

/// Folders of weights in the forms in which they are found: which tensors count.
@Suite struct StoredWeightsTests {
  private let folder: TemporaryFolder
  private static let indexName = StoredWeights.indexName

  init() throws {
    folder = try TemporaryFolder(copying: "\(Golden.folder)/models/llama")
  }

  private func open(_ folder: TemporaryFolder? = nil) throws -> StoredWeights {
    let path = (folder ?? self.folder).path
    return try StoredWeights(folder: path, config: ModelConfig(path: "\(path)/config.json"))
  }

  private func tied() throws -> TemporaryFolder {
    try TemporaryFolder(copying: "\(Golden.folder)/models/qwen3")
  }

  private static let shard = "model-00001-of-00002.safetensors"
  private static let other = "model-00002-of-00002.safetensors"

  private func map() throws -> [String: String] {
    let json = try JSONSerialization.jsonObject(
      with: Data(contentsOf: URL(filePath: "\(folder.path)/\(Self.indexName)")))
    return try #require((json as? [String: Any])?["weight_map"] as? [String: String])
  }

  private func setMap(_ map: [String: String]) throws {
    try folder.editJSON(Self.indexName) { $0["weight_map"] = map }
  }

  /// Stale copies, of other shapes and types too, lie in files that the index names for others.
  @Test(arguments: [[84], [3, 5]], [TensorType.f32, TensorType(rawValue: "F8_E4M3")])
  func theIndexSaysWhichCopyCounts(shape: [Int], type: TensorType) throws {
    let expected = try open()
    for (name, file) in try map() {
      let stale = file == Self.shard ? Self.other : Self.shard
      guard name.hasSuffix("norm.weight") else { continue }
      try folder.editTensors(stale) { tensors in
        var tensor = TemporaryFolder.Tensor(
          name, floats: [Float](repeating: 9, count: shape.reduce(1, *)), shape: shape)
        if type != .f32 {
          tensor.type = type
          tensor.bytes = [UInt8](repeating: 1, count: shape.reduce(1, *))
        }
        tensors.append(tensor)
      }
    }
    let found = try open()
    #expect(found.warnings == [] && found.tensors.count == expected.tensors.count)
    for (name, tensor) in found.tensors {
      #expect(tensor.bytes.elementsEqual(try #require(expected.tensors[name]).bytes), "\(name)")
    }
  }

  @Test func shardsInFolders() throws {
    let expected = try open()
    try FileManager.default.createDirectory(
      atPath: "\(folder.path)/part/one", withIntermediateDirectories: true)
    try FileManager.default.moveItem(
      atPath: "\(folder.path)/\(Self.shard)", toPath: "\(folder.path)/part/one/x.safetensors")
    try setMap(map().mapValues { $0 == Self.shard ? "part/one/x.safetensors" : $0 })
    let found = try open()
    #expect(found.tensors.keys == expected.tensors.keys)
    #expect(found.shards.map(\.name) == [Self.other, "part/one/x.safetensors"])
  }

  @Test(arguments: ["../x.safetensors", "/etc/x", "", "a/../../x"])
  func filesOutsideAreRefused(name: String) throws {
    try setMap(["model.norm.weight": name])
    let error = try #require(throws: EngineError.self) { _ = try open() }
    #expect(error.code == .dataLoss && error.message.contains("no file of the folder"), "\(error)")
  }

  /// What the index misplaces or leaves out is missing, wherever else it may lie.
  @Test func whatTheIndexDoesNotFindIsMissing() throws {
    var map = try map()
    let home = try #require(map["model.norm.weight"])
    map["model.norm.weight"] = home == Self.shard ? Self.other : Self.shard
    try setMap(map)
    let misplaced = try #require(throws: EngineError.self) { _ = try open() }
    #expect(misplaced.message.contains("model.norm.weight"), "\(misplaced)")
    map["model.norm.weight"] = nil
    try setMap(map)
    let missing = try #require(throws: EngineError.self) { _ = try open() }
    #expect(missing.code == .notFound && missing.message.contains("model.norm.weight"))
    try FileManager.default.removeItem(atPath: "\(folder.path)/\(Self.indexName)")
    let none = try #require(throws: EngineError.self) { _ = try open() }
    #expect(none.code == .notFound && none.message.contains("neither"), "\(none)")
  }

  /// Checkpoints of the bare model have no prefix; both at once contradict each other.
  @Test func namesWithoutThePrefix() throws {
    let folder = try tied()
    let expected = try open(folder)
    try folder.editTensors(StoredWeights.fileName) { tensors in
      for i in tensors.indices { tensors[i].name = tensors[i].name.replacing("model.", with: "") }
    }
    let found = try open(folder)
    #expect(found.tensors.keys == expected.tensors.keys && found.warnings == [])
    #expect(found.tensors["model.norm.weight"]?.name == "norm.weight")
    try folder.editTensors(StoredWeights.fileName) { tensors in
      tensors.append(.init("model.norm.weight", floats: [1], shape: [1]))
    }
    #expect(throws: EngineError.self) { _ = try open(folder) }
  }

  /// A stored head that differs counts whatever the config says; one of the two serves as both.
  @Test func headAndEmbedding() throws {
    let folder = try tied()
    let plain = try open(folder)
    #expect(plain.isHeadTied && plain.tensors[TensorName.head] == nil)
    func edit(_ change: (inout TemporaryFolder.Tensor) -> Void, keep: Bool = true) throws {
      try folder.editTensors(StoredWeights.fileName) { tensors in
        tensors.removeAll { $0.name == TensorName.head }
        guard var head = tensors.first(where: { $0.name == TensorName.embedding }) else { return }
        head.name = TensorName.head
        change(&head)
        tensors.append(head)
        if !keep { tensors.removeAll { $0.name == TensorName.embedding } }
      }
    }
    try edit { _ in }
    let copy = try open(folder)
    #expect(copy.isHeadTied && copy.warnings == [])
    try edit { $0.bytes[6] ^= 1 }
    let two = try open(folder)
    #expect(!two.isHeadTied && two.tensors[TensorName.head]?.name == TensorName.head)
    #expect(two.warnings.count == 1 && two.warnings[0].contains("tie_word_embeddings"))
    let kernels = try Kernels(threads: 1)
    let model = try BaseModel(
      name: "two", folder: folder.path, cache: "\(folder.path)/cache", storage: FileStorage(),
      kernels: kernels)
    #expect(model.stored(TensorName.head)?.name == TensorName.head)
    try edit({ _ in }, keep: false)
    let head = try open(folder)
    #expect(head.isHeadTied && head.tensors[TensorName.embedding]?.name == TensorName.head)
    try folder.editTensors(StoredWeights.fileName) { $0.removeAll { $0.name == TensorName.head } }
    #expect(throws: EngineError.self) { _ = try open(folder) }
    // Without the flag a head that is absent is not invented.
    let untied = try tied()
    try untied.editJSON("config.json") { $0["tie_word_embeddings"] = false }
    let error = try #require(throws: EngineError.self) { _ = try open(untied) }
    #expect(error.code == .notFound && error.message.contains(TensorName.head))
  }

  /// What the model does not read may be of any type, and is told.
  @Test func tensorsThatNothingReads() throws {
    let folder = try tied()
    try folder.editTensors(StoredWeights.fileName) { tensors in
      var odd = TemporaryFolder.Tensor("model.layers.0.scale", floats: [1], shape: [4])
      odd.type = TensorType(rawValue: "X9")
      tensors.append(odd)
      tensors.append(.init("model.layers.0.self_attn.q_proj.bias", floats: [1], shape: [1]))
      tensors.append(.init("model.layers.0.self_attn.rotary_emb.inv_freq", floats: [1], shape: [1]))
    }
    let found = try open(folder)
    #expect(found.warnings.count == 1 && found.warnings[0].contains("2 of the stored tensors"))
    #expect(found.warnings[0].contains("q_proj.bias"), "\(found.warnings)")
    // A model with fewer layers than the file.
    let fewer = try tied()
    try fewer.editJSON("config.json") { $0["num_hidden_layers"] = 1 }
    #expect(try open(fewer).warnings.first?.contains("model.layers.1.") == true)
    // What it does read must be weights.
    try folder.editTensors(StoredWeights.fileName) { tensors in
      for i in tensors.indices where tensors[i].name == "model.norm.weight" {
        tensors[i].type = .i32
        tensors[i].bytes = [UInt8](repeating: 0, count: 4 * tensors[i].shape[0])
      }
    }
    let error = try #require(throws: EngineError.self) { _ = try open(folder) }
    #expect(error.code == .unimplemented && error.message.contains("model.norm.weight"))
  }

  @Test func metadata() throws {
    func file(_ metadata: String) throws -> Safetensors {
      let header =
        #"{"__metadata__":\#(metadata),"x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#
      var data = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
      data += Data(header.utf8)
      let path = "\(folder.path)/x.safetensors"
      try data.write(to: URL(filePath: path))
      return try Safetensors(path: path)
    }
    #expect(try file("null").metadata == [:])
    #expect(try file(#"{"total_size":"1","aB":"2"}"#).metadata == ["total_size": "1", "aB": "2"])
    #expect(throws: EngineError.self) { _ = try file(#"{"a":1}"#) }
  }

  /// Another choice among the stored tensors is another packed copy.
  @Test func thePackedCopyIsOfTheseTensors() throws {
    let kernels = try Kernels(threads: 1)
    let cache = "\(folder.path)/cache"
    func load() throws -> Int {
      _ = try BaseModel(
        name: "x", folder: folder.path, cache: cache, storage: FileStorage(), kernels: kernels)
      return try FileManager.default.contentsOfDirectory(atPath: cache).count {
        $0.hasSuffix(".bin")
      }
    }
    #expect(try load() == 1)
    #expect(try load() == 1)
    try folder.editJSON("config.json") { $0["num_hidden_layers"] = 1 }
    #expect(try load() == 2)
  }
}
