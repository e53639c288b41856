import TestSupport
import Testing

@testable import Wire

/// What a router reads without decoding: headers in place, and the cost of bodies.
@Suite struct PeekTests {
  // MARK: Headers

  private static func peek(_ bytes: [UInt8]) -> RequestPeek? {
    bytes.withUnsafeBytes { try? RequestPeek($0) }
  }

  private static func decoded(_ bytes: [UInt8]) -> RequestHeader? {
    bytes.withUnsafeBytes { try? RequestHeader(decoding: $0) }
  }

  /// Field 6 is the client's name, 7 a fixed64, 14 and 15 numbers, 16 a text.
  @Test(
    arguments: [
      [0x32, 1, 0xff], [0x32, 1, 0], [0x42, 2, 0xc3, 0x28], [0x1a, 1, 0xff], [0x38, 1], [0x72, 0],
      [0x7a, 0], [0x82, 1, 1, 0xff], [0x80, 1, 1],
    ] as [[UInt8]])
  func whatCannotBeDecodedIsNotLetIn(field: [UInt8]) {
    let frame = RequestHeader(method: .adminPing).encoded() + field
    #expect(Self.decoded(frame) == nil)
    #expect(Self.peek(frame) == nil)
  }

  @Test func peekAndDecoderAgree() {
    var random = SplitMix(seed: 12)
    var accepted = 0
    for _ in 0..<20_000 {
      var frame = EnvelopeTests.randomRequest(&random).encoded()
      for _ in 0..<Int(random.next() % 3) where !frame.isEmpty {
        frame[Int(random.next() % UInt64(frame.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      #expect((Self.peek(frame) == nil) == (Self.decoded(frame) == nil), "\(frame)")
      accepted += Self.peek(frame) == nil ? 0 : 1
    }
    #expect(accepted > 5000 && accepted < 20_000)
  }

  @Test func aStreamsNameIsReplacedAndNothingElse() throws {
    var random = SplitMix(seed: 13)
    for name in ["@17", ""] {
      for _ in 0..<200 {
        let header = EnvelopeTests.randomRequest(&random)
        let frame = header.encoded().withUnsafeBytes {
          HeaderEdit.replacing(HeaderEdit.requestStream, with: name, in: $0)
        }
        var expected = header
        expected.stream = name
        #expect(Self.decoded(frame) == expected)
        let response = EnvelopeTests.randomResponse(&random)
        let other = response.encoded().withUnsafeBytes {
          HeaderEdit.replacing(HeaderEdit.responseStream, with: name, in: $0)
        }
        var answer = response
        answer.stream = name
        #expect(try EnvelopeTests.response(other) == answer)
      }
    }
  }

  @Test func aHeaderThatIsPassedOnMayBeLonger() throws {
    // Of unknown fields, so that there is room for no name.
    var frame = RequestHeader(method: .adminPing).encoded()
    let rest = Limits.maxHeaderBytes - frame.count - 6
    frame += [0xa2, 0x06, UInt8(rest & 0x7f | 0x80), UInt8(rest >> 7 & 0x7f)]
    frame += [UInt8](repeating: 0, count: rest)
    #expect(Self.peek(frame) != nil)
    let longer = frame.withUnsafeBytes {
      HeaderEdit.replacing(
        HeaderEdit.requestStream, with: String(repeating: "x", count: 256), in: $0)
    }
    #expect(Self.peek(longer) == nil)
    let peek = try longer.withUnsafeBytes {
      try RequestPeek($0, limit: Limits.maxForwardedHeaderBytes).stream.count
    }
    #expect(peek == 256)
  }

  // MARK: Costs

  private func cost(
    _ method: Wire.Method, _ payload: Payload, sizes: [Int]? = nil
  ) -> UInt64 {
    let sizes = sizes ?? payload.attachments.map(\.count)
    return payload.body.withUnsafeBytes { body in
      CostPeek.cost(of: method, body: body, bytes: payload.byteCount) { index in
        index < sizes.count ? sizes[index] : nil
      }
    }
  }

  private func input(_ count: Int) -> ModelInput { ModelInput(tokens: (0..<count).map(Int32.init)) }

  @Test(arguments: [0, 1024, Int.max])
  func trainingCostsItsTokens(inlineLimit: Int) {
    let data = [3, 500, 7].map { count in
      Datum(modelInput: input(count), lossFnInputs: [:])
    }
    let request = ForwardBackwardRequest(data: data, lossFn: "cross_entropy")
    #expect(cost(.trainingForwardBackward, request.encode(inlineLimit: inlineLimit)) == 510)
    #expect(cost(.trainingForward, request.encode(inlineLimit: inlineLimit)) == 510)
  }

  @Test func samplingCostsPromptAndWhatItMayGenerate() {
    var request = SampleRequest(prompt: input(100), numSamples: 4)
    request.params.maxTokens = 50
    #expect(cost(.samplingSample, request.encode()) == 300)
    request.params.maxTokens = nil
    #expect(
      cost(.samplingSample, request.encode()) == 100 + 4 * UInt64(Limits.assumedNewTokens))
    #expect(
      cost(.samplingComputeLogprobs, ComputeLogprobsRequest(prompt: input(9)).encode()) == 9)
    #expect(cost(.adminPing, request.encode()) == 1)
    #expect(cost(.trainingOptimStep, request.encode()) == 1)
  }

  @Test func whatCannotBeReadCostsByItsBytes() {
    let garbage = Payload(body: Bytes([UInt8](repeating: 0xff, count: 400)))
    #expect(cost(.samplingSample, garbage) == 100)
    #expect(cost(.trainingForward, Payload.empty) == 1)
    // An attachment that is not there.
    let request = ComputeLogprobsRequest(prompt: input(1000)).encode(inlineLimit: 0)
    #expect(cost(.samplingComputeLogprobs, request, sizes: []) > 900)
  }

  @Test func noNumberTraps() {
    // num_samples and max_tokens of 2^64 - 1.
    let huge: [UInt8] = [UInt8](repeating: 0xff, count: 9) + [1]
    let body: [UInt8] = [0x10] + huge + [0x1a, 11, 0x08] + huge
    let most = UInt64(Limits.maxSamples) * UInt64(Limits.maxNewTokens)
    #expect(cost(.samplingSample, Payload(body: Bytes(body))) == most)
    // Many chunks that name an attachment as large as can be.
    let chunk: [UInt8] = [0x0a, 4, 0x0a, 2, 0x10, 0]
    let prompt: [UInt8] = [0x0a, 18] + chunk + chunk + chunk
    #expect(
      cost(.samplingComputeLogprobs, Payload(body: Bytes(prompt)), sizes: [Int.max])
        == Limits.maxCost)
  }

  @Test func aBodyOfTinyFieldsIsGivenUp() {
    let body = [UInt8](repeating: 0, count: 4 << 20).indices.map { $0 % 2 == 0 ? UInt8(0x20) : 1 }
    let payload = Payload(body: Bytes(body))
    let clock = ContinuousClock()
    var read: UInt64 = 0
    let time = clock.measure { read = cost(.samplingSample, payload) }
    #expect(read == UInt64(body.count / 4))
    #expect(time < .milliseconds(200))
  }
}
