import Testing

@testable import Wire

@Suite struct EnvelopeTests {
  @Test func requestHeaderRoundTrip() throws {
    var header = RequestHeader(
      method: .trainingForwardBackward, stream: "s1:train:0", seq: 300, acked: 298,
      clientName: "test/1", clientIncarnation: .max, sessionToken: "töken",
      timeoutMilliseconds: 5000, traceID: 7, costPromptTokens: 1 << 40, costNewTokens: 3,
      flags: [.stream, .applyPartial])
    header.epoch = 9
    header.refusalCode = .unauthenticated
    header.refusalMessage = "no"
    let bytes = header.encoded()
    let back = try bytes.withUnsafeBytes { buffer throws(WireError) in
      try RequestHeader(decoding: buffer)
    }
    #expect(back == header)
    #expect(back.method == .trainingForwardBackward)
  }
}
