import DequeModule
import Testing
import Wire

@testable import RPC

@Suite struct SmallPartsTests {
  // MARK: Tokens

  @Test func tokensNameTheirSession() {
    let authority = SessionAuthority(key: [UInt8](repeating: 3, count: 32))
    let token = authority.token(for: "sabc", tenant: "acme")
    #expect(authority.grant(of: token) == SessionGrant(session: "sabc", tenant: "acme"))
    #expect(SessionAuthority.tenant(in: token) == "acme")
    #expect(SessionAuthority.tenant(in: "") == "default")
    #expect(SessionAuthority(key: [UInt8](repeating: 4, count: 32)).grant(of: token) == nil)
  }

  @Test func changedTokensAreRefused() {
    let authority = SessionAuthority(key: [UInt8](repeating: 3, count: 32))
    let token = Array(authority.token(for: "sabc", tenant: "acme").utf8)
    for index in token.indices {
      var changed = token
      changed[index] ^= 1
      #expect(authority.grant(of: String(decoding: changed, as: UTF8.self)) == nil)
    }
    #expect(authority.grant(of: "") == nil)
    #expect(authority.grant(of: String(repeating: "é", count: 40)) == nil)
  }

  // MARK: Routing ids

  @Test func routingIDsSurviveTheirNumbers() {
    var table = ConnectionTable(limit: 2)
    for id: [UInt8] in [[0, 1, 2, 3, 255], [7], [UInt8](repeating: 9, count: 255)] {
      let connection = id.withUnsafeBytes { table.connection($0) }
      let back = connection.map { table.routingID(of: $0).withBytes { [UInt8]($0) } }
      #expect(back == id)
    }
    let known = [UInt8]([7]).withUnsafeBytes { table.connection($0) }
    #expect(known != nil)
    let third = [UInt8]([8]).withUnsafeBytes { table.connection($0) }
    #expect(third == nil)
  }

  // MARK: Messages between router and workers

  @Test(arguments: [
    WorkerMessage.heartbeat(progress: 7, outstanding: 3, room: WorkerRoom(trainingTokens: 1)),
    .heartbeat(
      progress: 0, outstanding: 0, room: WorkerRoom(), stats: ["a_total": 0, "memory_bytes": 1e12]),
    .opened(OwnedStream(stream: "s:train:0", nextSeq: 5, epoch: 2)),
    .closed(OwnedStream(stream: "s:train:0", nextSeq: 0, epoch: 2)),
    .closed(OwnedStream(stream: "s", epoch: 9), code: .resourceExhausted, message: "full"),
    .sessionEnded("s"), .goodbye,
  ])
  func workerMessagesSurvive(message: WorkerMessage) throws {
    let back = try message.encoded().withUnsafeBytes { try WorkerMessage(decoding: $0) }
    #expect(back == message)
  }

