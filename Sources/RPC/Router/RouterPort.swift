internal import Wire
internal import ZeroMQ

/// One side of the router: the connections of its clients, or those of its workers.
///
/// `tcp://` and `ipc://` are served by a `Listener`, which trusts nobody; `inproc://`, where threads
/// of this process connect, by a ROUTER socket.
struct RouterPort: ~Copyable {
  /// What came from a connection.
  struct Arrival {
    let connection: ConnectionID
    let parcel: Parcel
    /// Bytes of all its frames.
    let bytes: Int
    /// Only its first part is here.
    let excess: ReceivedMessage.Excess?
    /// The connection is known to belong to a session.
    let isTrusted: Bool
  }

  /// What `receive` found.
  enum Found {
    case arrival(Arrival)
    /// A connection wants to send more than just anybody may; see `Received.claim`.
    case claim(ConnectionID, header: Parcel)
  }

  private var listener: Listener
  private let socket: Socket
  /// Whether anybody can connect to the socket.
  private let isLocal: Bool
  private var table = ConnectionTable(limit: RouterLimits.connections)

  init(_ sockets: RouterSockets, now: UInt64) throws(ZMQError) {
    listener = try Listener(sockets.listening, sockets.limits, now: now)
    socket = sockets.local
    isLocal = sockets.isLocal
  }

  /// Adds what there is to wait for.
  func add(to poller: inout Poller) throws(ZMQError) {
    poller.add(descriptor: listener.descriptor)
    try poller.add(socket)
  }

  /// Begins a turn.
  mutating func poll(_ now: UInt64, _ store: inout MessageStore) { listener.poll(now, &store) }

  /// The next message; nil when there is none.
  mutating func receive(into store: inout MessageStore) throws(ZMQError) -> Found? {
    switch listener.receive(into: &store) {
    case .message(let message):
      return .arrival(
        Arrival(
          connection: ConnectionID(message.connection), parcel: message.id, bytes: message.bytes,
          excess: message.excess, isTrusted: message.isTrusted))
    case .claim(let connection, let header):
      return .claim(ConnectionID(connection), header: header)
    case nil: return try receiveLocal(into: &store)
    }
  }

  private mutating func receiveLocal(into store: inout MessageStore) throws(ZMQError) -> Found? {
    while isLocal, let message = try store.receive(from: socket) {
      let connection = table.connection(store.firstPart(of: message.id))
      guard let parcel = store.dropFirst(message.id) else { continue }
      guard let connection else {
        store.release(parcel)
        continue
      }
      var excess: ReceivedMessage.Excess?
      if message.isTruncated { excess = .parts }
      if message.bytes > Limits.maxMessageTotalBytes { excess = .bytes }
      if excess != nil { store.truncate(parcel) }
      return .arrival(
        Arrival(
          connection: connection, parcel: parcel, bytes: message.bytes, excess: excess,
          isTrusted: true))
    }
    return nil
  }

  /// Answers a claim.
  mutating func decide(_ connection: ConnectionID, isTrusted: Bool) {
    listener.decide(connection.number, isTrusted: isTrusted)
  }

  /// The connection belongs to a session.
  mutating func trust(_ connection: ConnectionID) { listener.trust(connection.number) }

  /// Sends a message and forgets it, whatever happens.
  /// - Returns: false when the connection is gone or does not take any more.
  mutating func send(
    _ parcel: Parcel, to peer: ConnectionID, _ store: inout MessageStore
  ) throws(ZMQError) -> Bool {
    if peer.number & Listener.idBit != 0 { return listener.send(parcel, to: peer.number, &store) }
    return try store.send(parcel, to: socket, routingID: table.routingID(of: peer)) == .sent
  }

  /// Sends parts, copied.
  /// - Returns: false when the connection is gone or does not take any more.
  mutating func send(
    _ parts: [[UInt8]], to peer: ConnectionID, _ store: inout MessageStore
  ) throws(ZMQError) -> Bool {
    if peer.number & Listener.idBit != 0 { return listener.send(parts, to: peer.number, &store) }
    return try socket.send(parts, routingID: table.routingID(of: peer))
  }

  /// Ends a turn: what was sent goes on its way.
  mutating func flush(_ store: inout MessageStore) { listener.flush(&store) }

  /// Closes connections whose time is over.
  mutating func tick(_ now: UInt64, _ store: inout MessageStore) { listener.tick(now, &store) }

  /// Connections that ended since the last call.
  mutating func takeEnded() -> [ConnectionID] { listener.takeEnded().map { ConnectionID($0) } }

  /// Numbers by the keys of `Admin.Stats`.
  var report: [String: Double] {
    let numbers = listener.numbers
    var report = [
      "connections_open": Double(numbers.open),
      "connections_accepted_total": Double(numbers.accepted),
      "receiving_bytes": Double(numbers.receiving), "sending_bytes": Double(numbers.sending),
    ]
    for reason in CloseReason.allCases {
      report["connections_closed_\(reason.rawValue)_total"] = Double(numbers.closed[reason] ?? 0)
    }
    return report
  }
}

extension MessageStore {
  /// Sends a message to one peer of a ROUTER socket and forgets it, whatever happens.
  mutating func send(
    _ id: ID, to socket: Socket, routingID: RoutingID
  ) throws(ZMQError) -> Sending {
    switch routingID.withBytes({ bytes in
      Result { () throws(ZMQError) in try send(id, to: socket, routingID: bytes) }
    }) {
    case .success(let sending): return sending
    case .failure(let error): throw error
    }
  }
}

extension Socket {
  /// Sends copied parts to one peer of a ROUTER socket.
  /// - Returns: false when the peer is gone or takes no more.
  func send(_ parts: [[UInt8]], routingID: RoutingID) throws(ZMQError) -> Bool {
    let taken = routingID.withBytes { bytes in
      Result { () throws(ZMQError) in try address(bytes) }
    }
    guard try taken.get() else { return false }
    for (index, part) in parts.enumerated() {
      let sent = part.withUnsafeBytes { bytes in
        Result { () throws(ZMQError) in try send(bytes, more: index + 1 < parts.count) }
      }
      _ = try sent.get()
    }
    return true
  }
}
