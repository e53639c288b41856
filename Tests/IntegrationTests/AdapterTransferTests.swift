import Foundation
import Testing
import Tinsmith
import Wire

/// Adapters that leave the service and come in, and models with one merged into them.
@Suite(.timeLimit(.minutes(30))) struct AdapterTransferTests {
  private static let prompt = ModelInput(tokens: Batches.tokens(12, seed: 5))

  /// A trained model and its sampler checkpoint.
  private static func trained(
    _ service: ServiceClient
  ) async throws -> (training: TrainingClient, path: String) {
    let training = try await TestService.model(service)
    _ = try await Batches.trainOneByOne(training, 0..<3)
    return (training, try await training.saveWeightsForSampler(name: "out").value())
  }

  @Test func whatWasExportedComesInAsItWas() async throws {
    let service = try await TestService.client()
    let (training, path) = try await Self.trained(service)
    let sampler = try await service.createSamplingClient(modelPath: path).value()
    let expected = try await sampler.computeLogprobs(Self.prompt).value()
    let files = try await service.exportCheckpoint(path: path).value()

    let sampled = try await service.importCheckpoint(
      files, name: "in", kind: .sampler, baseModel: TestService.tiny, userMetadata: ["a": "b"]
    ).value()
    #expect(sampled.modelID.contains(":import:") && sampled.name == "in")
    #expect(sampled.lora.rank == 4 && sampled.step == 0 && sampled.userMetadata == ["a": "b"])
    let imported = try await service.createSamplingClient(modelPath: sampled.path).value()
    #expect(try await imported.computeLogprobs(Self.prompt).value() == expected)

    // Training goes on with a cold optimizer, as from the checkpoint without one.
    let state = try await service.importCheckpoint(
      files, name: "in", kind: .training, baseModel: TestService.tiny
    ).value()
    let ours = try await service.createTrainingClientFromState(
      path: try await training.saveState(name: "state").value()
    ).value()
    let theirs = try await service.createTrainingClientFromStateWithOptimizer(path: state.path)
      .value()
    #expect(
      try await Batches.trainOneByOne(theirs, 3..<5) == Batches.trainOneByOne(ours, 3..<5))
    await service.close()
  }

  @Test func whatDoesNotFitIsNamed() async throws {
    let service = try await TestService.client()
    let files = try await service.exportCheckpoint(path: try await Self.trained(service).path)
      .value()
    let config = try #require(files.first { $0.name == "adapter_config.json" })
    let weights = try #require(files.first { $0.name == "adapter_model.safetensors" })
    let dora = String(decoding: config.content, as: UTF8.self)
      .replacing(/"use_dora"\s*:\s*false/, with: "\"use_dora\": true")
    for (files, base, code, says) in [
      ([config], TestService.tiny, TinsmithError.Code.invalidArgument, "adapter_model"),
      (
        files + [CheckpointFile(name: "x.bin", content: [1])], TestService.tiny, .invalidArgument,
        "x.bin"
      ),
      (files, "no/such-model", .notFound, "no/such-model"),
      (files, "tinsmith/mini", .invalidArgument, "lora_"),
      (
        [CheckpointFile(name: config.name, content: Array(dora.utf8)), weights], TestService.tiny,
        .unimplemented, "use_dora"
      ),
      (
        [config, CheckpointFile(name: weights.name, content: Array(weights.content.prefix(100)))],
        TestService.tiny, .invalidArgument, "adapter_model"
      ),
    ] {
      let call = service.importCheckpoint(files, name: "no", kind: .sampler, baseModel: base)
      let error = await #expect(throws: TinsmithError.self) { try await call.value() }
      #expect(error?.code == code, "\(error?.description ?? "")")
      #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
    }
    await service.close()
  }

  /// Resent, it is the checkpoint that was made.
  @Test func aRequestForAnImportMakesOne() async throws {
    let client = try await RawClient()
    let service = try await TestService.client()
    let files = try await service.exportCheckpoint(path: try await Self.trained(service).path)
      .value()
    let request = ImportCheckpointRequest(
      name: "once", kind: .sampler, baseModel: TestService.tiny,
      files: files.map { Wire.CheckpointFile(name: $0.name, content: Bytes($0.content)) }
    ).encode()
    var answers: [Payload] = []
    for _ in 0..<2 {
      try client.send(client.header(.checkpointsImport, "checkpoints", 3), request)
      let reply = try await client.final(seq: 3)
      #expect(reply.header.code == .ok, "\(reply.header.message)")
      answers.append(reply.payload)
    }
    #expect(answers[0] == answers[1])
    await service.close()
  }

  /// By the command, piece by piece; the bytes are those that the engine writes by itself.
  @Test func aMergedModelIsAFolderOfItsOwn() async throws {
    let service = try await TestService.client()
    let path = try await Self.trained(service).path
    let endpoint = try await TestService.running().endpoint
    try await TestFolder.with { folder in
      for arguments in [
        ["checkpoints", "export", path, "\(folder)/adapter", "--endpoint", endpoint],
        ["checkpoints", "export", path, "\(folder)/merged", "--merged", "--endpoint", endpoint],
      ] {
        let (status, _, errors) = try await Program.run(arguments)
        #expect(status == 0, "\(errors)")
      }
      try Data("[[3, 4, 5, 6]]".utf8).write(to: URL(fileURLWithPath: "\(folder)/tokens.json"))
      let base = Program.fixture("qwen3")
      let (status, _, errors) = try await Program.run([
        "logprobs", "--base", base, "--adapter", "\(folder)/adapter", "--tokens",
        "\(folder)/tokens.json", "--out", "\(folder)/out.json", "--merged", "\(folder)/expected",
      ])
      #expect(status == 0, "\(errors)")
      let manager = FileManager.default
      let names = try manager.contentsOfDirectory(atPath: "\(folder)/expected").sorted()
      #expect(names.contains("model.safetensors") && names.contains("config.json"))
      #expect(try manager.contentsOfDirectory(atPath: "\(folder)/merged").sorted() == names)
      for name in names {
        #expect(
          manager.contents(atPath: "\(folder)/merged/\(name)")
            == manager.contents(atPath: "\(folder)/expected/\(name)"), "\(name)")
      }
    }
    await service.close()
  }

  @Test func piecesAreThoseOfWhoMayReadThem() async throws {
    let service = try await TestService.client()
    let path = try await Self.trained(service).path
    let export = try await service.exportMergedModel(path: path).value()
    #expect(try await service.exportMergedModel(path: path).value() == export)
    let file = try #require(export.files.first { $0.name == "config.json" })
    let whole = try await service.readExport(export, file: file.name, offset: 0).value()
    #expect(whole.count == Int(file.sizeBytes))
    let tail = service.readExport(export, file: file.name, offset: 5, count: 4)
    #expect(try await tail.value() == Array(whole[5..<9]))
    #expect(
      try await service.readExport(export, file: file.name, offset: file.sizeBytes).value().isEmpty)

    let other = ServiceClient(
      endpoint: try await TestService.running().endpoint, apiKey: "somebody-else",
      timeout: .seconds(60))
    for (call, code) in [
      (other.readExport(export, file: file.name, offset: 0), TinsmithError.Code.notFound),
      (service.readExport(export, file: "export.json", offset: 0), .notFound),
      (service.readExport(export, file: "../config.json", offset: 0), .invalidArgument),
      (service.readExport(export, file: file.name, offset: file.sizeBytes + 1), .invalidArgument),
      (
        service.readExport(ExportedModel(id: "no", files: []), file: "x", offset: 0), .notFound
      ),
    ] {
      let error = await #expect(throws: TinsmithError.self) { try await call.value() }
      #expect(error?.code == code, "\(error?.description ?? "")")
    }
    let merging = other.exportMergedModel(path: path)
    let error = await #expect(throws: TinsmithError.self) { try await merging.value() }
    #expect(error?.code == .notFound)
    await other.close()
    await service.close()
  }
}
