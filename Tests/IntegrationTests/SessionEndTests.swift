import Foundation
import Glibc
import Testing
import Tinsmith
import Wire

/// What a session leaves on disk: what was saved under a name, and nothing else.
@Suite(.timeLimit(.minutes(30))) struct SessionEndTests {
  private static func with(
    workers: Int = 1, _ body: (ServeProcess, String) async throws -> Void
  ) async throws {
    try await TestFolder.with { folder in
      let process = try await ServeProcess(
        data: "\(folder)/data",
        [
          "--workers", "\(workers)", "--threads", "1", "--base",
          "\(TestService.tiny)=\(Program.fixture("qwen3"))", "--log", "error",
        ])
      try await body(process, "\(folder)/data")
      await process.stop()
    }
  }

  private static func client(_ process: ServeProcess) -> ServiceClient {
    ServiceClient(endpoint: process.endpoint, timeout: .seconds(60))
  }

  /// Bytes of files below a folder.
  private static func bytes(_ folder: String) -> Int {
    let names = (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []
    return names.reduce(0) { sum, name in
      var facts = stat()
      guard lstat("\(folder)/\(name)", &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else {
        return sum
      }
      return sum + Int(facts.st_size)
    }
  }

  /// How a request of the model is answered, which is sent until it is.
  private static func ask(
    _ raw: RawClient, _ method: Method, _ seq: UInt64, _ payload: Payload
  ) async throws -> StatusCode {
    while true {
      try raw.send(raw.header(method, "train:0", seq), payload)
      let code = try await raw.final(seq: seq).header.code
      guard code == .unavailable || code == .resourceExhausted else { return code }
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  private static func names(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  /// A loop as RL has it: new weights each round, sampled from, never named.
  @Test func unnamedWeightsGoWithTheSession() async throws {
    try await Self.with(workers: 2) { process, data in
      let service = Self.client(process)
      let training = try await TestService.model(service)
      let prompt = ModelInput(tokens: Batches.tokens(8, seed: 1))
      let params = SamplingParams(maxTokens: 4, stop: .tokens([]))
      var samplers: [SamplingClient] = []
      var firstRound: [Float]?
      for round in 0..<20 {
        _ = try await Batches.trainOneByOne(training, round..<round + 1)
        let sampler = try await training.saveWeightsAndGetSamplingClient().value()
        _ = try await sampler.sample(prompt, params: params).value()
        if round == 0 {
          firstRound = try await sampler.computeLogprobs(prompt).value().compactMap(\.self)
        }
        samplers.append(sampler)
      }
      let kept = try await training.saveWeightsForSampler(name: "kept").value()
      #expect(try await service.listCheckpoints().value().map(\.path) == [kept])
      #expect(
        Self.names("\(data)/models/\(training.modelID)/sampler_weights").count == 20)
      // They outlive workers.
      for (_, pid) in process.workers { kill(pid, SIGKILL) }
      let again = try await samplers[0].computeLogprobs(prompt).value().compactMap(\.self)
      #expect(again == firstRound)
      await service.close()
      try await eventually("the session's folder is gone") {
        Self.names("\(data)/models").isEmpty
      }
      #expect(Self.names("\(data)/checkpoints") == [training.modelID])
      let later = Self.client(process)
      #expect(try await later.listCheckpoints().value().map(\.path) == [kept])
      await later.close()
    }
  }

  @Test func unnamedWeightsCanBeCopiedAndNotPublished() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    let sampler = try await training.saveWeightsAndGetSamplingClient().value()
    let prompt = ModelInput(tokens: Batches.tokens(8, seed: 1))
    let expected = try await sampler.computeLogprobs(prompt).value()
    // Its path follows from the request's seq: create, save.
    let path = "tinsmith://\(training.modelID)/sampler_weights/@1"
    for call in [
      service.publishCheckpoint(path: path), service.setCheckpointTTL(path: path, ttlSeconds: 60),
    ] {
      let error = await #expect(throws: TinsmithError.self) { try await call.value() }
      #expect(error?.code == .failedPrecondition && error?.field == "path")
    }
    let nameless = service.copyCheckpoint(path: path)
    let error = await #expect(throws: TinsmithError.self) { try await nameless.value() }
    #expect(error?.code == .invalidArgument && error?.field == "name")
    let copy = try await service.copyCheckpoint(path: path, name: "copy").value()
    let named = try await service.createSamplingClient(modelPath: copy.path).value()
    #expect(try await named.computeLogprobs(prompt).value() == expected)
    // Other tenants see nothing of it.
    let other = ServiceClient(
      endpoint: try await TestService.running().endpoint, apiKey: "bob", timeout: .seconds(60))
    let stolen = other.createSamplingClient(modelPath: path)
    let refused = await #expect(throws: TinsmithError.self) { try await stolen.value() }
    #expect(refused?.code == .notFound)
    await other.close()
    await service.close()
  }

  /// What was unloaded leaves the answers that may be asked for again; the session's end takes those.
  @Test func anUnloadedModelLeavesNextToNothing() async throws {
    try await Self.with { process, data in
      let raw = try await RawClient(endpoint: process.endpoint)
      let models = "\(data)/models"
      let create = CreateModelRequest(
        baseModel: TestService.tiny, lora: LoraConfig(rank: 64, seed: 1))
      try raw.send(raw.header(.trainingCreateModel, "train:0", 0), create.encode())
      #expect(try await raw.final(seq: 0).header.code == .ok)
      let before = Self.bytes(models)
      try raw.send(raw.header(.trainingUnload, "train:0", 1), UnloadRequest().encode())
      #expect(try await raw.final(seq: 1).header.code == .ok)
      #expect(Self.bytes(models) < 8192, "\(before) bytes before")
      // The answer is known, also to the next owner.
      for (_, pid) in process.workers { kill(pid, SIGKILL) }
      let again = try await Self.ask(raw, .trainingUnload, 1, UnloadRequest().encode())
      #expect(again == .ok)
      let info = try await Self.ask(raw, .trainingGetInfo, 2, GetInfoRequest().encode())
      #expect(info == .notFound)
      try raw.send(
        RequestHeader(method: .sessionsFinish, sessionToken: raw.token),
        FinishSessionRequest(reason: .success).encode())
      try await eventually("the session's folder is gone") { Self.names(models).isEmpty }
    }
  }

  /// A megabyte that is refused is a digest in the journal.
  @Test func refusedBodiesAreNotOnDisk() async throws {
    try await Self.with { process, data in
      let raw = try await RawClient(endpoint: process.endpoint)
      let create = CreateModelRequest(
        baseModel: TestService.tiny, lora: LoraConfig(rank: 1, seed: 1))
      try raw.send(raw.header(.trainingCreateModel, "train:0", 0), create.encode())
      #expect(try await raw.final(seq: 0).header.code == .ok)
      let body = Payload(body: Bytes([UInt8](repeating: 0xFF, count: 1 << 20)))
      for seq in UInt64(1)...16 {
        let method: Method = seq % 2 == 0 ? .trainingForwardBackward : .trainingOptimStep
        try raw.send(raw.header(method, "train:0", seq), body)
        #expect(try await raw.final(seq: seq).header.code == .invalidArgument)
      }
      #expect(Self.bytes("\(data)/models") < 1 << 20)
      // They are told from others all the same, by every owner.
      for (_, pid) in process.workers { kill(pid, SIGKILL) }
      let again = try await Self.ask(raw, .trainingForwardBackward, 16, body)
      #expect(again == .invalidArgument)
      let other = try await Self.ask(raw, .trainingForwardBackward, 16, .empty)
      #expect(other == .failedPrecondition)
    }
  }
}
