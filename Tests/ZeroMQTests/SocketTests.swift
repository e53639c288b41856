import Testing

@testable import ZeroMQ

@Suite(.timeLimit(.minutes(30)))
struct SocketTests {
  /// A ROUTER and a DEALER that are connected.
  private func pair(_ context: Context) throws -> (router: Socket, dealer: Socket) {
    let router = try Socket(context, .router)
    let endpoint = try router.bind("tcp://127.0.0.1:*")
    let dealer = try Socket(context, .dealer)
    try dealer.connect(endpoint)
    return (router, dealer)
  }

  private func send(_ socket: Socket, _ parts: [[UInt8]]) throws {
    for (index, part) in parts.enumerated() {
      let sent = try part.withUnsafeBytes { try socket.send($0, more: index + 1 < parts.count) }
      #expect(sent)
    }
  }

  private func receive(_ socket: Socket) throws -> [[UInt8]] {
    var poller = Poller()
    try poller.add(socket)
    #expect(try poller.wait(milliseconds: 2000))
    var parts: [[UInt8]] = []
    while let (part, more) = try socket.receive({ ([UInt8]($0), $1) }) {
      parts.append(part)
      if !more { break }
    }
    return parts
  }

  @Test func bindFillsInThePort() throws {
    let socket = try Socket(try Context(), .router)
    let endpoint = try socket.bind("tcp://127.0.0.1:*")
    #expect(endpoint.hasPrefix("tcp://127.0.0.1:"))
    #expect(!endpoint.hasSuffix("*"))
  }

  @Test func aBadEndpointIsAnErrorWithACall() throws {
    let socket = try Socket(try Context(), .dealer)
    let error = #expect(throws: ZMQError.self) { try socket.connect("nonsense") }
    #expect(error?.call == "zmq_connect")
    #expect(error?.message.isEmpty == false)
  }

  @Test func emptySocketsGiveNothing() throws {
    let socket = try Socket(try Context(), .dealer)
    try socket.bind("tcp://127.0.0.1:*")
    #expect(try socket.receive({ bytes, _ in bytes.count }) == nil)
  }

  @Test func partsArriveAsSent() throws {
    let (router, dealer) = try pair(Context())
    let parts: [[UInt8]] = [[1, 2, 3], [], [UInt8](repeating: 7, count: 100_000)]
    try send(dealer, parts)
    let received = try receive(router)
    #expect(Array(received.dropFirst()) == parts)
    #expect(received[0].count == 5)
    #expect(received[0][0] == 0)
    try send(router, [received[0], [9]])
    #expect(try receive(dealer) == [[9]])
  }

  @Test func aRouterSaysWhenAPeerIsUnknown() throws {
    let (router, _) = try pair(Context())
    let unknown: [UInt8] = [0, 9, 9, 9, 9]
    #expect(try unknown.withUnsafeBytes { try router.address($0) } == false)
  }

  @Test func lentBytesAreKeptUntilSent() throws {
    let (router, dealer) = try pair(Context())
    let tracker = Tracker()
    do {
      let owner = Owner(count: 1 << 20, tracker)
      _ = try dealer.send(UnsafeRawBufferPointer(owner.memory), ownedBy: owner, more: false)
    }
    let received = try receive(router)
    #expect(received[1] == [UInt8](repeating: 5, count: 1 << 20))
  }

  @Test func largePartsComeAsFrames() throws {
    let (router, dealer) = try pair(Context())
    try send(dealer, [[UInt8](repeating: 3, count: 5000), [1]])
    var poller = Poller()
    try poller.add(router)
    #expect(try poller.wait(milliseconds: 2000))
    _ = try router.receive { _, _ in }
    let large = try router.receive(framesFrom: 1024) { part, _ -> Frame? in
      if case .large(let frame) = part { frame } else { nil }
    }
    let frame = try #require(large.flatMap { $0 })
    #expect(frame.bytes.count == 5000)
    let small = try router.receive(framesFrom: 1024) { part, more -> Int in
      if case .small(let bytes) = part { more ? -1 : bytes.count } else { -2 }
    }
    #expect(small == 1)
    #expect(frame.bytes.allSatisfy { $0 == 3 })
  }

  @Test func aWakeupEndsAPoll() async throws {
    let wakeup = try Wakeup()
    var poller = Poller()
    poller.add(descriptor: wakeup.descriptor)
    #expect(try poller.wait(milliseconds: 0) == false)
    wakeup.signal()
    wakeup.signal()
    #expect(try poller.wait(milliseconds: 2000))
    wakeup.drain()
    #expect(try poller.wait(milliseconds: 0) == false)
  }
}

private final class Tracker {}

private final class Owner {
  let memory: UnsafeMutableRawBufferPointer
  let tracker: Tracker

  init(count: Int, _ tracker: Tracker) {
    memory = .allocate(byteCount: count, alignment: 1)
    memory.initializeMemory(as: UInt8.self, repeating: 5)
    self.tracker = tracker
  }

  deinit { memory.deallocate() }
}
