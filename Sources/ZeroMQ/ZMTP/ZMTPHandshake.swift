/// What two ends of a connection say to each other before the first message. ZMTP 3 (RFC 23, 37): a
/// greeting of 64 bytes, then READY with properties; the mechanism is NULL. ZMTP 2 (RFC 15), which
/// JeroMQ speaks before 0.4: signature, version and socket type, then a frame with a name.
///
/// A peer of version 2 takes what follows our version for the rest of its own greeting, so more is
/// said only once its version is known.
enum ZMTPHandshake {
  /// Bytes of a greeting.
  static let greetingBytes = 64

  /// Our greeting: version 3.1, mechanism NULL.
  static let greeting: [UInt8] = {
    var bytes = [UInt8](repeating: 0, count: greetingBytes)
    bytes[0] = 0xFF
    // Where the oldest peers look for the length of a name.
    bytes[8] = 1
    bytes[9] = 0x7F
    bytes[10] = 3
    bytes[11] = 1
    bytes.replaceSubrange(12..<16, with: Array("NULL".utf8))
    return bytes
  }()

  /// Signature and version, which every peer may be told.
  static var opening: [UInt8] { Array(greeting[..<openingBytes]) }
  static let openingBytes = 11

  /// The rest of our greeting, by the peer's version.
  static func rest(for version: UInt8) -> [UInt8] {
    version >= 3 ? Array(greeting[openingBytes...]) : [routerType, 0, 0]
  }

  // Socket types in ZMTP 2.
  private static let routerType: UInt8 = 6
  private static let peerTypes: [UInt8] = [3, 5, 6]

  /// Our READY: a ROUTER, without a name.
  static let ready = command("READY", property("Socket-Type", "ROUTER"))

  /// Socket types that may talk to a ROUTER.
  private static let peers = ["DEALER", "REQ", "ROUTER"]

  /// Looks at a greeting as far as it has come, so that what is none is known at once.
  static func check(greeting bytes: [UInt8]) throws(ZMTPError) {
    if let first = bytes.first, first != 0xFF { throw .notZMTP }
    if bytes.count > 9, bytes[9] & 1 == 0 { throw .notZMTP }
    if bytes.count > 10, bytes[10] < 1 { throw .version(bytes[10]) }
    if bytes.count > 11, bytes[10] < 3, !peerTypes.contains(bytes[11]) { throw .socketType }
    guard bytes.count >= greetingBytes else { return }
    guard bytes[12..<32].elementsEqual(greeting[12..<32]) else { throw .mechanism }
  }

  /// Looks at the properties of a peer's READY.
  static func check(ready properties: ArraySlice<UInt8>) throws(ZMTPError) {
    var rest = properties
    var type: String?
    while !rest.isEmpty {
      guard let name = take(Int(rest.removeFirst()), &rest), !name.isEmpty,
        let count = take(4, &rest).map({ $0.reduce(0) { $0 << 8 | Int($1) } }),
        let value = take(count, &rest)
      else { throw .malformed }
      // Names are compared without case. A name that the peer gives itself is of no interest.
      if String(decoding: name, as: UTF8.self).lowercased() == "socket-type" {
        type = String(decoding: value, as: UTF8.self)
      }
    }
    guard let type, peers.contains(type) else { throw .socketType }
  }

  private static func take(_ count: Int, _ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard count <= rest.count else { return nil }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  /// A command frame; names are short.
  static func command(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let body = [UInt8(name.utf8.count)] + Array(name.utf8) + data
    if body.count < 256 { return [ZMTPParser.Flags.command, UInt8(body.count)] + body }
    let size = withUnsafeBytes(of: UInt64(body.count).bigEndian) { Array($0) }
    return [ZMTPParser.Flags.command | ZMTPParser.Flags.long] + size + body
  }

  static func property(_ name: String, _ value: String) -> [UInt8] {
    [UInt8(name.utf8.count)] + Array(name.utf8) + [0, 0, 0, UInt8(value.utf8.count)]
      + Array(value.utf8)
  }
}

/// Why a connection's bytes are not ZMTP that we speak.
enum ZMTPError: Error, Equatable {
  case notZMTP
  /// An older protocol.
  case version(UInt8)
  /// Another security mechanism than NULL.
  case mechanism
  /// A socket type that does not talk to a ROUTER.
  case socketType
  case malformed
  case frameTooLarge
  /// The peer ends the connection with an ERROR command.
  case refusedByPeer
}
