import Testing
import Wire
import ZeroMQ

@testable import RPC

/// Lost, repeated, scrambled and broken messages, with real sockets.
@Suite(.timeLimit(.minutes(30)))
struct RobustnessTests {
  private func header(
    _ fixture: Fixture, _ method: Method, seq: UInt64, acked: UInt64 = 0
  ) -> RequestHeader {
    RequestHeader(
      method: method, stream: "s:train:0", seq: seq, acked: acked,
      sessionToken: fixture.token("s"))
  }

  private func ready(_ fixture: Fixture) async throws {
    #expect(try await eventually { fixture.router.statistics.workers == fixture.services.count })
  }

  @Test func scrambledRequestsRunInOrder() async throws {
    let fixture = try Fixture()
    try await ready(fixture)
    let client = try RawClient(fixture)
    for seq in (0...40).shuffled() {
      let method = seq == 0 ? Method.trainingCreateModel : .trainingOptimStep
      try client.send(header(fixture, method, seq: UInt64(seq)), "r\(seq)")
    }
    var answers: [UInt64: String] = [:]
    for _ in 0...40 {
      let answer = try #require(try client.receive())
      answers[answer.header.seq] = answer.body
    }
    #expect(fixture.recorder.runs.map(\.seq) == Array(0...40))
    #expect(answers[40] == "r40#41")
    await fixture.stop()
  }

