import Glibc
import Testing

@testable import ZeroMQ

/// Peers that mean no good, and a polite one beside them that is served all the same.
@Suite(.timeLimit(.minutes(30)))
struct HostilePeerTests {
  private static let limits: ListenerLimits = {
    var limits = ListenerLimits()
    limits.message = 4 << 20
    limits.frame = 2 << 20
    limits.untrustedMessage = 256 << 10
    limits.receivePool = 1 << 20
    limits.send = 1 << 20
    limits.untrustedSend = 256 << 10
    limits.sendMark = 128 << 10
    limits.sendTotal = 2 << 20
    return limits
  }()

  /// A polite peer that asks and is answered.
  private func polite(_ rig: ListenerRig) throws {
    let peer = try RawPeer(rig.socket.endpoint)
    defer { withExtendedLifetime(peer) {} }
    peer.greet()
    peer.send([0, 2, 7, 7])
    var answered = false
    for _ in 0..<400 where !answered {
      for message in try rig.turn() where message.parts == [[7, 7]] {
        answered = rig.send([[8]], to: message.from)
      }
    }
    #expect(answered)
    _ = try rig.turn()
    var bytes: [UInt8] = []
    for _ in 0..<200 where !bytes.suffix(3).elementsEqual([0, 1, 8]) {
      bytes += peer.receive() ?? []
      usleep(1000)
    }
    #expect(bytes.suffix(3) == [0, 1, 8])
  }

  private func frame(_ count: Int, announced: Int? = nil, more: Bool) -> [UInt8] {
    ZMTPParserTests.long(
      [UInt8](repeating: 1, count: count), more: more, count: UInt64(announced ?? count))
  }

  @Test(arguments: [false, true])
  func aMessageThatNeverEndsIsClosed(trusted: Bool) throws {
    let rig = try ListenerRig("tcp://127.0.0.1:*", Self.limits)
    rig.decision = trusted
    let peer = try RawPeer(rig.socket.endpoint)
    defer { withExtendedLifetime(peer) {} }
    peer.greet()
    peer.send([1, 1, 65])
    var excess: [ReceivedMessage.Excess?] = []
    var most = 0
    let piece = frame(100_000, more: true)
    var unsent = piece
    for _ in 0..<4000 where rig.closed(.oversized) == 0 {
      let count = peer.send(unsent)
      if count > 0 { unsent = count == unsent.count ? piece : Array(unsent.dropFirst(count)) }
      let messages = try rig.turn(milliseconds: 0)
      excess += messages.map(\.excess)
      most = max(most, rig.listener.numbers.receiving)
    }
    #expect(rig.closed(.oversized) == 1)
    #expect(excess == [trusted ? .bytes : .untrusted])
    #expect(most <= (trusted ? 4 << 20 : 256 << 10) + (64 << 10))
    #expect(rig.listener.numbers.receiving == 0)
    try polite(rig)
  }

  @Test func partsWithoutEndAreClosed() throws {
    var limits = Self.limits
    limits.parts = 100
    let rig = try ListenerRig("tcp://127.0.0.1:*", limits)
    let peer = try RawPeer(rig.socket.endpoint)
    defer { withExtendedLifetime(peer) {} }
    peer.greet()
    peer.send([1, 1, 65])
    for _ in 0..<200 { peer.send([1, 0]) }
    let message = try #require(try rig.receive().first)
    #expect(message.parts == [[65]])
    #expect(message.excess == .parts)
    // The message goes on without a byte of payload: time ends it.
    try rig.pass(limits.progressWindow)
    #expect(rig.closed(.unfinished) == 1)
    try polite(rig)
  }

  @Test func whatIsTooLargeIsSkippedAndTheNextIsWhole() throws {
    let rig = try ListenerRig("tcp://127.0.0.1:*", Self.limits)
    rig.decision = false
    let peer = try RawPeer(rig.socket.endpoint)
    defer { withExtendedLifetime(peer) {} }
    peer.greet()
    peer.send([1, 1, 65] + frame(300_000, more: true) + [1, 0, 0, 1, 66] + [0, 1, 67])
    let messages = try rig.receive(2)
    #expect(messages.map(\.parts) == [[[65]], [[67]]])
    #expect(messages.map(\.excess) == [.untrusted, nil])
    // A first frame that can be no header.
    peer.send(frame(17 << 10, more: true) + [0, 0] + [0, 1, 68])
    let others = try rig.receive(2)
    #expect(others.map(\.parts) == [[[]], [[68]]])
    #expect(others.map(\.excess) == [.firstPart, nil])
    #expect(rig.listener.numbers.receiving == 0)
    let left = rig.store.count
    #expect(left == 0)
  }

