import Foundation
import TestSupport
import Testing

@testable import Engine

/// Adapters and training states on disk, in PEFT's layout.
@Suite struct AdapterFilesTests {
  private func values(_ block: FloatBlock) -> [Float] {
    Array(UnsafeBufferPointer(start: block.pointer, count: block.count))
  }

  /// What PEFT wrote, read and written again, holds the same tensors and settings.
  @Test(arguments: ["attn-r1", "mlp-r3", "unembed-r32", "all-r3"])
  func roundTrip(label: String) throws {
    let golden = try GoldenModel("qwen3")
    let source = "\(Golden.folder)/adapters/qwen3-\(label)"
    let adapter = try AdapterFiles.read(source, model: golden.model, kernels: golden.kernels)
    let folder = try TemporaryFolder()
    try AdapterFiles.write(adapter, base: "qwen3", to: folder.path, storage: FileStorage())
    let (one, two) = try (
      Safetensors(path: "\(source)/adapter_model.safetensors"),
      Safetensors(path: "\(folder.path)/adapter_model.safetensors")
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
    let (theirs, ours) = (try config(source), try config(folder.path))
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
    let folder = try TemporaryFolder()
    try AdapterFiles.write(adapter, base: "llama", to: folder.path, storage: FileStorage())
    try TrainingStateFiles.write(
      adapter, includesGradient: true, to: folder.path, storage: FileStorage())
    let again = try TrainingStateFiles.read(
      folder.path, optimizer: true, model: golden.model, kernels: golden.kernels)
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

  /// An adapter of another model does not fit and says which tensor.
  @Test func otherModel() throws {
    let golden = try GoldenModel("llama")
    let error = try #require(throws: EngineError.self) {
      _ = try AdapterFiles.read(
        "\(Golden.folder)/adapters/qwen3-all-r3", model: golden.model, kernels: golden.kernels)
    }
    #expect(error.code == .invalidArgument && error.field?.contains("lora_A") == true, "\(error)")
  }
}
