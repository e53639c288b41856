import TestSupport
import Testing

@testable import ZeroMQ

/// The bytes of a ZMTP connection, in any cuts, and what is refused of them.
struct ZMTPParserTests {
  private static let frameLimit = 100_000

  /// What came out, payloads joined.
  private enum Seen: Equatable {
    case event(ZMTPParser.Event)
    case frame([UInt8], more: Bool)
  }

  private func parse(_ bytes: [UInt8], cut: Int) throws(ZMTPError) -> [Seen] {
    var parser = ZMTPParser(maximumFrame: Self.frameLimit)
    var seen: [Seen] = []
    var frame: (bytes: [UInt8], more: Bool)?
    for start in stride(from: 0, to: bytes.count, by: cut) {
      let piece = Array(bytes[start..<min(start + cut, bytes.count)])
      var position = 0
      while true {
        let event = try parser.next(piece, &position)
        guard let event else { break }
        switch event {
        case .frame(_, let more): frame = ([], more)
        case .payload(let count): frame?.bytes += piece[position - count..<position]
        default: seen.append(.event(event))
        }
        if let done = frame, parser.remaining == 0 {
          seen.append(.frame(done.bytes, more: done.more))
          frame = nil
        }
      }
      #expect(position == piece.count)
    }
    return seen
  }

  static let ready = ZMTPHandshake.command(
    "READY",
    ZMTPHandshake.property("socket-type", "DEALER") + ZMTPHandshake.property("Identity", "me"))

  static func short(_ bytes: [UInt8], more: Bool = false) -> [UInt8] {
    [more ? 1 : 0, UInt8(bytes.count)] + bytes
  }

  static func long(_ bytes: [UInt8], more: Bool = false, count: UInt64? = nil) -> [UInt8] {
    var size = (count ?? UInt64(bytes.count)).bigEndian
    return [more ? 3 : 2] + withUnsafeBytes(of: &size) { Array($0) } + bytes
  }