  @Test func anAnnouncementTakesNoMemory() throws {
    var limits = Self.limits
    limits.frame = 1 << 40
    limits.message = 1 << 41
    let rig = try ListenerRig("tcp://127.0.0.1:*", limits)
    let peers = try (0..<20).map { _ in try RawPeer(rig.socket.endpoint) }
    defer { withExtendedLifetime(peers) {} }
    for peer in peers {
      peer.greet()
      peer.send([1, 1, 65] + frame(100, announced: 1 << 39, more: true))
    }
    #expect(try rig.turns { $0.claims == 20 })
    _ = try rig.turn()
    #expect(rig.listener.numbers.receiving <= 1 << 20 + 20 * (65 << 10))
    try rig.pass(limits.progressWindow)
    #expect(rig.closed(.unfinished) == 20)
    #expect(rig.listener.numbers.receiving == 0)
    try polite(rig)
  }

  @Test func theFirstOfManyLargeMessagesGetsOnAndThenTheOthers() throws {
    var limits = Self.limits
    limits.receivePool = 256 << 10
    limits.firstCapacity = 64 << 10
    let rig = try ListenerRig("tcp://127.0.0.1:*", limits)
    let peers = try (0..<4).map { _ in try RawPeer(rig.socket.endpoint) }
    defer { withExtendedLifetime(peers) {} }
    for peer in peers {
      peer.greet()
      peer.send([1, 1, 65])
    }
    // All send in turns, so that each has some bytes of the pool when it is empty.
    var unsent = peers.map { _ in frame(1 << 20, more: false) }
    var messages: [ListenerRig.Message] = []
    var most = 0
    for _ in 0..<4000 where messages.count < 4 {
      for (index, peer) in peers.enumerated() where !unsent[index].isEmpty {
        unsent[index].removeFirst(max(0, peer.send(Array(unsent[index].prefix(40_000)))))
      }
      messages += try rig.turn(milliseconds: 1)
      most = max(most, rig.listener.numbers.receiving)
    }
    #expect(messages.allSatisfy { $0.parts.count == 2 && $0.parts[1].count == 1 << 20 })
    #expect(messages.count == 4)
    // The pool, one message, and what each connection has for itself or had read already.
    #expect(most <= 256 << 10 + 1 << 20 + 4 * (130 << 10))
    #expect(rig.listener.numbers.receiving == 0)
  }

  @Test func whoHoldsThePoolAndStopsIsClosedSoon() throws {
    var limits = Self.limits
    limits.receivePool = 256 << 10
    let rig = try ListenerRig("tcp://127.0.0.1:*", limits)
    let holder = try RawPeer(rig.socket.endpoint)
    defer { withExtendedLifetime(holder) {} }
    holder.greet()
    holder.send([1, 1, 65])
    var unsent = frame(400_000, announced: 1 << 20, more: false)
    for _ in 0..<200 where !unsent.isEmpty {
      unsent.removeFirst(max(0, holder.send(unsent)))
      _ = try rig.turn(milliseconds: 1)
    }
    let other = try RawPeer(rig.socket.endpoint)
    other.greet()
    other.send([1, 1, 66])
    unsent = frame(200_000, more: false)
    var messages: [ListenerRig.Message] = []
    for _ in 0..<400 where messages.isEmpty {
      unsent.removeFirst(max(0, other.send(unsent)))
      // Less than the time for progress without pressure.
      rig.now += 10
      messages += try rig.turn(milliseconds: 1)
    }
    #expect(messages.map { $0.parts.count } == [2])
    #expect(rig.closed(.unfinished) == 1)
  }