  @Test func repeatsAreAnsweredAndNotRunAgain() async throws {
    let fixture = try Fixture()
    try await ready(fixture)
    let client = try RawClient(fixture)
    try client.send(header(fixture, .trainingCreateModel, seq: 0), "create")
    _ = try client.receive()
    var bodies: Set<String> = []
    for _ in 0..<5 {
      try client.send(header(fixture, .trainingOptimStep, seq: 1), "step")
    }
    for _ in 0..<5 { bodies.insert(try #require(try client.receive()).body) }
    #expect(bodies == ["step#2"])
    #expect(fixture.recorder.runs.count == 2)
    // From another connection, too.
    let other = try RawClient(fixture)
    try other.send(header(fixture, .trainingOptimStep, seq: 1), "step")
    #expect(try other.receive()?.body == "step#2")
    #expect(fixture.recorder.runs.count == 2)
    await fixture.stop()
  }

  @Test func anotherPayloadUnderAUsedSeqChangesNothing() async throws {
    let fixture = try Fixture()
    try await ready(fixture)
    let client = try RawClient(fixture)
    try client.send(header(fixture, .trainingCreateModel, seq: 0), "create")
    _ = try client.receive()
    try client.send(header(fixture, .trainingOptimStep, seq: 1), "step")
    _ = try client.receive()
    try client.send(header(fixture, .trainingOptimStep, seq: 1), "other")
    let refused = try #require(try client.receive())
    #expect(refused.header.code == .failedPrecondition)
    #expect(refused.header.field == "seq")
    try client.send(header(fixture, .trainingOptimStep, seq: 1), "step")
    #expect(try client.receive()?.body == "step#2")
    try client.send(header(fixture, .trainingOptimStep, seq: 2), "next")
    #expect(try client.receive()?.body == "next#3")
    await fixture.stop()
  }

  @Test func theAnswerGoesToTheConnectionThatAskedLast() async throws {
    let fixture = try Fixture()
    try await ready(fixture)
    let first = try RawClient(fixture)
    try first.send(header(fixture, .trainingCreateModel, seq: 0), "create")
    _ = try first.receive()
    fixture.recorder.closeGate()
    try first.send(header(fixture, .trainingOptimStep, seq: 1), "step")
    #expect(try await eventually { fixture.recorder.runs.count == 2 })
    let second = try RawClient(fixture)
    try second.send([header(fixture, .futuresAwait, seq: 1).encoded()])
    try await Task.sleep(for: .milliseconds(50))
    fixture.recorder.openGate()
    #expect(try second.receive()?.body == "step#2")
    #expect(try first.receive(milliseconds: 50) == nil)
    await fixture.stop()
  }

  @Test(arguments: [false, true])
  func garbageKillsNothing(tcp: Bool) async throws {
    let fixture = try Fixture(tcp: tcp)
    try await ready(fixture)
    let client = try RawClient(fixture)
    var generator = SystemRandomNumberGenerator()
    for round in 0..<500 {
      let frames = (0..<Int.random(in: 1...6, using: &generator)).map { _ in
        (0..<Int.random(in: 0..<80, using: &generator)).map { _ in
          UInt8.random(in: 0...255, using: &generator)
        }
      }
      try client.send(frames)
      // Headers that are nearly right go deeper.
      var bytes = header(fixture, .trainingOptimStep, seq: UInt64(round)).encoded()
      bytes[Int.random(in: bytes.indices, using: &generator)] ^= UInt8(1 << (round % 8))
      try client.send([bytes, [1, 2, 3]])
    }
    try client.send([[UInt8](repeating: 1, count: 100_000)])
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    let created = try await stream.call(
      .trainingCreateModel, Payload(text: "alive"), Payload.self)
    #expect(created.text.hasPrefix("alive#"))
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func garbageFromAWorkerKillsNothing() async throws {
    let fixture = try Fixture(tcp: true)
    try await ready(fixture)
    let socket = try Socket(fixture.context, .dealer)
    try socket.connect(fixture.router.workerEndpoint)
    for frames: [[UInt8]] in [
      [[]], [[], []], [[], [255, 1]], [[1, 2, 3]], [[], [10, 0]], [[8, 1], [], [], [4]],
    ] {
      for (index, frame) in frames.enumerated() {
        _ = try frame.withUnsafeBytes { try socket.send($0, more: index + 1 < frames.count) }
      }
    }
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func aMissingTokenIsRefusedByName() async throws {
    let fixture = try Fixture()
    try await ready(fixture)
    let client = try RawClient(fixture)
    var header = header(fixture, .trainingCreateModel, seq: 0)
    header.sessionToken = ""
    try client.send(header)
    let answer = try #require(try client.receive())
    #expect(answer.header.code == .unauthenticated)
    #expect(answer.header.field == "session_token")
    #expect(answer.header.stream == "s:train:0")
    await fixture.stop()
  }

  @Test func aChannelWithoutASessionFailsItsStream() async throws {
    let fixture = try Fixture()
    try await ready(fixture)
    let channel = try fixture.channel()
    let stream = channel.stream("s:train:0")
    let create = stream.submit(.trainingCreateModel, Payload.empty, Payload.self)
    let step = stream.submit(.trainingOptimStep, Payload.empty, Payload.self)
    #expect(await create.result().code == .unauthenticated)
    #expect(await step.result().code == .unauthenticated)
    // The seq was not used up: the stream is finished for this handle.
    let after = stream.submit(.trainingOptimStep, Payload.empty, Payload.self)
    #expect(await after.result().code == .unauthenticated)
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func headersThatCannotBeReadTakeNobodysPlace() async throws {
    let fixture = try Fixture()
    try await ready(fixture)
    let attacker = try RawClient(fixture)
    for method in [Method.sessionsCreate, .adminWorkerPing] {
      for seq in 0..<1100 {
        let header = RequestHeader(method: method, seq: UInt64(seq)).encoded()
        // A client's name that is not UTF-8.
        try attacker.send([header + [0x32, 1, 0xff], []])
        let answer = try #require(try attacker.receive())
        #expect(answer.header.code == .invalidArgument)
      }
    }
    let (channel, _) = try await fixture.session()
    let pong = try await channel.control.call(
      .adminWorkerPing, Payload(text: "pong"), Payload.self)
    #expect(pong.text == "pong")
    #expect(fixture.router.statistics.inFlight == 0)
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func attachmentsWithoutEndDoNotEndTheRouter() async throws {
    let fixture = try Fixture()
    try await ready(fixture)
    let client = try RawClient(fixture)
    try client.send(header(fixture, .trainingCreateModel, seq: 0), "create")
    _ = try client.receive()
    let frames = [[UInt8]](repeating: [], count: Limits.maxAttachments + 2)
    for seq: UInt64 in 77..<79 {
      try client.send([header(fixture, .futuresAwait, seq: seq).encoded()] + frames)
      #expect(try client.receive()?.header.code == .invalidArgument)
    }
    try client.send(header(fixture, .trainingOptimStep, seq: 1), "step")
    #expect(try client.receive()?.body == "step#2")
    await fixture.stop()
  }

  @Test func manyWhoAskForTheNumbersShareOneAnswer() async throws {
    let fixture = try Fixture()
    try await ready(fixture)
    let client = try RawClient(fixture)
    for seq in 0..<2000 { try client.send(RequestHeader(method: .adminStats, seq: UInt64(seq))) }
    for _ in 0..<2000 { #expect(try client.receive()?.header.code == .ok) }
    await fixture.stop()
  }
}
