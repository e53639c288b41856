/// Decodes tokens one by one and never gives half a character.
///
/// What `push` returns, joined, and what `finish` returns at the end, is `decode` of all the ids.
package struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  /// Bytes of a character that has begun: at most three.
  private var held: [UInt8] = []

  package init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool = true) {
    self.tokenizer = tokenizer
    skipsSpecialTokens = skipSpecialTokens
  }

  /// The text that became certain with this token, often empty.
  package mutating func push(_ id: Int32) -> String {
    held += tokenizer.decodeBytes([id], skipSpecialTokens: skipsSpecialTokens)
    let end = held.count - Self.unfinishedCount(held)
    defer { held.removeSubrange(..<end) }
    return String(decoding: held[..<end], as: UTF8.self)
  }

  /// What is left: U+FFFD if the last character was never finished, else empty.
  package mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }

  /// Length of a tail that further bytes could make a character.
  private static func unfinishedCount(_ bytes: [UInt8]) -> Int {
    for count in 1...3 where count <= bytes.count {
      let lead = bytes[bytes.count - count]
      if lead & 0xC0 == 0x80 { continue }
      guard (0xC2...0xF4).contains(lead), count < UTF8Text.length(lead) else { return 0 }
      return isPossibleStart(bytes.suffix(count)) ? count : 0
    }
    return 0
  }

  /// Whether the second byte is one that the lead allows: no surrogates, nothing overlong or
  /// beyond U+10FFFF. Such a tail is replaced at once, so it must not wait for more.
  private static func isPossibleStart(_ tail: ArraySlice<UInt8>) -> Bool {
    guard let lead = tail.first, let second = tail.dropFirst().first else { return true }
    switch lead {
    case 0xE0: return second >= 0xA0
    case 0xED: return second < 0xA0
    case 0xF0: return second >= 0x90
    case 0xF4: return second < 0x90
    default: return true
    }
  }
}