  @Test func whoDoesNotReadIsClosed() throws {
    let rig = try ListenerRig("tcp://127.0.0.1:*", Self.limits)
    let peer = try RawPeer(rig.socket.endpoint, receiveBuffer: 4096)
    defer { withExtendedLifetime(peer) {} }
    peer.greet()
    peer.send([0, 1, 65])
    let message = try #require(try rig.receive().first)
    let answer = [UInt8](repeating: 1, count: 50_000)
    var sent = 0
    while rig.send([answer], to: message.from), sent < 1000 {
      sent += 1
      _ = try rig.turn(milliseconds: 0)
      #expect(rig.listener.numbers.sending <= 256 << 10 + 100_000)
    }
    // What the kernel took is not ours.
    #expect(sent < 300)
    #expect(rig.closed(.unread) == 1)
    #expect(rig.listener.numbers.sending == 0)
    _ = try rig.turn()
    #expect(rig.ended == [message.from])
    try polite(rig)
  }

  @Test func aPausedReaderIsNotReadAndThenClosed() throws {
    var limits = Self.limits
    limits.untrustedSend = 100 << 20
    limits.sendTotal = 100 << 20
    let rig = try ListenerRig("tcp://127.0.0.1:*", limits)
    let peer = try RawPeer(rig.socket.endpoint, receiveBuffer: 4096)
    defer { withExtendedLifetime(peer) {} }
    peer.greet()
    // Each request has a large answer, and no answer is read: the kernel takes some.
    let answer = [UInt8](repeating: 1, count: 100_000)
    var id: UInt64 = 0
    for _ in 0..<2000 where rig.listener.numbers.sending <= limits.sendMark {
      peer.send([0, 1, 65])
      for message in try rig.turn(milliseconds: 5) {
        id = message.from
        #expect(rig.send([answer], to: id))
      }
      _ = try rig.turn(milliseconds: 0)
    }
    // Well above the mark, whatever the kernel still takes.
    for _ in 0..<3 { #expect(rig.send([answer], to: id)) }
    _ = try rig.turn(milliseconds: 0)
    #expect(rig.listener.numbers.sending > 2 * limits.sendMark)
    // Requests stay in the kernel now.
    for _ in 0..<50 {
      peer.send([0, 1, 66])
      #expect(try rig.turn(milliseconds: 1) == [])
    }
    #expect(rig.closed(.unread) == 0)
    try rig.pass(limits.progressWindow + 1000)
    #expect(rig.closed(.unread) == 1)
    try polite(rig)
  }

  @Test func theServiceLimitClosesTheOneWithTheMost() throws {
    var limits = Self.limits
    limits.send = 100 << 20
    limits.untrustedSend = 100 << 20
    let rig = try ListenerRig("tcp://127.0.0.1:*", limits)
    let peers = try (0..<3).map { _ in try RawPeer(rig.socket.endpoint, receiveBuffer: 4096) }
    defer { withExtendedLifetime(peers) {} }
    for (index, peer) in peers.enumerated() {
      peer.greet()
      peer.send([0, 1, UInt8(index)])
    }
    let messages = try rig.receive(3).sorted { $0.parts[0][0] < $1.parts[0][0] }
    #expect(messages.count == 3)
    let answer = [UInt8](repeating: 1, count: 100_000)
    for _ in 0..<500 where rig.closed(.unread) == 0 {
      _ = rig.send([answer], to: messages[0].from)
      _ = rig.send([Array(answer.prefix(1000))], to: messages[1].from)
      _ = try rig.turn(milliseconds: 0)
      #expect(rig.listener.numbers.sending <= 2 << 20)
    }
    #expect(rig.ended == [messages[0].from])
    #expect(rig.send([[1]], to: messages[1].from))
    try polite(rig)
  }

  @Test func aFloodOfPingsIsNoMemory() throws {
    let rig = try ListenerRig("tcp://127.0.0.1:*", Self.limits)
    let peer = try RawPeer(rig.socket.endpoint, receiveBuffer: 4096)
    defer { withExtendedLifetime(peer) {} }
    peer.greet()
    let pings = (0..<2000).flatMap { _ in ZMTPHandshake.command("PING", [0, 0, 1, 2, 3, 4]) }
    var unsent = pings
    for _ in 0..<3000 {
      let count = peer.send(unsent)
      if count > 0 { unsent = count == unsent.count ? pings : Array(unsent.dropFirst(count)) }
      _ = try rig.turn(milliseconds: 0)
      #expect(rig.listener.numbers.sending <= 256 << 10)
    }
    try rig.pass(Self.limits.progressWindow + 1000)
    #expect(rig.open == 0)
  }

  @Test func aPingIsAnswered() throws {
    let rig = try ListenerRig()
    let peer = try RawPeer(rig.socket.endpoint)
    defer { withExtendedLifetime(peer) {} }
    peer.greet()
    peer.send(ZMTPHandshake.command("PING", [0, 0, 9, 9]))
    let pong = ZMTPHandshake.command("PONG", [9, 9])
    var bytes: [UInt8] = []
    for _ in 0..<400 where !bytes.suffix(pong.count).elementsEqual(pong) {
      _ = try rig.turn(milliseconds: 1)
      bytes += peer.receive() ?? []
    }
    #expect(bytes.prefix(64) == ZMTPHandshake.greeting[...])
    #expect(bytes.dropFirst(64).prefix(ZMTPHandshake.ready.count) == ZMTPHandshake.ready[...])
    #expect(bytes.suffix(pong.count) == pong[...])
  }

  @Test func silentConnectionsAreClosedInTime() throws {
    let rig = try ListenerRig("tcp://127.0.0.1:*", Self.limits)
    let mute = try RawPeer(rig.socket.endpoint)
    let half = try RawPeer(rig.socket.endpoint)
    half.send(Array(ZMTPHandshake.greeting.prefix(20)))
    let greeted = try RawPeer(rig.socket.endpoint)
    greeted.greet()
    let pinging = try RawPeer(rig.socket.endpoint)
    pinging.greet()
    #expect(try rig.turns { $0.open == 4 })
    for _ in 0..<5 { _ = try rig.turn(milliseconds: 1) }
    try rig.pass(Self.limits.handshake)
    #expect(rig.closed(.handshake) == 2)
    #expect(rig.open == 2)
    for _ in 0..<12 {
      pinging.send(ZMTPHandshake.command("PING", [0, 0]))
      _ = try rig.turn()
      try rig.pass(Self.limits.untrustedIdle / 10)
    }
    #expect(rig.closed(.idle) == 1)
    #expect(rig.open == 1)
    _ = (mute, greeted)
  }

  @Test func garbageIsClosedAtOnce() throws {
    let rig = try ListenerRig("tcp://127.0.0.1:*", Self.limits)
    let peers = try ZMTPParserTests.refused.map { _, bytes, _ in
      let peer = try RawPeer(rig.socket.endpoint)
      defer { withExtendedLifetime(peer) {} }
      peer.send(bytes)
      return peer
    }
    defer { withExtendedLifetime(peers) {} }
    // The limit of a frame is higher here than in the table.
    #expect(
      try rig.turns { $0.listener.numbers.accepted == UInt64(peers.count) && $0.open <= 1 })
    #expect(rig.closed(.protocol) >= UInt64(peers.count - 3))
    try polite(rig)
  }

