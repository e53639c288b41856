import Foundation
import Testing
import Tinsmith
import Wire

/// Base models that cannot be loaded: the service serves the others, and says why not those.
@Suite(.timeLimit(.minutes(30))) struct RefusedBaseTests {
  /// A copy of a golden model in which something is wrong.
  private static func spoiled(
    _ folder: String, _ name: String, _ spoil: (String) throws -> Void
  ) throws -> String {
    let copy = "\(folder)/\(name)"
    try FileManager.default.copyItem(atPath: Program.fixture("qwen3"), toPath: copy)
    try spoil(copy)
    return copy
  }

  /// The config is of a family that nobody knows.
  private static func unknown(_ folder: String) throws -> String {
    try spoiled(folder, "unknown-family") { copy in
      let file = URL(fileURLWithPath: "\(copy)/config.json")
      let text = try String(contentsOf: file, encoding: .utf8)
      try Data(text.replacing("\"qwen3\"", with: "\"qwen99\"").utf8).write(to: file)
    }
  }

  /// The config is good, the weights are cut.
  private static func cut(_ folder: String) throws -> String {
    try spoiled(folder, "cut-weights") { copy in
      let names = try FileManager.default.contentsOfDirectory(atPath: copy)
      for name in names where name.hasSuffix(".safetensors") {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: "\(copy)/\(name)"))
        try file.truncate(atOffset: 100)
        try file.close()
      }
    }
  }

  @Test func theOthersAreServed() async throws {
    try await TestFolder.with { folder in
      let good = Program.fixture("qwen3")
      let (unknown, cut) = (try Self.unknown(folder), try Self.cut(folder))
      let bases = ["--base", "a=\(good)", "--base", "b=\(unknown)", "--base", "c=\(good)"]
      let more = ["--base", "d=\(cut)", "--base", "e=\(good)"]
      let process = try await ServeProcess(
        data: "\(folder)/data", log: "\(folder)/log",
        ["--workers", "2", "--threads", "1"] + bases + more)
      let service = ServiceClient(endpoint: process.endpoint, timeout: .seconds(60))
      let capabilities = try await service.getServerCapabilities().value()
      #expect(capabilities.models.map(\.name) == ["a", "c", "e", "tinsmith/mini"])
      #expect(Set(capabilities.refusedModels.keys) == ["b", "d"])
      for (name, path) in [("b", unknown), ("d", cut)] {
        let reason = try #require(capabilities.refusedModels[name])
        #expect(reason.contains(path), "\(reason)")
        #expect(!reason.contains("dataLoss") && !reason.contains("Error"), "\(reason)")
        let model = service.createLoRATrainingClient(baseModel: name)
        let refused = await #expect(throws: TinsmithError.self) { try await model.value() }
        #expect(refused?.code == .failedPrecondition && refused?.field == "base_model")
        #expect(refused?.message.contains(reason) == true, "\(refused?.message ?? "")")
        let sampler = service.createSamplingClient(baseModel: name)
        let other = await #expect(throws: TinsmithError.self) { try await sampler.value() }
        #expect(other?.code == .failedPrecondition)
        // Once, whatever the number of workers.
        let line = "base model \(name) is not served: \(reason)"
        #expect(process.words.split(separator: line).count == 2, "\(process.words)")
      }
      // These have no tokenizer; what they lack is told, and is no reason to refuse them.
      for model in capabilities.models where model.name != "tinsmith/mini" {
        #expect(model.warnings.count == 1 && model.warnings[0].contains("tokenizer"), "\(model)")
      }
      #expect(capabilities.models.last?.warnings == [])
      for name in ["a", "c", "e"] {
        let model = try await service.createLoRATrainingClient(baseModel: name, rank: 2).value()
        _ = try await Batches.trainOneByOne(model, 0..<1)
      }
      let raw = try await RawClient(endpoint: process.endpoint)
      try raw.send(RequestHeader(method: .adminHealth, seq: 7), HealthRequest().encode())
      let health = try HealthResponse.decode(try await raw.final(seq: 7).payload)
      #expect(health.status == .degraded && health.workersAlive == 2)
      #expect(health.refusedModels == capabilities.refusedModels)
      for command in [["models"], ["top", "--once", "--interval", "0.1"]] {
        let (status, output, _) = try await Program.run(command + ["--endpoint", process.endpoint])
        #expect(status == 0)
        if command == ["models"] {
          #expect(output.contains("a: the tokenizer cannot be read"), "\(output)")
        }
        for (name, reason) in capabilities.refusedModels {
          #expect(output.contains("\(name) is not served: \(reason)"), "\(output)")
        }
      }
      await service.close()
      await process.stop()
    }
  }

  /// In one sentence, with the model and its folder.
  @Test(arguments: [true, false]) func noneOfThem(isUnknown: Bool) async throws {
    try await TestFolder.with { folder in
      let path = try isUnknown ? Self.unknown(folder) : Self.cut(folder)
      let (status, output, errors) = try await Program.run([
        "serve", "--listen", "tcp://127.0.0.1:*", "--data", "\(folder)/data", "--workers", "2",
        "--threads", "1", "--log", "error", "--base", "some/model=\(path)",
      ])
      #expect(status == 1 && output.isEmpty)
      let lines = errors.split(separator: "\n")
      #expect(lines.count == 1, "\(errors)")
      let line = try #require(lines.first)
      #expect(line.hasPrefix("Error: base model some/model: \(path)"), "\(line)")
      #expect(line.split(separator: path).count == 2 && !line.contains("dataLoss"), "\(line)")
    }
  }

  @Test func tooLittleMemoryIsSaidOnce() async throws {
    try await TestFolder.with { folder in
      let (status, _, errors) = try await Program.run([
        "serve", "--listen", "tcp://127.0.0.1:*", "--data", "\(folder)/data", "--workers", "2",
        "--memory", "100M", "--log", "error",
      ])
      #expect(status == 1)
      #expect(errors.split(separator: "\n").count == 1, "\(errors)")
      #expect(errors.hasPrefix("Error: --memory of 100.0 MiB for a worker is too little"))
    }
  }

  @Test func doctorLooksAtThem() async throws {
    try await TestFolder.with { folder in
      let cut = try Self.cut(folder)
      let (status, output, _) = try await Program.run([
        "doctor", "--data", "\(folder)/data", "--base", "good=\(Program.fixture("qwen3"))",
        "--base", "bad=\(cut)",
      ])
      #expect(status == 1)
      #expect(output.contains("base model good"))
      #expect(output.contains("problem: base model bad cannot be served: \(cut)"), "\(output)")
    }
  }
}
