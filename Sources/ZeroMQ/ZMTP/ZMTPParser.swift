/// Cuts what one peer sends into greeting, commands and frames. A pure value: bytes go in, in any
/// cuts, events come out. It keeps no payload: that is handed on as it comes.
struct ZMTPParser {
  enum Event: Equatable {
    /// The peer's version is known: it waits for the rest of our greeting.
    case version(UInt8)
    /// The greeting of a ZMTP 3 peer is complete: it waits for our READY.
    case greeting
    /// The handshake is done.
    case ready
    /// A frame of a message begins.
    case frame(count: Int, more: Bool)
    /// So many bytes of the frame, just before the position.
    case payload(count: Int)
    /// The peer wants a PONG.
    case ping(context: [UInt8])
    /// A command that asks for nothing.
    case notice
  }

  enum Flags {
    static let more: UInt8 = 1
    static let long: UInt8 = 2
    static let command: UInt8 = 4
  }

  private enum Phase { case version, greeting, name, header, command(Int), payload }

  /// Bytes of the largest command; READY has the peer's properties.
  static let maximumCommand = 4096
  /// Bytes of the longest context of a PING.
  private static let maximumContext = 16

  private let maximumFrame: Int
  private var phase = Phase.version
  /// What is not complete of a greeting, a frame's header or a command.
  private var collected: [UInt8] = []
  /// Bytes of the frame that are still to come.
  private(set) var remaining = 0
  /// The handshake is done.
  private(set) var isReady = false

  /// - Parameter maximumFrame: bytes of the largest frame of a message.
  init(maximumFrame: Int) { self.maximumFrame = maximumFrame }

  /// Nothing has begun that is not complete (a message may have).
  var isBetweenFrames: Bool {
    if case .header = phase { collected.isEmpty } else { false }
  }

  /// The next event in `input` from `position` on, which moves on.
  /// - Returns: nil when all was taken.
  mutating func next(
    _ input: UnsafeRawBufferPointer, _ position: inout Int
  ) throws(ZMTPError) -> Event? {
    while position < input.count {
      let event: Event?
      switch phase {
      case .header: event = try header(input, &position)
      case .payload: return payload(input, &position)
      case .version: event = try version(input, &position)
      case .greeting: event = try greeting(input, &position)
      case .name: event = try name(input, &position)
      case .command(let count): event = try command(count, input, &position)
      }
      if let event { return event }
    }
    return nil
  }

  /// So many bytes of the frame were taken elsewhere.
  mutating func took(_ count: Int) {
    remaining -= count
    if remaining == 0 { phase = .header }
  }

  // MARK: Parts

  private mutating func version(
    _ input: UnsafeRawBufferPointer, _ position: inout Int
  ) throws(ZMTPError) -> Event? {
    collect(upTo: ZMTPHandshake.openingBytes, input, &position)
    try ZMTPHandshake.check(greeting: collected)
    guard let version = collected.last, collected.count == ZMTPHandshake.openingBytes else {
      return nil
    }
    phase = .greeting
    return .version(version)
  }

  private mutating func greeting(
    _ input: UnsafeRawBufferPointer, _ position: inout Int
  ) throws(ZMTPError) -> Event? {
    let isOld = collected[ZMTPHandshake.openingBytes - 1] < 3
    let count = isOld ? ZMTPHandshake.openingBytes + 1 : ZMTPHandshake.greetingBytes
    collect(upTo: count, input, &position)
    try ZMTPHandshake.check(greeting: collected)
    guard collected.count == count else { return nil }
    collected = []
    phase = isOld ? .name : .header
    return isOld ? nil : .greeting
  }

  /// The first frame of a ZMTP 2 peer is the name that it gives itself, which is of no interest.
  private mutating func name(
    _ input: UnsafeRawBufferPointer, _ position: inout Int
  ) throws(ZMTPError) -> Event? {
    if collected.count < 2 { collect(upTo: 2, input, &position) }
    guard collected.count >= 2 else { return nil }
    guard collected[0] == 0 else { throw .malformed }
    let count = 2 + Int(collected[1])
    collect(upTo: count, input, &position)
    guard collected.count == count else { return nil }
    collected = []
    phase = .header
    isReady = true
    return .ready
  }

  private mutating func collect(
    upTo count: Int, _ input: UnsafeRawBufferPointer, _ position: inout Int
  ) {
    let taken = max(0, min(count - collected.count, input.count - position))
    collected.append(contentsOf: input[position..<position + taken])
    position += taken
  }

  private mutating func header(
    _ input: UnsafeRawBufferPointer, _ position: inout Int
  ) throws(ZMTPError) -> Event? {
    let flags = collected.first ?? input[position]
    let count = flags & Flags.long == 0 ? 2 : 9
    if collected.isEmpty, input.count - position >= count {
      let header = UnsafeRawBufferPointer(rebasing: input[position..<position + count])
      position += count
      return try begin(flags, Self.size(header))
    }
    collect(upTo: count, input, &position)
    guard collected.count == count else { return nil }
    let size = collected.withUnsafeBytes(Self.size)
    collected.removeAll(keepingCapacity: true)
    return try begin(flags, size)
  }

  private static func size(_ header: UnsafeRawBufferPointer) -> UInt64 {
    header.count == 2
      ? UInt64(header[1])
      : UInt64(bigEndian: header.loadUnaligned(fromByteOffset: 1, as: UInt64.self))
  }

  private mutating func begin(_ flags: UInt8, _ size: UInt64) throws(ZMTPError) -> Event? {
    guard flags & ~(Flags.more | Flags.long | Flags.command) == 0 else { throw .malformed }
    if flags & Flags.command != 0 {
      guard flags & Flags.more == 0, size > 0 else { throw .malformed }
      guard size <= UInt64(Self.maximumCommand) else { throw .frameTooLarge }
      phase = .command(Int(size))
      return nil
    }
    guard isReady else { throw .malformed }
    guard size <= UInt64(maximumFrame) else { throw .frameTooLarge }
    remaining = Int(size)
    if remaining > 0 { phase = .payload }
    return .frame(count: remaining, more: flags & Flags.more != 0)
  }

  private mutating func payload(
    _ input: UnsafeRawBufferPointer, _ position: inout Int
  ) -> Event {
    let count = min(remaining, input.count - position)
    position += count
    took(count)
    return .payload(count: count)
  }

  private mutating func command(
    _ count: Int, _ input: UnsafeRawBufferPointer, _ position: inout Int
  ) throws(ZMTPError) -> Event? {
    collect(upTo: count, input, &position)
    guard collected.count == count else { return nil }
    phase = .header
    defer { collected = [] }
    let name = collected.dropFirst().prefix(Int(collected[0]))
    guard name.count == Int(collected[0]) else { throw .malformed }
    let data = collected[name.endIndex...]
    switch String(decoding: name, as: UTF8.self) {
    case "READY":
      guard !isReady else { throw .malformed }
      try ZMTPHandshake.check(ready: data)
      isReady = true
      return .ready
    case "ERROR": throw .refusedByPeer
    case _ where !isReady: throw .malformed
    case "PING":
      // Two bytes say for how long the peer waits.
      guard data.count >= 2, data.count - 2 <= Self.maximumContext else { throw .malformed }
      return .ping(context: Array(data.dropFirst(2)))
    default: return .notice
    }
  }
}