  @Test(arguments: [1, 2, 3, 7, 9, 64, 65, 100, 1 << 20])
  func cutsDoNotMatter(cut: Int) throws {
    let large = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    let bytes =
      ZMTPHandshake.greeting + Self.ready + Self.short([1, 2, 3], more: true) + Self.short([])
      + ZMTPHandshake.command("PING", [0, 10, 7, 8]) + Self.long(large, more: true)
      + Self.long([9]) + ZMTPHandshake.command("PONG", [7, 8]) + Self.short([5])
    #expect(
      try parse(bytes, cut: cut) == [
        .event(.version(3)), .event(.greeting), .event(.ready), .frame([1, 2, 3], more: true),
        .frame([], more: false), .event(.ping(context: [7, 8])), .frame(large, more: true),
        .frame([9], more: false),
        .event(.notice), .frame([5], more: false),
      ])
  }

  /// JeroMQ 0.3, which Debian has, speaks ZMTP 2: no READY, but a name in a frame.
  @Test(arguments: [1, 2, 3, 11, 12, 13, 1 << 20])
  func olderPeersAreUnderstood(cut: Int) throws {
    for name: [UInt8] in [[], [7, 8, 9]] {
      let bytes =
        Array(ZMTPHandshake.greeting[..<10]) + [1, 5] + Self.short(name)
        + Self.short([1], more: true) + Self.long([2, 3])
      #expect(
        try parse(bytes, cut: cut) == [
          .event(.version(1)), .event(.ready), .frame([1], more: true),
          .frame([2, 3], more: false),
        ])
    }
    #expect(ZMTPHandshake.rest(for: 1) == [6, 0, 0])
    #expect(ZMTPHandshake.opening + ZMTPHandshake.rest(for: 3) == ZMTPHandshake.greeting)
  }

  private static func greeting(_ change: (inout [UInt8]) -> Void) -> [UInt8] {
    var bytes = ZMTPHandshake.greeting
    change(&bytes)
    return bytes
  }

  private static func ready(_ type: String) -> [UInt8] {
    ZMTPHandshake.greeting
      + ZMTPHandshake.command("READY", ZMTPHandshake.property("Socket-Type", type))
  }

  static let refused: [(String, [UInt8], ZMTPError)] = [
    ("HTTP", Array("GET / HTTP/1.1\r\n\r\n".utf8), .notZMTP),
    ("the signature's end", greeting { $0[9] = 0x7E }, .notZMTP),
    ("ZMTP 1", greeting { $0[10] = 0 }, .version(0)),
    ("a SUB of ZMTP 2", greeting { $0.replaceSubrange(10..<12, with: [1, 2]) }, .socketType),
    (
      "a long name in ZMTP 2",
      Array(ZMTPHandshake.greeting[..<10]) + [1, 5, 2, 0, 0, 0, 0, 0, 0, 1, 0], .malformed
    ),
    (
      "another mechanism", greeting { $0.replaceSubrange(12..<17, with: Array("PLAIN".utf8)) },
      .mechanism
    ),
    ("a longer mechanism", greeting { $0[16] = 65 }, .mechanism),
    ("a PUB", ready("PUB"), .socketType),
    ("no type", ZMTPHandshake.greeting + ZMTPHandshake.command("READY", []), .socketType),
    (
      "a value beyond the end",
      ZMTPHandshake.greeting + ZMTPHandshake.command("READY", [1, 65, 255, 255, 255, 255]),
      .malformed
    ),
    (
      "a name beyond the end",
      ZMTPHandshake.greeting + ZMTPHandshake.command("READY", [200, 65]), .malformed
    ),
    ("a message before READY", ZMTPHandshake.greeting + short([1]), .malformed),
    (
      "PING before READY", ZMTPHandshake.greeting + ZMTPHandshake.command("PING", [0, 0]),
      .malformed
    ),
    ("READY twice", ZMTPHandshake.greeting + ready + ready, .malformed),
    ("ERROR", ZMTPHandshake.greeting + ZMTPHandshake.command("ERROR", [0]), .refusedByPeer),
    ("reserved flags", ZMTPHandshake.greeting + ready + [8, 0], .malformed),
    ("a command with more", ZMTPHandshake.greeting + ready + [5, 1, 0], .malformed),
    ("an empty command", ZMTPHandshake.greeting + ready + [4, 0], .malformed),
    (
      "a command's name beyond its end", ZMTPHandshake.greeting + ready + [4, 2, 9, 65],
      .malformed
    ),
    ("a large command", ZMTPHandshake.greeting + [6, 0, 0, 0, 0, 0, 0, 0x10, 1], .frameTooLarge),
    (
      "a long context",
      ZMTPHandshake.greeting + ready
        + ZMTPHandshake.command("PING", [UInt8](repeating: 0, count: 19)), .malformed
    ),
    ("a large frame", ZMTPHandshake.greeting + ready + long([], count: 100_001), .frameTooLarge),
    ("2^63 bytes", ZMTPHandshake.greeting + ready + long([], count: 1 << 63), .frameTooLarge),
    ("2^64 - 1 bytes", ZMTPHandshake.greeting + ready + long([], count: .max), .frameTooLarge),
  ]

  @Test(arguments: refused)
  func isRefused(what: String, bytes: [UInt8], error: ZMTPError) {
    for cut in [1, 5, 1000] {
      #expect(throws: error, "\(what), cut at \(cut)") { try parse(bytes, cut: cut) }
    }
  }

  @Test func randomBytesNeverTrap() {
    var generator = SplitMix(seed: 7)
    for _ in 0..<20_000 {
      var bytes = ZMTPHandshake.greeting + Self.ready + Self.long([1, 2, 3], more: true)
      if generator.next() % 4 == 0 {
        bytes = Array(ZMTPHandshake.greeting[..<10]) + [1, 5] + Self.short([7, 8, 9]) + Self.ready
      }
      if generator.next() % 2 == 0 { bytes = Array(bytes.prefix(Int(generator.next() % 100))) }
      for _ in 0..<Int(generator.next() % 4) where !bytes.isEmpty {
        bytes[Int(generator.next() % UInt64(bytes.count))] = UInt8(
          truncatingIfNeeded: generator.next())
      }
      bytes += (0..<20).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
      _ = try? parse(bytes, cut: 1 + Int(generator.next() % 40))
    }
  }
}

extension ZMTPParser {
  fileprivate mutating func next(
    _ bytes: [UInt8], _ position: inout Int
  ) throws(ZMTPError) -> Event? {
    let result: Result<Event?, ZMTPError> = bytes.withUnsafeBytes { input in
      Result { () throws(ZMTPError) in try next(input, &position) }
    }
    return try result.get()
  }
}
