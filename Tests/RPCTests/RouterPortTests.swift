import Testing
import Wire
import ZeroMQ

@testable import RPC

/// What the client side of a router takes from whom, with real sockets.
@Suite(.timeLimit(.minutes(30)))
struct RouterPortTests {
  private func ready(_ fixture: Fixture) async throws {
    #expect(try await eventually { fixture.router.statistics.workers == fixture.services.count })
  }

  private func header(
    _ fixture: Fixture, _ method: Method, seq: UInt64, stream: String = "s:train:0"
  ) -> [UInt8] {
    RequestHeader(method: method, stream: stream, seq: seq, sessionToken: fixture.token("s"))
      .encoded()
  }

  @Test(arguments: [false, true])
  func tooManyAttachmentsUseUpASeqAndNoMore(tcp: Bool) async throws {
    let fixture = try Fixture(tcp: tcp)
    try await ready(fixture)
    let client = try RawClient(fixture)
    try client.send([header(fixture, .trainingCreateModel, seq: 0), []])
    #expect(try client.receive()?.header.code == .ok)
    let many = [[UInt8]](repeating: [], count: Limits.maxAttachments + 2)
    for round in 0..<3 {
      try client.send([header(fixture, .futuresAwait, seq: UInt64(77 + round))] + many)
      let refused = try #require(try client.receive())
      #expect(refused.header.code == .invalidArgument)
      #expect(refused.header.message.contains("\(Limits.maxAttachments) attachments"))
    }
    try client.send([header(fixture, .trainingOptimStep, seq: 1)] + many)
    #expect(try client.receive()?.header.code == .invalidArgument)
    try client.send([header(fixture, .trainingOptimStep, seq: 2), Array("x".utf8)])
    #expect(try client.receive()?.body == "x#2")
    await fixture.stop()
  }

  @Test func manyBytesNeedASession() async throws {
    let fixture = try Fixture(tcp: true)
    try await ready(fixture)
    let large = [UInt8](repeating: 7, count: 3 << 20)
    let stranger = try RawClient(fixture)
    for seq in 0..<3 as Range<UInt64> {
      let ping = RequestHeader(method: .adminPing, stream: "", seq: seq)
      try stranger.send([ping.encoded(), [], large])
      let refused = try #require(try stranger.receive())
      #expect(refused.header.seq == seq)
      #expect(refused.header.code == .invalidArgument)
      #expect(refused.header.message.contains("without a session"))
    }
    let forged = RequestHeader(
      method: .trainingForward, stream: "s:train:0", seq: 1, sessionToken: "s.default.0000")
    try stranger.send([forged.encoded(), [], large])
    #expect(try stranger.receive()?.header.code == .unauthenticated)
    // The connection is as good as before.
    try stranger.send(RequestHeader(method: .adminPing, stream: "", seq: 9))
    #expect(try stranger.receive()?.header.code == .ok)
    // The first message of a connection may be large if its header has a session's token.
    let client = try RawClient(fixture)
    try client.send([header(fixture, .samplingSample, seq: 1, stream: "s:sample:0"), [], large])
    var answer = try #require(try client.receive())
    while answer.header.event != .final { answer = try #require(try client.receive()) }
    #expect(answer.body == "whole")
    await fixture.stop()
  }

  @Test func aHeaderThatIsTooLargeIsAnswered() async throws {
    let fixture = try Fixture(tcp: true)
    try await ready(fixture)
    let client = try RawClient(fixture)
    try client.send([[UInt8](repeating: 8, count: 1 << 20), [1], [2]])
    let answer = try #require(try client.receive())
    #expect(answer.header.code == .invalidArgument)
    #expect(answer.header.field == "header")
    try client.send(RequestHeader(method: .adminPing, stream: "", seq: 1))
    #expect(try client.receive()?.header.code == .ok)
    await fixture.stop()
  }

  @Test func whoDoesNotReadIsClosedAndTheOthersAreAnswered() async throws {
    var limits = ListenerLimits.clients
    limits.progressWindow = 300
    let fixture = try Fixture(tcp: true, clientLimits: limits)
    try await ready(fixture)
    // libzmq reads by itself until its queue is full.
    let deaf = try Socket(fixture.context, .dealer)
    try deaf.setHighWaterMark(1)
    try deaf.connect(fixture.router.clientEndpoint)
    let polite = try RawClient(fixture)
    let bytes = Bytes([UInt8](repeating: 1, count: 500_000))
    let payload = PingRequest(payload: bytes).encode(inlineLimit: bytes.count).body
    var closed = 0.0
    for seq in 0..<400 as Range<UInt64> where closed == 0 {
      let ping = RequestHeader(method: .adminPing, stream: "", seq: seq)
      if try ping.encoded().withUnsafeBytes({ try deaf.send($0, more: true) }) {
        _ = try payload.withUnsafeBytes { try deaf.send($0, more: false) }
      }
      try polite.send(ping)
      #expect(try polite.receive()?.header.code == .ok)
      try await Task.sleep(for: .milliseconds(10))
      closed = fixture.router.report["router.connections_closed_unread_total"] ?? 0
    }
    #expect(closed > 0)
    await fixture.stop()
  }

  @Test func connectionsAreCounted() async throws {
    let fixture = try Fixture(tcp: true)
    try await ready(fixture)
    var clients = try (0..<3).map { _ in try RawClient(fixture) }
    for client in clients {
      try client.send(RequestHeader(method: .adminPing, stream: "", seq: 1))
      #expect(try client.receive()?.header.code == .ok)
    }
    #expect(
      try await eventually { fixture.router.report["router.connections_open"] == 3 })
    #expect(fixture.router.report["router.connections"] == 3)
    clients.removeAll()
    #expect(
      try await eventually { fixture.router.report["router.connections_open"] == 0 })
    #expect(fixture.router.report["router.connections"] == 0)
    #expect(fixture.router.report["router.connections_closed_peer_total"] == 3)
    await fixture.stop()
  }

  @Test func logsAreLimitedAndEscaped() {
    let limiter = LogLimiter(lines: 2, milliseconds: 1000)
    var lines: [String] = []
    for time in [5, 6, 7, 8, 1005, 1006] as [UInt64] {
      limiter.log("at \(time)\n", now: time) { lines.append($0) }
    }
    #expect(
      lines == [
        "at 5\\u{a}", "at 6\\u{a}",
        "at 1005\\u{a} (2 lines like this were left out before it)", "at 1006\\u{a}",
      ])
    #expect(LogLimiter.escaped("a\u{1B}[2Jé\u{202E}\u{2028}") == "a\\u{1b}[2Jé\\u{202e}\\u{2028}")
    #expect(LogLimiter.escaped(String(repeating: "x", count: 20), limit: 3) == "xxx…")
  }
}
