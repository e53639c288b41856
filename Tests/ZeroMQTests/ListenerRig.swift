import Glibc
import Testing

@testable import ZeroMQ

/// A listener that a test drives turn by turn, with a time of its own, and peers to connect to it.
final class ListenerRig {
  struct Message: Equatable {
    var from: UInt64
    var parts: [[UInt8]]
    var excess: ReceivedMessage.Excess?
  }

  let socket: ListeningSocket
  var listener: Listener
  var store = MessageStore(maximumParts: 1 << 20)
  var now: UInt64 = 1_000_000
  /// Whether connections may send more when they ask for it.
  var decision = true
  var claims = 0
  var ended: [UInt64] = []

  init(_ endpoint: String = "tcp://127.0.0.1:*", _ limits: ListenerLimits = .init()) throws {
    socket = try ListeningSocket(endpoint)
    listener = try Listener([socket], limits, now: now)
  }

  /// One turn of a loop that takes what is there; what comes is copied out.
  func turn(milliseconds: Int32 = 10) throws -> [Message] {
    var item = pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0)
    Glibc.poll(&item, 1, milliseconds)
    listener.poll(now, &store)
    var messages: [Message] = []
    while let received = listener.receive(into: &store) {
      switch received {
      case .claim(let connection, _):
        claims += 1
        listener.decide(connection, isTrusted: decision)
      case .message(let message):
        messages.append(
          Message(
            from: message.connection, parts: copy(message.id), excess: message.excess))
      }
    }
    listener.flush(&store)
    listener.tick(now, &store)
    ended += listener.takeEnded()
    return messages
  }

  private func copy(_ id: MessageStore.ID) -> [[UInt8]] {
    store.willDissolve(id)
    var parts: [[UInt8]] = []
    var part = id.first
    while part != MessageStore.none {
      let following = store.detach(part)
      parts.append(Array(store.bytes(ofPart: part)))
      store.free(part: part)
      part = following
    }
    return parts
  }

  /// Turns until so many messages have come (or two seconds without one have passed).
  func receive(_ count: Int = 1) throws -> [Message] {
    var messages: [Message] = []
    for _ in 0..<200 where messages.count < count {
      var more = try turn()
      while !more.isEmpty {
        messages += more
        more = try turn(milliseconds: 0)
      }
    }
    return messages
  }

  /// Turns until something is so.
  func turns(until condition: (ListenerRig) -> Bool) throws -> Bool {
    for _ in 0..<400 {
      if condition(self) { return true }
      _ = try turn(milliseconds: 5)
    }
    return condition(self)
  }

  /// Lets time pass for the listener, which looks at it once.
  func pass(_ milliseconds: UInt64) throws {
    // In steps, as a jump would be a standstill.
    var rest = milliseconds
    while rest > 0 {
      let step = min(rest, 500)
      now += step
      rest -= step
      _ = try turn(milliseconds: 0)
    }
  }

  func send(_ parts: [[UInt8]], to peer: UInt64) -> Bool {
    listener.send(parts, to: peer, &store)
  }

  func closed(_ reason: CloseReason) -> UInt64 { listener.numbers.closed[reason] ?? 0 }
  var open: Int { listener.numbers.open }
}

/// A TCP connection that sends whatever bytes a test likes.
final class RawPeer {
  let descriptor: Int32

  init(_ endpoint: String, receiveBuffer: Int32? = nil) throws {
    let port = try #require(UInt16(endpoint.split(separator: ":").last ?? ""))
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    if var size = receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, 4) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    #expect(result == 0)
  }

  deinit { close(descriptor) }

  /// Sends as much as the kernel takes at once.
  /// - Returns: how many bytes; -1 when the connection is closed.
  @discardableResult
  func send(_ bytes: [UInt8]) -> Int {
    let count = Glibc.send(
      descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    return count < 0 && errno == EAGAIN ? 0 : count
  }

  /// Says hello, as a DEALER that may name itself.
  func greet(name: [UInt8] = [], type: String = "DEALER") {
    let names = [8] + Array("Identity".utf8) + [0, 0, 0, UInt8(name.count)] + name
    send(ZMTPHandshake.greeting)
    send(
      ZMTPHandshake.command("READY", ZMTPHandshake.property("Socket-Type", type) + names))
  }

  /// What has come; nil when the connection is closed.
  func receive(_ limit: Int = 1 << 16) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: limit)
    let count = recv(descriptor, &bytes, limit, Int32(MSG_DONTWAIT))
    if count == 0 || (count < 0 && errno != EAGAIN) { return nil }
    return Array(bytes.prefix(max(0, count)))
  }
}
