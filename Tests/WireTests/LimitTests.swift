import Testing

@testable import Wire

/// Each limit holds: at it a message is read, over it refused.
@Suite struct LimitTests {
  private static func code<Message: WireMessage>(
    _ kind: Message.Type, _ payload: Payload
  ) -> WireError.Code? {
    do {
      _ = try Message.decode(payload)
      return nil
    } catch {
      return error.code
    }
  }

  private static func request(datums: Int) -> ForwardBackwardRequest {
    let datum = Datum(
      modelInput: ModelInput(tokens: [1, 2]),
      lossFnInputs: [
        "target_tokens": Tensor([Int64](arrayLiteral: 2, 3)),
        "weights": Tensor([Float](arrayLiteral: 1, 1)),
      ])
    return ForwardBackwardRequest(
      data: [Datum](repeating: datum, count: datums), lossFn: "cross_entropy")
  }

  /// The body is smallest, against what it unpacks to, when every tensor is an attachment.
  @Test(arguments: [0, Int.max])
  func datums(inlineLimit: Int) throws {
    let most = Self.request(datums: Limits.maxDatums)
    #expect(try ForwardBackwardRequest.decode(most.encode(inlineLimit: inlineLimit)) == most)
    let more = Self.request(datums: Limits.maxDatums + 1)
    #expect(
      Self.code(ForwardBackwardRequest.self, more.encode(inlineLimit: inlineLimit)) == .tooLarge)
  }

  @Test func sequences() throws {
    let sequence = SampledSequence(
      stopReason: .stop, tokens: [1], logprobs: [-1], topK: Samples.topK)
    let response = SampleResponse(
      sequences: [SampledSequence](repeating: sequence, count: Limits.maxSamples), seed: 1)
    #expect(try SampleResponse.decode(response.encode(inlineLimit: 0)) == response)
  }

  @Test func chunksAndStops() throws {
    var input = ModelInput(
      chunks: [ModelInput.Chunk](repeating: .encodedText([1]), count: Limits.maxChunks))
    #expect(
      Self.code(ComputeLogprobsRequest.self, ComputeLogprobsRequest(prompt: input).encode()) == nil)
    input.chunks.append(.encodedText([1]))
    #expect(
      Self.code(ComputeLogprobsRequest.self, ComputeLogprobsRequest(prompt: input).encode())
        == .tooLarge)

    var request = SampleRequest(prompt: ModelInput(tokens: [1]))
    for count in [Limits.maxStops, Limits.maxStops + 1] {
      let expected: WireError.Code? = count > Limits.maxStops ? .tooLarge : nil
      request.params.stop = .tokens([Int32](repeating: 1, count: count))
      #expect(Self.code(SampleRequest.self, request.encode()) == expected)
      request.params.stop = .strings([String](repeating: "a", count: count))
      #expect(Self.code(SampleRequest.self, request.encode()) == expected)
    }
  }

  @Test func tokens() {
    let most = ModelInput(tokens: [Int32](repeating: 1, count: Limits.maxInputTokens))
    #expect(
      Self.code(ComputeLogprobsRequest.self, ComputeLogprobsRequest(prompt: most).encode()) == nil)
    let more = ModelInput(tokens: [Int32](repeating: 1, count: Limits.maxInputTokens + 1))
    #expect(
      Self.code(ComputeLogprobsRequest.self, ComputeLogprobsRequest(prompt: more).encode())
        == .tooLarge)
  }

  /// Sparse tensors are counted together, before anything is written out: few bytes may not stand for
  /// much memory, in however many parts.
  @Test func sparseTensorsTogether() throws {
    func request(_ shapes: [[Int]]) throws -> Payload {
      var inputs: [String: Tensor] = [:]
      for (i, shape) in shapes.enumerated() {
        inputs["x\(i)"] = try Tensor(
          dtype: .int64, shape: shape, rowStarts: Array(repeating: 0, count: shape[0] + 1),
          columns: [], cells: .empty)
      }
      return ForwardBackwardRequest(
        data: [Datum(modelInput: ModelInput(tokens: [1]), lossFnInputs: inputs)],
        lossFn: "cross_entropy"
      ).encode()
    }
    func code(_ shapes: [[Int]]) throws -> WireError.Code? {
      Self.code(ForwardBackwardRequest.self, try request(shapes))
    }
    let base = Limits.denseBaseElements
    #expect(try code([[1, base]]) == nil)
    #expect(try code([[1, base], [1, base / 2]]) == .tooLarge)
    #expect(try code(Array(repeating: [1, base / 16], count: 16)) == nil)
    #expect(try code(Array(repeating: [1, base / 16], count: 18)) == .tooLarge)
    #expect(try code(Array(repeating: [1, 1 << 26], count: 12)) == .tooLarge)
    #expect(try code([[1, 1 << 55]]) == .tooLarge)
    // A message of many bytes may have many cells.
    let rows = 1 << 16
    let bytes = try request([[rows, 1]]).byteCount
    let most = base + Limits.denseFactor * bytes
    #expect(try code([[rows, most / rows]]) == nil)
    #expect(try code([[rows, most / rows + 2]]) == .tooLarge)
  }

  @Test func stopStringsTogether() {
    var request = SampleRequest(prompt: ModelInput(tokens: [1]))
    let text = String(repeating: "a", count: Limits.maxStopBytes / 4)
    request.params.stop = .strings(Array(repeating: text, count: 4))
    #expect(Self.code(SampleRequest.self, request.encode()) == nil)
    request.params.stop = .strings(Array(repeating: text, count: 4) + ["a"])
    #expect(Self.code(SampleRequest.self, request.encode()) == .tooLarge)
  }

  @Test func attachmentsAndFrames() {
    let many = Payload(attachments: [Bytes](repeating: .empty, count: Limits.maxAttachments + 1))
    #expect(Self.code(HeartbeatRequest.self, many) == .tooLarge)
    // Memory that is promised and never touched.
    let frame = Bytes(count: Limits.maxFrameBytes + 1) { _ in }
    #expect(Self.code(HeartbeatRequest.self, Payload(body: frame)) == .tooLarge)
    #expect(Self.code(HeartbeatRequest.self, Payload(attachments: [frame])) == .tooLarge)
    let half = Bytes(count: Limits.maxFrameBytes) { _ in }
    #expect(
      Self.code(HeartbeatRequest.self, Payload(attachments: [half, half, Bytes([0])])) == .tooLarge)
  }

  /// Nothing but empty submessages: protobuf-c alone takes fifty times their bytes.
  @Test(arguments: [1 << 10, 64 << 10, 1 << 20])
  func messagesThatUnpackToMuchMore(size: Int) {
    let body = Bytes(
      [UInt8](repeating: 0, count: size).enumerated().map { $0.offset % 2 == 0 ? 10 : 0 })
    let refused = Self.code(ForwardBackwardRequest.self, Payload(body: body))
    #expect(refused == .tooLarge || refused == .missing)
    if size >= 1 << 20 { #expect(refused == .tooLarge) }
    let response = Self.code(ForwardBackwardResponse.self, Payload(body: body))
    if size > Limits.maxDatums * 2 { #expect(response == .tooLarge) }
    // A list of the smallest pairs, and numbers that nobody knows.
    let unknown = Bytes(
      [UInt8](repeating: 0, count: size).enumerated().map { $0.offset % 2 == 0 ? 0x78 : 0 })
    let skipped = Self.code(SaveStateResponse.self, Payload(body: unknown))
    if size >= 1 << 20 { #expect(skipped == .tooLarge) }
  }

  @Test func arenaKeepsToItsCapacity() {
    let arena = Arena(capacity: 1000)
    var taken = 0
    while let memory = arena.allocate(24) {
      #expect(Int(bitPattern: memory) % 8 == 0)
      memory.storeBytes(of: 7, as: UInt8.self)
      taken += 24
    }
    #expect(taken <= 1000 && taken > 960 && arena.isExhausted)
    #expect(Arena(capacity: 1000).allocate(-1) == nil)
    #expect(Arena(capacity: 1000).allocate(.max) == nil)
    #expect(Arena(capacity: 1000).allocate(0) != nil)
  }
}
