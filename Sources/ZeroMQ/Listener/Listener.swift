internal import CSystem
internal import Glibc

/// The listening end of ZeroMQ connections (ZMTP 3 over TCP or local sockets) that has every byte on
/// an account: a ROUTER for peers that are not trusted.
///
/// libzmq counts messages and not bytes, collects parts of a message without limit, lets peers choose
/// the names by which they are known, and cannot close a connection. Here limits are in bytes and
/// milliseconds (`ListenerLimits`), a peer is a number that is never used again, and whoever does not
/// read, does not end a message or says nothing is closed.
///
/// It has no thread: a poll loop waits for `descriptor` and then, in each turn, calls `poll`,
/// `receive` until it gives nothing, `send` as it likes, `flush`, and now and then `tick`. Messages
/// go into and come out of the caller's `MessageStore`, so they pass on to libzmq without a copy.
package struct Listener: ~Copyable {
  /// Numbers about a listener.
  package struct Statistics: Sendable {
    package var open = 0
    package var accepted: UInt64 = 0
    /// Bytes of unfinished messages.
    package var receiving = 0
    /// Memory of what waits to be sent.
    package var sending = 0
    package var closed: [CloseReason: UInt64] = [:]
  }

  /// Marks ids of connections, so that others can have the rest.
  package static let idBit: UInt64 = 1 << 63
  private static let slotBits: UInt64 = 20
  /// Marks events of sockets that take connections; their number is in the other bits.
  private static let listening: UInt64 = 1 << 62
  private static let eventsPerPoll = 256
  private static let acceptsPerPoll = 64

  let limits: ListenerLimits
  private let sockets: [ListeningSocket]
  private let epoll: Int32
  private var events = [epoll_event](repeating: epoll_event(), count: Listener.eventsPerPoll)
  private var nextEvent = 0
  private var eventCount = 0
  private var serial: UInt64
  private var freeSlots: [Int] = []
  private var ended: [UInt64] = []
  private var acceptsAgainAt: UInt64?

  var connections: [Connection] = []
  var statistics = Statistics()
  var now: UInt64
  var pool = ChunkPool()
  /// Bytes of the receive pool that are taken.
  var pooled = 0
  /// Connections that wait for bytes of the pool.
  var waiting: [UInt64] = []
  /// The connection that may overdraw the pool, as far as is known.
  var first: UInt64 = 0
  var dirty: [Int] = []
  var lastSweep: UInt64
  /// What was read last, of one connection.
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 64)
  var reading = Reading()

  /// - Parameter sockets: where connections come from.
  package init(
    _ sockets: [ListeningSocket], _ limits: ListenerLimits, now: UInt64
  ) throws(ZMQError) {
    self.sockets = sockets
    self.limits = limits
    self.now = now
    lastSweep = now
    // Names of streams and logs have these numbers; another run of the program has others.
    serial = UInt64.random(in: 0..<1 << 40)
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    if epoll < 0 { throw ZMQError(code: errno, call: "epoll_create1") }
    for (number, socket) in sockets.enumerated() {
      _ = control(
        EPOLL_CTL_ADD, socket.descriptor, EPOLLIN.rawValue, Self.listening | UInt64(number))
    }
  }

  deinit {
    for connection in connections where connection.id != 0 {
      connection.message.part?.release()
      connection.out.deallocate()
      Glibc.close(connection.descriptor)
    }
    Glibc.close(epoll)
    buffer.deallocate()
  }

  /// What the poll loop waits for: readable when there is something to do.
  package var descriptor: Int32 { epoll }

  // MARK: A turn

  /// Begins a turn: takes new connections, notes who has something to say, writes to whoever takes
  /// something again.
  package mutating func poll(_ now: UInt64, _ store: inout MessageStore) {
    self.now = now
    if nextEvent == eventCount {
      nextEvent = 0
      eventCount = max(0, Int(epoll_wait(epoll, &events, Int32(events.count), 0)))
    }
    if !waiting.isEmpty { serveWaiting() }
  }

  /// The next connection that has something to say.
  mutating func nextReadable(_ store: inout MessageStore) -> Int? {
    while nextEvent < eventCount {
      let event = events[nextEvent]
      nextEvent += 1
      if event.data.u64 & Self.idBit == 0 {
        accept(sockets[Int(event.data.u64 & ~Self.listening)], &store)
        continue
      }
      guard let slot = slot(of: event.data.u64) else { continue }
      if event.events & EPOLLOUT.rawValue != 0 {
        flush(slot, &store)
        guard connections[slot].id == event.data.u64 else { continue }
      }
      let isReadable = connections[slot].interest & EPOLLIN.rawValue != 0
      if isReadable, event.events & ~EPOLLOUT.rawValue != 0 { return slot }
      if event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { close(slot, .peer, &store) }
    }
    return nil
  }

  /// Connections that ended since the last call.
  package mutating func takeEnded() -> [UInt64] {
    defer { if !ended.isEmpty { ended = [] } }
    return ended
  }

  // MARK: Connections

  /// The place of a connection that is there.
  func slot(of id: UInt64) -> Int? {
    let slot = Int(id & (1 << Self.slotBits - 1))
    return slot < connections.count && connections[slot].id == id ? slot : nil
  }

  private mutating func accept(_ socket: ListeningSocket, _ store: inout MessageStore) {
    for _ in 0..<Self.acceptsPerPoll {
      guard let descriptor = socket.accept() else {
        // Without descriptors or memory the kernel would announce the connection for ever.
        if errno != EAGAIN { pauseAccepting() }
        return
      }
      statistics.accepted += 1
      if statistics.open >= limits.connections, !makePlace(&store) {
        statistics.closed[.crowded, default: 0] += 1
        Glibc.close(descriptor)
        continue
      }
      add(descriptor)
    }
  }

  private mutating func add(_ descriptor: Int32) {
    let slot = freeSlots.popLast() ?? connections.count
    serial += 1
    let id = Self.idBit | serial << Self.slotBits | UInt64(slot)
    let connection = Connection(
      id: id, descriptor: descriptor, maximumFrame: limits.frame, now: now)
    if slot == connections.count {
      connections.append(connection)
    } else {
      connections[slot] = connection
    }
    statistics.open += 1
    if !control(EPOLL_CTL_ADD, descriptor, EPOLLIN.rawValue, id) {
      forget(slot, .failed)
    } else {
      send(raw: ZMTPHandshake.opening, slot)
    }
  }

  /// Closes the connection that was silent for the longest, of those that may be.
  private mutating func makePlace(_ store: inout MessageStore) -> Bool {
    var victim: Int?
    for slot in connections.indices
    where connections[slot].id != 0 && !connections[slot].isTrusted
      && connections[slot].clock.lastHeard + limits.silence <= now
    {
      if let best = victim, connections[best].clock.lastHeard <= connections[slot].clock.lastHeard {
        continue
      }
      victim = slot
    }
    guard let victim else { return false }
    close(victim, .crowded, &store)
    return true
  }

  /// Closes a connection; `takeEnded` names it.
  mutating func close(_ slot: Int, _ reason: CloseReason, _ store: inout MessageStore) {
    let connection = connections[slot]
    if connection.message.parts > 0, !connection.message.isSkipped {
      store.release(connection.message.id)
    }
    charge(slot, -connection.message.charged)
    connections[slot].message.part?.release()
    statistics.sending -= connection.out.charged
    connections[slot].out.clear(&store, &pool)
    if reading.slot == slot { reading = Reading() }
    forget(slot, reason)
  }

  private mutating func forget(_ slot: Int, _ reason: CloseReason) {
    Glibc.close(connections[slot].descriptor)
    ended.append(connections[slot].id)
    statistics.closed[reason, default: 0] += 1
    statistics.open -= 1
    connections[slot] = Connection(id: 0, descriptor: -1, maximumFrame: 0, now: now)
    freeSlots.append(slot)
  }

  // MARK: epoll

  private func control(
    _ operation: Int32, _ descriptor: Int32, _ interest: UInt32, _ id: UInt64
  ) -> Bool {
    var event = epoll_event()
    event.events = interest
    event.data.u64 = id
    return epoll_ctl(epoll, operation, descriptor, &event) == 0
  }

  /// Looks at what the connection may do now: read, unless too much waits for it or it waits for the
  /// pool; write, if something waits for it.
  mutating func updateInterest(_ slot: Int) {
    let isPaused =
      connections[slot].waitsForPool || connections[slot].out.charged > limits.sendMark
    let interest =
      (isPaused ? 0 : EPOLLIN.rawValue)
      | (connections[slot].clock.isSending ? EPOLLOUT.rawValue : 0)
    guard interest != connections[slot].interest else { return }
    if isPaused { connections[slot].clock.pause(now) } else { connections[slot].clock.resume(now) }
    connections[slot].interest = interest
    _ = control(EPOLL_CTL_MOD, connections[slot].descriptor, interest, connections[slot].id)
  }

  private mutating func pauseAccepting() {
    acceptsAgainAt = now + limits.sweep
    lookForConnections(false)
  }

  mutating func resumeAccepting() {
    guard let time = acceptsAgainAt, now >= time else { return }
    acceptsAgainAt = nil
    lookForConnections(true)
  }

  private func lookForConnections(_ isWanted: Bool) {
    for (number, socket) in sockets.enumerated() {
      _ = control(
        EPOLL_CTL_MOD, socket.descriptor, isWanted ? EPOLLIN.rawValue : 0,
        Self.listening | UInt64(number))
    }
  }
}
