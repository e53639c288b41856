import Testing
import Tinsmith
import Wire

/// Messages that no client of ours sends.
@Suite(.timeLimit(.minutes(30))) struct BadFrameTests {
  /// The service still trains.
  private func goesOn() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    _ = try await Batches.trainOneByOne(training, 0..<1)
    await service.close()
  }

  private func created(_ client: RawClient) async throws {
    let request = CreateModelRequest(
      baseModel: TestService.tiny, lora: LoraConfig(rank: 4, seed: 1))
    try client.send(client.header(.trainingCreateModel, "train:0", 0), request.encode())
    #expect(try await client.final(seq: 0).header.code == .ok)
  }

  @Test func undecodableHeaderIsAnsweredWithSeqZero() async throws {
    let client = try await RawClient()
    for frames: [[UInt8]] in [
      // Cut, a wrong wire type, too long.
      [[0xFF, 0xFF, 0xFF]], [[0x0A]], [.init(repeating: 0xFF, count: 20_000)],
    ] {
      try client.send(frames)
      let reply = try await client.final(seq: 0)
      #expect(reply.header.code == .invalidArgument)
      #expect(!reply.header.message.isEmpty)
    }
    try await goesOn()
  }

  @Test func aStreamThatIsNotUTF8IsRefused() async throws {
    let client = try await RawClient()
    var bytes = client.header(.trainingCreateModel, "train:0", 0).encoded()
    let colon = try #require(bytes.firstIndex(of: UInt8(ascii: ":")))
    bytes[colon + 1] = 0xFF
    try client.send([bytes, []])
    #expect(try await client.final(seq: 0).header.code == .invalidArgument)
    try await goesOn()
  }

  /// A method of independent streams takes its seq on a model's stream, and nothing behind it waits.
  @Test func aMethodOfAnotherKindUsesUpItsSeq() async throws {
    let client = try await RawClient()
    try await created(client)
    try client.send(client.header(.samplingSample, "train:0", 1), .empty)
    #expect(try await client.final(seq: 1).header.code == .invalidArgument)
    try client.send(client.header(.trainingGetInfo, "train:0", 2), .empty)
    #expect(try await client.final(seq: 2).header.code == .ok)
  }

  /// A forward_backward that the router refuses is a hole in the accumulation, as one that failed.
  @Test func aRefusedPassKeepsTheNextStepFromApplyingARest() async throws {
    let client = try await RawClient()
    try await created(client)
    var tooMany = Payload.empty
    tooMany.attachments = .init(repeating: .empty, count: Limits.maxAttachments + 1)
    try client.send(client.header(.trainingForwardBackward, "train:0", 1), tooMany)
    #expect(try await client.final(seq: 1).header.code == .invalidArgument)
    let step = OptimStepRequest(adam: Wire.AdamParams(learningRate: 1e-2)).encode()
    for (seq, code) in [(UInt64(2), StatusCode.failedPrecondition), (3, .ok)] {
      try client.send(client.header(.trainingOptimStep, "train:0", seq), step)
      #expect(try await client.final(seq: seq).header.code == code)
    }
  }

  @Test func wrongVersionIsRefused() async throws {
    let client = try await RawClient()
    var header = client.header(.trainingCreateModel, "train:0", 0)
    header.version = 99
    try client.send(header, .empty)
    let reply = try await client.final(seq: 0)
    #expect(reply.header.code == .unimplemented)
    #expect(reply.header.message.contains("version"))
    try await goesOn()
  }

  /// What the router refuses in a model's stream its owner answers: with the field, and again so.
  @Test func aRefusalInTurnNamesItsField() async throws {
    let client = try await RawClient()
    try await created(client)
    for _ in 0..<2 {
      try client.send(client.header(.checkpointsList, "train:0", 1), Payload())
      let reply = try await client.final(seq: 1)
      #expect(reply.header.code == .invalidArgument)
      #expect(reply.header.field == "stream")
    }
  }

  @Test func unknownMethodIsRefused() async throws {
    let client = try await RawClient()
    try await created(client)
    var header = client.header(.trainingForward, "train:0", 1)
    header.methodNumber = 299
    try client.send(header, .empty)
    let reply = try await client.final(seq: 1)
    #expect(reply.header.code == .unimplemented)
    #expect(reply.header.message.contains("299"))
    try await goesOn()
  }

  @Test func unknownModelIsRefused() async throws {
    let client = try await RawClient()
    try client.send(client.header(.trainingGetInfo, "train:7", 0), GetInfoRequest().encode())
    let reply = try await client.final(seq: 0)
    #expect(reply.header.code == .notFound)
    #expect(reply.header.message.contains("train:7"))
    try await goesOn()
  }

  @Test func anotherSessionsTokenIsRefused() async throws {
    let (client, other) = (try await RawClient(), try await RawClient())
    var header = client.header(.trainingCreateModel, "train:0", 0)
    header.sessionToken = other.token
    try client.send(header, .empty)
    let reply = try await client.final(seq: 0)
    // Who it is, is known; the stream is another's.
    #expect(reply.header.code == .permissionDenied)
    try await goesOn()
  }

  /// A body that no encoder makes, in a model's stream; the seq is used up.
  @Test(
    arguments: [
      // Truncated, a wrong wire type, a field that is not known.
      [0x0A, 0x7F, 1], [0x0B], [0xF8, 0x7F, 1],
      // loss_fn that is not UTF-8.
      [0x12, 2, 0xC3, 0x28],
    ] as [[UInt8]])
  func brokenBodyIsRefused(_ body: [UInt8]) async throws {
    let client = try await RawClient()
    try await created(client)
    try client.send(
      client.header(.trainingForwardBackward, "train:0", 1), Payload(body: Bytes(body)))
    let reply = try await client.final(seq: 1)
    #expect(reply.header.code == .invalidArgument)
    #expect(!reply.header.message.isEmpty)
    try client.send(client.header(.trainingGetInfo, "train:0", 2), GetInfoRequest().encode())
    #expect(try await client.final(seq: 2).header.code == .ok)
  }

  @Test func aBodyThatUnpacksToAThousandTimesItsSizeIsRefused() async throws {
    let client = try await RawClient()
    try await created(client)
    // A million data of no bytes: tag and length only.
    let body = [UInt8]((0..<1_000_000).flatMap { _ in [0x0A, 0x00] as [UInt8] })
    try client.send(
      client.header(.trainingForwardBackward, "train:0", 1), Payload(body: Bytes(body)))
    let reply = try await client.final(seq: 1)
    #expect(reply.header.code == .invalidArgument)
    try await goesOn()
  }

  @Test func anAttachmentThatIsNotThereIsRefused() async throws {
    let client = try await RawClient()
    try await created(client)
    let data = Wire.Datum(
      modelInput: Wire.ModelInput(tokens: Batches.tokens(400, seed: 1)),
      lossFnInputs: ["target_tokens": Tensor(Batches.tokens(400, seed: 2))])
    var payload = ForwardBackwardRequest(data: [data], lossFn: "cross_entropy").encode(
      inlineLimit: 0)
    #expect(payload.attachments.count == 2)
    payload.attachments.removeLast()
    try client.send(client.header(.trainingForwardBackward, "train:0", 1), payload)
    let reply = try await client.final(seq: 1)
    #expect(reply.header.code == .invalidArgument)
    #expect(reply.header.field.hasPrefix("data[0]"))
  }

  @Test func noiseKillsNothing() async throws {
    let client = try await RawClient()
    var random = SeededGenerator(4)
    for _ in 0..<300 {
      let frames = (0..<Int.random(in: 1...5, using: &random)).map { _ in
        (0..<Int.random(in: 0..<60, using: &random)).map { _ in
          UInt8.random(in: 0...255, using: &random)
        }
      }
      try client.send(frames)
      var bytes = client.header(.trainingOptimStep, "train:3", 1).encoded()
      bytes[Int.random(in: bytes.indices, using: &random)] ^= UInt8(
        1 << Int.random(in: 0..<8, using: &random))
      try client.send([bytes, [1, 2, 3]])
    }
    try await goesOn()
  }
}
