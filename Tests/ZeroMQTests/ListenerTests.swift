import Glibc
import Testing

@testable import ZeroMQ

/// The listener with polite peers: libzmq's own sockets.
@Suite(.timeLimit(.minutes(30)))
struct ListenerTests {
  private func dealer(_ endpoint: String, _ context: Context) throws -> Socket {
    let socket = try Socket(context, .dealer)
    try socket.setHighWaterMark(20_000)
    try socket.connect(endpoint)
    return socket
  }

  private func send(_ socket: Socket, _ parts: [[UInt8]]) throws {
    for (index, part) in parts.enumerated() {
      let sent = try part.withUnsafeBytes { try socket.send($0, more: index + 1 < parts.count) }
      #expect(sent)
    }
  }

  private func receive(_ socket: Socket, _ rig: ListenerRig) throws -> [[UInt8]] {
    var poller = Poller()
    try poller.add(socket)
    var parts: [[UInt8]] = []
    for _ in 0..<400 {
      _ = try rig.turn(milliseconds: 0)
      guard try poller.wait(milliseconds: 5) else { continue }
      while let (part, more) = try socket.receive({ ([UInt8]($0), $1) }) {
        parts.append(part)
        if !more { return parts }
      }
    }
    return parts
  }

  private func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ count) }
  }

  @Test(arguments: ["tcp://127.0.0.1:*", "ipc"])
  func messagesOfAllSizesGoBothWays(endpoint: String) throws {
    let path = "/tmp/tinsmith-listener-\(UInt64.random(in: 0...UInt64.max)).sock"
    let rig = try ListenerRig(endpoint == "ipc" ? "ipc://\(path)" : endpoint)
    let dealer = try dealer(rig.socket.endpoint, Context())
    let sizes = [0, 1, 33, 34, 255, 256, 4096, 4097, 65_535, 65_536, 65_537, 200_000, 3 << 20]
    for size in sizes {
      let parts = [bytes(7), bytes(size), [], bytes(size / 2), bytes(3)]
      try send(dealer, parts)
      let message = try #require(try rig.receive().first)
      #expect(message.parts == parts)
      // Copied parts, then a message of the store.
      #expect(rig.send(parts, to: message.from))
      #expect(try receive(dealer, rig) == parts)
    }
    #expect(rig.listener.numbers.receiving == 0)
    #expect(rig.listener.numbers.sending == 0)
    let left = rig.store.count
    #expect(left == 0)
  }

  @Test func aMessagePassesOnWithoutACopy() throws {
    let rig = try ListenerRig()
    let dealer = try dealer(rig.socket.endpoint, Context())
    let parts = [bytes(20), bytes(1 << 20), bytes(100), bytes(20_000)]
    try send(dealer, parts)
    var answered = false
    for _ in 0..<400 where !answered {
      rig.listener.poll(rig.now, &rig.store)
      while let received = rig.listener.receive(into: &rig.store) {
        switch received {
        case .claim(let connection, let header):
          #expect(Array(rig.store.firstPart(of: header)) == parts[0])
          rig.listener.decide(connection, isTrusted: true)
        case .message(let message):
          let sent = rig.listener.send(message.id, to: message.connection, &rig.store)
          #expect(sent)
          answered = true
        }
      }
      rig.listener.flush(&rig.store)
      usleep(1000)
    }
    #expect(try receive(dealer, rig) == parts)
    let left = rig.store.count
    #expect(left == 0)
    #expect(rig.listener.numbers.sending == 0)
  }

  @Test func manySmallMessagesKeepTheirOrder() throws {
    let rig = try ListenerRig()
    let context = try Context()
    let dealers = try (0..<3).map { _ in try dealer(rig.socket.endpoint, context) }
    defer { withExtendedLifetime(dealers) {} }
    for number in 0..<5000 {
      for dealer in dealers {
        try send(dealer, [[UInt8(number & 255), UInt8(number >> 8)], bytes(number % 300)])
      }
    }
    var next: [UInt64: Int] = [:]
    for message in try rig.receive(15_000) {
      let number = next[message.from, default: 0]
      #expect(message.parts[0] == [UInt8(number & 255), UInt8(number >> 8)])
      #expect(message.parts[1] == bytes(number % 300))
      next[message.from] = number + 1
    }
    #expect(next.values.map { $0 } == [5000, 5000, 5000])
  }

  @Test func aDealerComesBackToANewListenerOnTheSamePort() throws {
    var rig = try ListenerRig()
    let endpoint = rig.socket.endpoint
    let dealer = try dealer(endpoint, Context())
    try send(dealer, [[1]])
    let first = try #require(try rig.receive().first)
    // The port is taken while one listens, and free with connections left over.
    #expect(throws: ZMQError.self) { try ListeningSocket(endpoint) }
    rig = try ListenerRig()
    rig = try ListenerRig(endpoint)
    var message: ListenerRig.Message?
    for _ in 0..<50 where message == nil {
      try send(dealer, [[2]])
      message = try rig.receive().first
    }
    #expect(message?.parts == [[2]])
    #expect(message?.from != first.from)
  }

  @Test func aConnectionThatEndsIsNamed() throws {
    let rig = try ListenerRig()
    var dealer: Socket? = try dealer(rig.socket.endpoint, Context())
    if let dealer { try send(dealer, [[1]]) }
    let message = try #require(try rig.receive().first)
    dealer = nil
    #expect(try rig.turns { $0.ended == [message.from] })
    #expect(rig.closed(.peer) == 1)
    #expect(rig.send([[1]], to: message.from) == false)
  }

  @Test func endpointsThatAreNone() {
    for endpoint in [
      "tcp://127.0.0.1", "tcp://127.0.0.1:x", "tcp://127.0.0.1:99999", "tcp://:1", "udp://1:1",
      "ipc://", "ipc:///nonexistent/folder/socket", "tcp://no-such-host.invalid:1",
      "ipc:///tmp/\(String(repeating: "x", count: 200))",
    ] {
      #expect(throws: ZMQError.self, "\(endpoint)") { try ListeningSocket(endpoint) }
    }
  }

  @Test func anIPv6AddressIsInBrackets() throws {
    guard let socket = try? ListeningSocket("tcp://[::1]:*") else { return }
    #expect(socket.endpoint.hasPrefix("tcp://[::1]:"))
  }

  @Test func aLocalSocketGoesWithItsListener() throws {
    let path = "/tmp/tinsmith-listener-\(UInt64.random(in: 0...UInt64.max)).sock"
    var first: ListeningSocket? = try ListeningSocket("ipc://\(path)")
    #expect(access(path, F_OK) == 0)
    // Another one takes the name over: the first leaves it alone.
    let second = try ListeningSocket("ipc://\(path)")
    _ = first
    first = nil
    #expect(access(path, F_OK) == 0)
    #expect(second.endpoint == "ipc://\(path)")
  }
}
