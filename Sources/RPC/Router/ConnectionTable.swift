/// Routing ids of one ROUTER socket as numbers, and back.
///
/// libzmq's own ids are five bytes that start with 0 and go into the number as they are. A peer
/// that chose an id of its own gets a place in a table of bounded size.
struct ConnectionTable {
  private static let chosen: UInt64 = 1 << 62

  private let limit: Int
  private var places: [[UInt8]: Int] = [:]
  private var ids: [[UInt8]] = []

  init(limit: Int) { self.limit = limit }

  /// - Returns: nil when the table of chosen ids is full.
  mutating func connection(_ routingID: UnsafeRawBufferPointer) -> ConnectionID? {
    if routingID.count == 5, routingID[0] == 0 {
      let low = routingID.loadUnaligned(fromByteOffset: 1, as: UInt32.self)
      return ConnectionID(UInt64(low))
    }
    let bytes = [UInt8](routingID)
    if let place = places[bytes] { return ConnectionID(Self.chosen | UInt64(place)) }
    guard ids.count < limit else { return nil }
    ids.append(bytes)
    places[bytes] = ids.count - 1
    return ConnectionID(Self.chosen | UInt64(ids.count - 1))
  }

  func routingID(of connection: ConnectionID) -> RoutingID {
    connection.number & Self.chosen == 0
      ? .automatic(connection.number) : .chosen(ids[Int(connection.number & ~Self.chosen)])
  }
}

/// What names a peer to its ROUTER socket.
enum RoutingID {
  /// Byte 0, then the four bytes of the number, in memory order.
  case automatic(UInt64)
  case chosen([UInt8])

  func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    switch self {
    case .automatic(let number):
      try withUnsafeBytes(of: (number << 8).littleEndian) {
        try body(UnsafeRawBufferPointer(rebasing: $0[..<5]))
      }
    case .chosen(let bytes): try bytes.withUnsafeBytes(body)
    }
  }
}
