import Foundation
import Testing

@testable import Engine

/// Adapters and training states on disk, in PEFT's layout.
@Suite struct AdapterFilesTests {
  private func temporaryFolder() throws -> String {
    let path = "\(FileManager.default.temporaryDirectory.path)/tinsmith-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  private func values(_ block: FloatBlock) -> [Float] {
    Array(UnsafeBufferPointer(start: block.pointer, count: block.count))
  }

  /// What PEFT wrote, read and written again, holds the same tensors and settings.
  @Test(arguments: ["attn-r1", "mlp-r3", "unembed-r32", "all-r3"])
  func roundTrip(label: String) throws {
    let golden = try GoldenModel("qwen3")
    let source = "\(Golden.folder)/adapters/qwen3-\(label)"
    let adapter = try AdapterFiles.read(source, model: golden.model, kernels: golden.kernels)
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try AdapterFiles.write(adapter, base: "qwen3", to: folder, storage: FileStorage())
    let (one, two) = try (
      Safetensors(path: "\(source)/adapter_model.safetensors"),
      Safetensors(path: "\(folder)/adapter_model.safetensors")
    )
    #expect(Set(one.tensors.keys) == Set(two.tensors.keys))
    for (name, tensor) in one.tensors {
      let other = try #require(two.tensors[name])
      #expect(tensor.shape == other.shape)
      #expect(Array(tensor.bytes) == Array(other.bytes), "\(name)")
    }
    struct Config: Decodable {
      let r: Int
      let loraAlpha: Double
      let targetModules: Set<String>
      let peftType: String
    }
    func config(_ folder: String) throws -> Config {
      let data = try Data(contentsOf: URL(filePath: "\(folder)/adapter_config.json"))
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      return try decoder.decode(Config.self, from: data)
    }
    let (theirs, ours) = (try config(source), try config(folder))
    #expect(theirs.r == ours.r && theirs.loraAlpha == ours.loraAlpha)
    #expect(theirs.targetModules == ours.targetModules && ours.peftType == "LORA")
  }

  /// Training continues from a saved state with the same bits, unapplied gradients included.
  @Test func trainingStateContinues() throws {
    let golden = try GoldenModel("llama")
    let loss = try #require(Golden.losses("llama").first { $0.name == "cross_entropy" })
    let adapter = try golden.adapter("all-r3")
    func train(_ adapter: Adapter) throws {
      _ = try golden.run(try golden.request(loss, adapter))
    }
    try train(adapter)
    _ = try adapter.step(AdamParameters(), kernels: golden.kernels)
    try train(adapter)
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try AdapterFiles.write(adapter, base: "llama", to: folder, storage: FileStorage())
    try TrainingStateFiles.write(
      adapter, includesGradient: true, to: folder, storage: FileStorage())
    let again = try TrainingStateFiles.read(
      folder, optimizer: true, model: golden.model, kernels: golden.kernels)
    for adapter in [adapter, again] {
      _ = try adapter.step(AdamParameters(), kernels: golden.kernels)
      try train(adapter)
      _ = try adapter.step(AdamParameters(), kernels: golden.kernels)
    }
    #expect(values(adapter.parameters) == values(again.parameters))
    let (one, two) = (try #require(adapter.training), try #require(again.training))
    #expect(values(one.firstMoment) == values(two.firstMoment))
    #expect(values(one.secondMoment) == values(two.secondMoment))
    #expect(one.stepCount == two.stepCount)
  }

  /// Settings and tensors that would change the model are refused by name.
  @Test(arguments: [
    ("\"use_dora\": false", "\"use_dora\": true", "use_dora"),
    ("\"use_rslora\": false", "\"use_rslora\": true", "use_rslora"),
    ("\"bias\": \"none\"", "\"bias\": \"all\"", "bias"),
    ("\"r\": 3", "\"r\": 4", "lora_A"),
    ("\"peft_type\": \"LORA\"", "\"peft_type\": \"LOHA\"", "peft_type"),
  ])
  func refusals(from: String, to: String, name: String) throws {
    let golden = try GoldenModel("qwen3")
    let source = "\(Golden.folder)/adapters/qwen3-all-r3"
    let folder = try temporaryFolder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.copyItem(
      atPath: "\(source)/adapter_model.safetensors",
      toPath: "\(folder)/adapter_model.safetensors")
    let config = try String(contentsOfFile: "\(source)/adapter_config.json", encoding: .utf8)
    try #require(config.contains(from))
    try config.replacing(from, with: to).write(
      toFile: "\(folder)/adapter_config.json", atomically: true, encoding: .utf8)
    let error = try #require(throws: EngineError.self) {
      _ = try AdapterFiles.read(folder, model: golden.model, kernels: golden.kernels)
    }
    #expect("\(error) \(error.field ?? "")".contains(name), "\(error)")
  }

  /// An adapter of another model does not fit and says which tensor.
  @Test func otherModel() throws {
    let golden = try GoldenModel("llama")
    let error = try #require(throws: EngineError.self) {
      _ = try AdapterFiles.read(
        "\(Golden.folder)/adapters/qwen3-all-r3", model: golden.model, kernels: golden.kernels)
    }
    #expect(error.code == .invalidArgument && error.message.contains("lora_A"), "\(error)")
  }
}
