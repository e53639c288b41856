import Foundation
import Testing
import Tinsmith

/// `tinsmith checkpoints`.
@Suite(.timeLimit(.minutes(30))) struct CheckpointCommandTests {
  private static func run(_ arguments: [String]) async throws -> (Int32, String, String) {
    let endpoint = try await TestService.running().endpoint
    let result = try await Program.run(["checkpoints"] + arguments + ["--endpoint", endpoint])
    return (result.status, result.output, result.errors)
  }

  /// What `--json` prints of one checkpoint.
  private struct Described: Decodable {
    var path: String
    var kind: String
    var published: Bool
    var expires: String?
    var metadata: [String: String]
    var modelMetadata: [String: String]
  }

  private static func info(_ path: String) async throws -> Described {
    let (status, output, errors) = try await run(["info", path, "--json"])
    #expect(status == 0, "\(errors)")
    return try JSONDecoder().decode(Described.self, from: Data(output.utf8))
  }

  @Test func fromListToDelete() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    _ = try await training.saveState(name: "one", userMetadata: ["a": "b"]).value()
    let path = try await training.saveWeightsForSampler(name: "two").value()

    let list = try await Self.run(["list", "--model", training.modelID])
    let lines = list.1.split(separator: "\n")
    #expect(list.0 == 0 && lines.count == 3)
    #expect(lines[0].hasPrefix("PATH") && lines[1].hasPrefix(path))
    let json = try await Self.run(["list", "--model", training.modelID, "--json"])
    let described = try JSONDecoder().decode([Described].self, from: Data(json.1.utf8))
    #expect(described.map(\.kind) == ["sampler", "training"])
    #expect(described[1].metadata == ["a": "b"])
    #expect(try await Self.run(["info", path]).1.contains(TestService.tiny))

    #expect(try await Self.run(["publish", path]).1 == "published \(path)\n")
    #expect(try await Self.info(path).published)
    #expect(try await Self.run(["unpublish", path]).1 == "unpublished \(path)\n")
    #expect(try await !Self.info(path).published)
    #expect(try await Self.run(["ttl", path, "2h"]).1.hasPrefix("expires 2"))
    #expect(try await Self.info(path).expires != nil)
    #expect(try await Self.run(["ttl", path, "never"]).1 == "expires never\n")
    #expect(try await Self.info(path).expires == nil)
    #expect(try await Self.run(["ttl", path, "soon"]).0 == 2)

    let copied = try await Self.run(["copy", path, "--name", "copy", "--ttl", "1d"])
    let copy = String(copied.1.dropLast())
    #expect(copied.0 == 0 && copy.hasSuffix("/sampler_weights/copy"))
    #expect(try await Self.info(copy).expires != nil)
    #expect(try await Self.run(["delete", path, copy]).1 == "deleted \(path)\ndeleted \(copy)\n")
    let gone = try await Self.run(["info", path])
    #expect(gone.0 == 1 && gone.1.isEmpty && gone.2.contains("NOT_FOUND"))
    await service.close()
  }

  @Test func metadataOfTheModelIsTold() async throws {
    let service = try await TestService.client()
    let training = try await service.createLoRATrainingClient(
      baseModel: TestService.tiny, rank: 2, userMetadata: ["run": "seven"]
    ).value()
    let path = try await training.saveState(name: "one", userMetadata: ["a": "b"]).value()
    let described = try await Self.info(path)
    #expect(described.metadata == ["a": "b"] && described.modelMetadata == ["run": "seven"])
    let lines = try await Self.run(["info", path]).1.split(separator: "\n").suffix(4)
    #expect(
      lines.map { $0.split(separator: " ", maxSplits: 1).joined(separator: " ") }
        .map { $0.split(separator: " ").joined(separator: " ") }
        == ["metadata", "a b", "metadata of the model", "run seven"])
    await service.close()
  }

  @Test func twoExportsAreNotMixed() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    let path = try await training.saveWeightsForSampler(name: "one").value()
    _ = try await Batches.trainOneByOne(training, 0..<1)
    let other = try await training.saveWeightsForSampler(name: "two").value()
    try await TestFolder.with { folder in
      for arguments in [["export", path, folder], ["export", path, folder]] {
        let (status, output, errors) = try await Self.run(arguments)
        #expect(status == 0 && output.hasPrefix("2 files, "), "\(errors)")
        #expect(output.hasSuffix(" are in \(folder)\n"))
      }
      let before = FileManager.default.contents(atPath: "\(folder)/adapter_model.safetensors")
      for (arguments, name) in [
        (["export", other, folder], "adapter_model.safetensors"),
        (["export", path, folder, "--merged"], "adapter_config.json"),
      ] {
        let (status, output, errors) = try await Self.run(arguments)
        #expect(status == 1 && output.isEmpty)
        #expect(
          errors.contains("\(folder) holds \(name), which is not of this export"), "\(errors)")
      }
      let after = FileManager.default.contents(atPath: "\(folder)/adapter_model.safetensors")
      #expect(before == after && before != nil)
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 2)
    }
    await service.close()
  }

  @Test func anExportIsAFolderForPEFT() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    let path = try await training.saveWeightsForSampler(name: "out").value()
    try await TestFolder.with { folder in
      let (status, output, errors) = try await Self.run(["export", path, "\(folder)/adapter"])
      #expect(status == 0 && output.hasPrefix("2 files, "), "\(errors)")
      for file in try await service.exportCheckpoint(path: path).value() {
        let written = FileManager.default.contents(atPath: "\(folder)/adapter/\(file.name)")
        #expect(written.map { [UInt8]($0) } == file.content)
      }
    }
    await service.close()
  }
}