  @Test func heartbeatsHoldSoManyNumbers() throws {
    func message(_ count: Int) -> WorkerMessage {
      let stats = (0..<count).map { ("n\($0)", Double($0)) }
      return .heartbeat(
        progress: 0, outstanding: 0, room: WorkerRoom(),
        stats: Dictionary(uniqueKeysWithValues: stats))
    }
    let most = message(Limits.maxWorkerStatistics)
    #expect(try most.encoded().withUnsafeBytes { try WorkerMessage(decoding: $0) } == most)
    #expect(throws: WireError.self) {
      try message(Limits.maxWorkerStatistics + 1).encoded().withUnsafeBytes {
        try WorkerMessage(decoding: $0)
      }
    }
  }

  @Test func hellosSurvive() throws {
    var hello = WorkerHello(name: "w1")
    hello.incarnation = 77
    hello.numericsVersion = "1"
    hello.precision = "f32"
    hello.isKeeper = true
    hello.room = WorkerRoom(trainingTokens: 1, decodeTokens: 2, controlRequests: 3)
    hello.streams = [
      OwnedStream(stream: "a", nextSeq: 1, epoch: 2), OwnedStream(stream: "b"),
    ]
    hello.refusedModels = ["some/model": "/models/some: is damaged", "other": ""]
    let message = WorkerMessage.hello(hello)
    let back = try message.encoded().withUnsafeBytes { try WorkerMessage(decoding: $0) }
    #expect(back == message)
  }

  @Test(arguments: [
    RouterMessage.welcome, .registerAgain, .heartbeat, .open(stream: "s", epoch: 3),
    .close(stream: "s", epoch: 0), .cancel(stream: "s", seq: 9), .sessionEnded("s"),
  ])
  func routerMessagesSurvive(message: RouterMessage) throws {
    let back = try message.encoded().withUnsafeBytes { try RouterMessage(decoding: $0) }
    #expect(back == message)
  }

  @Test func garbageIsNoControlMessage() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let count = Int.random(in: 0..<40, using: &generator)
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
      // Either is fine; a trap is not.
      _ = bytes.withUnsafeBytes { try? WorkerMessage(decoding: $0) }
      _ = bytes.withUnsafeBytes { try? RouterMessage(decoding: $0) }
      _ = bytes.withUnsafeBytes { try? RequestPeek($0) }
      _ = bytes.withUnsafeBytes { try? ResponsePeek($0) }
    }
  }

  @Test func peeksAgreeWithHeaders() throws {
    var header = RequestHeader(
      method: .samplingSample, stream: "s:sample:0", seq: 5, acked: 3, clientName: "x",
      clientIncarnation: 9, sessionToken: "t", timeoutMilliseconds: 70, traceID: 8,
      costPromptTokens: 11, costNewTokens: 12, flags: .stream)
    header.epoch = 4
    try header.encoded().withUnsafeBytes { frame in
      let peek = try RequestPeek(frame)
      #expect(peek.version == header.version)
      #expect(peek.method == header.method)
      #expect("s:sample:0".hasBytes(peek.stream))
      #expect(peek.seq == 5)
      #expect(peek.acked == 3)
      #expect("t".hasBytes(peek.token))
      #expect(peek.timeoutMilliseconds == 70)
      #expect(peek.traceID == 8)
      #expect(peek.costPromptTokens == 11)
      #expect(peek.costNewTokens == 12)
      #expect(peek.flags == .stream)
    }
    var response = ResponseHeader(
      stream: "s", seq: 5, epoch: 6, code: .notFound, message: "m", field: "f", event: .final)
    response.windowRequests = 3
    response.windowBytes = 4
    response.cacheHitTokens = 5
    try response.encoded().withUnsafeBytes { frame in
      let peek = try ResponsePeek(frame)
      #expect("s".hasBytes(peek.stream))
      #expect(peek.seq == 5)
      #expect(peek.epoch == 6)
      #expect(peek.code == .notFound)
      #expect(peek.windowRequests == 3)
      #expect(peek.windowBytes == 4)
      #expect(peek.cacheHitTokens == 5)
    }
  }

  /// The key is read all the same, so that the sender can be told.
  @Test func unknownAndRepeatedFieldsAreSeen() throws {
    let header = RequestHeader(method: .adminPing, stream: "s", seq: 5).encoded()
    func peek(_ more: [UInt8]) throws -> (unknown: UInt32, repeated: UInt32, seq: UInt64) {
      try (header.withUnsafeBytes { Array($0) } + more).withUnsafeBytes {
        let peek = try RequestPeek($0)
        return (peek.unknownField, peek.repeatedField, peek.seq)
      }
    }
    #expect(try peek([]) == (0, 0, 5))
    #expect(try peek([0xf8, 0x06, 1]) == (111, 0, 5))
    #expect(try peek([0x20, 7]) == (0, 4, 7))
  }

  // MARK: Outbox

  @Test func aClosedOutboxHandsOverWhatComesLater() throws {
    let outbox = try Outbox<Int>()
    outbox.push(1)
    let seen = Seen()
    outbox.close { seen.add($0) }
    outbox.push(2)
    #expect(seen.values == [1, 2])
    var taken: Deque<Int> = [0]
    outbox.take(into: &taken)
    #expect(taken.isEmpty)
  }

  @Test func anOutboxDoesNotSleepOverWork() throws {
    let outbox = try Outbox<Int>()
    #expect(outbox.prepareToSleep())
    outbox.wokeUp(signalled: false)
    outbox.push(1)
    #expect(!outbox.prepareToSleep())
    var taken: Deque<Int> = []
    outbox.take(into: &taken)
    #expect(Array(taken) == [1])
    #expect(outbox.prepareToSleep())
  }

  @Test(
    arguments: [
      (Duration.zero, 0), (.microseconds(1), 1), (.milliseconds(3), 3), (.seconds(2), 2000),
      (.seconds(-1), 1),
    ] as [(Duration, UInt64)])
  func durationsRoundUp(duration: Duration, milliseconds: UInt64) {
    #expect(duration.wholeMilliseconds == milliseconds)
  }
}

private final class Seen: @unchecked Sendable {
  // Unchecked: used from one thread.
  var values: [Int] = []
  func add(_ value: Int) { values.append(value) }
}