  @Test func namesThatPeersChooseMeanNothing() throws {
    let rig = try ListenerRig("tcp://127.0.0.1:*", Self.limits)
    var ids: Set<UInt64> = []
    let names: [[UInt8]] = [[0, 1, 0, 0, 0], [0], [65], [65], [UInt8](repeating: 66, count: 255)]
    let peers = try names.map { name in
      let peer = try RawPeer(rig.socket.endpoint)
      defer { withExtendedLifetime(peer) {} }
      peer.greet(name: name)
      peer.send([0, 1, 65])
      return peer
    }
    defer { withExtendedLifetime(peers) {} }
    for message in try rig.receive(peers.count) { ids.insert(message.from) }
    #expect(ids.count == peers.count)
    try polite(rig)
  }

  @Test func whenItIsCrowdedTheLongestSilentMakesPlace() throws {
    var limits = Self.limits
    limits.connections = 20
    let rig = try ListenerRig("tcp://127.0.0.1:*", limits)
    let session = try RawPeer(rig.socket.endpoint)
    defer { withExtendedLifetime(session) {} }
    session.greet()
    session.send([0, 1, 65])
    let message = try #require(try rig.receive().first)
    rig.listener.trust(message.from)
    var silent: [RawPeer] = []
    for _ in 0..<200 {
      silent.append(try RawPeer(rig.socket.endpoint))
      _ = try rig.turn(milliseconds: 1)
      rig.now += 20
      #expect(rig.open <= 20)
    }
    rig.now += limits.silence
    try polite(rig)
    #expect(rig.closed(.crowded) > 100)
    #expect(!rig.ended.contains(message.from))
    #expect(rig.send([[1]], to: message.from))
  }
}
