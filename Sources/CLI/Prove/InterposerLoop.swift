import RPC
import ZeroMQ

/// The body of an interposer's thread: the only one that touches its sockets.
final class InterposerLoop {
  /// One connection of a client, by the routing id that the front socket gave it.
  private typealias ClientID = [UInt8]

  private struct Message {
    let direction: Fates.Direction
    let client: ClientID
    let frames: [Frame]
  }

  /// A message that waits.
  private struct Held {
    let message: Message
    /// When it arrives at the latest, by the monotonic clock.
    let due: UInt64
    /// Messages of its way that go first; nil if only the time counts.
    var behind: Int?
  }

  /// How long a message waits for others that never come.
  private static let longestWait: UInt64 = 250
  /// How long the port may be somebody else's.
  private static let bindPatience: UInt64 = 10_000

  private let listen: String
  private let service: String
  private let fates: Fates
  private let orders: SharedOrders
  private let context: Context

  private var front: Socket?
  private var backs: [(client: ClientID, socket: Socket)] = []
  private var poller = Poller()
  private var held: [Held] = []
  /// When the connections break.
  private var breakAt: UInt64?
  /// Messages so far, by direction.
  private var numbers: [Fates.Direction: UInt64] = [:]

  init(
    listen: String, service: String, fates: Fates, orders: SharedOrders, context: Context
  ) {
    self.listen = listen
    self.service = service
    self.fates = fates
    self.orders = orders
    self.context = context
  }

  /// Passes messages on until it is stopped.
  func run() throws {
    while true {
      let (isOpen, isStopped) = orders.read { ($0.isOpen, $0.isStopped) }
      if isStopped { break }
      if isOpen, front == nil { try open() }
      if !isOpen, front != nil { try disconnect() }
      try poller.wait(milliseconds: patience())
      if poller.isReady(0) { orders.drain() }
      try receive()
      let now = Monotonic.milliseconds()
      try releaseDue(now)
      if let breakAt, now >= breakAt { try disconnect() }
    }
  }

  private func patience() -> Int {
    guard let next = (held.map(\.due) + [breakAt].compactMap(\.self)).min() else { return -1 }
    return Int(next - min(next, Monotonic.milliseconds()))
  }

  // MARK: Connections

  private func open() throws {
    let socket = try Socket(context, .router)
    try socket.setHighWaterMark(RouterLimits.highWaterMark)
    let end = Monotonic.milliseconds() + Self.bindPatience
    while true {
      do {
        try socket.bind(listen)
        break
      } catch {
        // The socket that had the port is closed by libzmq's own thread, a little later.
        guard Monotonic.milliseconds() < end else { throw error }
        var nothing = Poller()
        try nothing.wait(milliseconds: 5)
      }
    }
    front = socket
    try watch()
  }

  /// All connections break; what was under way is gone.
  private func disconnect() throws {
    front = nil
    backs = []
    held = []
    breakAt = nil
    try watch()
    orders.count { $0.breaks += 1 }
  }

  private func watch() throws {
    poller = Poller()
    poller.add(descriptor: orders.descriptor)
    if let front { try poller.add(front) }
    for back in backs { try poller.add(back.socket) }
  }

  /// The connection to the service of a client's connection, opened with its first message.
  private func back(of client: ClientID) throws -> Socket {
    if let known = backs.first(where: { $0.client == client }) { return known.socket }
    let socket = try Socket(context, .dealer)
    try socket.setHighWaterMark(RouterLimits.highWaterMark)
    try socket.setReconnectInterval(milliseconds: 20, maximum: 200)
    try socket.connect(service)
    backs.append((client, socket))
    try watch()
    return socket
  }

  // MARK: Messages

  private func receive() throws {
    while let front, var frames = try Self.message(from: front) {
      let identity = frames.removeFirst()
      // The bytes are the frame's.
      let client = withExtendedLifetime(identity) { ClientID(identity.bytes) }
      try meet(Message(direction: .toService, client: client, frames: frames))
    }
    for back in backs {
      while let frames = try Self.message(from: back.socket) {
        try meet(Message(direction: .toClient, client: back.client, frames: frames))
      }
    }
  }

  /// The frames of the next message; nil if none waits.
  private static func message(from socket: Socket) throws -> [Frame]? {
    var frames: [Frame] = []
    // No part is below 0 bytes, so all come as frames.
    while let (part, more) = try socket.receive(framesFrom: 0, { ($0, $1) }) {
      if case .large(let frame) = part { frames.append(frame) }
      if !more { break }
    }
    return frames.isEmpty ? nil : frames
  }

  /// Lets a message meet its fate.
  private func meet(_ message: Message) throws {
    let number = numbers[message.direction, default: 0]
    numbers[message.direction] = number + 1
    let now = Monotonic.milliseconds()
    let fate = fates.fate(of: number, message.direction)
    orders.count { counts in
      counts.messages += 1
      switch fate {
      case .pass: break
      case .late: counts.late += 1
      case .twice: counts.twice += 1
      case .behind: counts.behind += 1
      case .lost: counts.lost += 1
      }
    }
    switch fate {
    case .pass: try pass(message)
    case .late(let milliseconds):
      held.append(Held(message: message, due: now + UInt64(milliseconds)))
    case .twice(let milliseconds):
      try pass(message)
      held.append(Held(message: message, due: now + UInt64(milliseconds)))
    case .behind(let count):
      held.append(Held(message: message, due: now + Self.longestWait, behind: count))
    case .lost(let milliseconds):
      breakAt = min(breakAt ?? .max, now + UInt64(milliseconds))
    }
  }

  /// Sends a message, and then those that waited for it to go first.
  private func pass(_ message: Message) throws {
    try send(message)
    for index in held.indices
    where held[index].message.direction == message.direction
      && held[index].message.client == message.client
    {
      if let behind = held[index].behind { held[index].behind = behind - 1 }
    }
    while let index = held.firstIndex(where: { $0.behind.map { $0 <= 0 } ?? false }) {
      try pass(held.remove(at: index).message)
    }
  }

  private func releaseDue(_ now: UInt64) throws {
    while let index = held.firstIndex(where: { $0.due <= now }) {
      try pass(held.remove(at: index).message)
    }
  }

  private func send(_ message: Message) throws {
    let socket: Socket
    switch message.direction {
    case .toService: socket = try back(of: message.client)
    case .toClient:
      guard let front else { return }
      let isThere = try message.client.withUnsafeBytes { id in
        Result { () throws(ZMQError) in try front.address(id) }
      }.get()
      // The client has left this connection: nobody waits there any more.
      guard isThere else { return }
      socket = front
    }
    for (index, frame) in message.frames.enumerated() {
      let isTaken = try socket.send(
        frame.bytes, ownedBy: frame, more: index + 1 < message.frames.count)
      if !isTaken {
        // Full, so the message is lost, and with it the connection.
        breakAt = Monotonic.milliseconds()
        return
      }
    }
  }
}
