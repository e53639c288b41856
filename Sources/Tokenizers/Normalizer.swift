import Foundation

/// The `normalizer` of a tokenizer file: none, NFC, or a sequence of these.
enum Normalizer: Sendable {
  case none
  case nfc

  /// - Throws: `unsupported` naming any other normaliser.
  init(_ json: JSONValue?) throws(TokenizerError) {
    guard let json, !json.isNull else {
      self = .none
      return
    }
    switch json.object?["type"]?.string {
    case "NFC": self = .nfc
    case "Sequence":
      guard let parts = json.object?["normalizers"]?.array else {
        throw TokenizerError(.invalidFile, "normalizer: a Sequence without normalizers")
      }
      self = .none
      for part in parts {
        if case .nfc = try Normalizer(part) { self = .nfc }
      }
    case let type:
      throw TokenizerError(.unsupported, "normalizer \(type ?? "without a type")")
    }
  }

  func callAsFunction(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    switch self {
    case .none: text
    case .nfc: Self.composed(text)
    }
  }

  /// Vowel signs of combining class 0 that decompose to marks: the standard library takes them for
  /// starters and stops reordering there, so they are taken apart beforehand.
  private static let tibetanVowels: [Unicode.Scalar: String.UnicodeScalarView] = [
    "\u{F73}": "\u{F71}\u{F72}".unicodeScalars, "\u{F75}": "\u{F71}\u{F74}".unicodeScalars,
    "\u{F81}": "\u{F71}\u{F80}".unicodeScalars,
  ]

  /// NFC as the reference computes it, which knows the characters of Unicode 9 only.
  ///
  /// Normalisation of a character never changes once it is in Unicode, so what the reference knows
  /// can be left to Foundation; all other characters are inert there and cut the text into parts.
  private static func composed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    // Below U+0300 (lead byte 0xCC) nothing moves or joins by itself.
    guard text.contains(where: { $0 >= 0xCC }) else { return text }
    var out: [UInt8] = []
    out.reserveCapacity(text.count)
    var part = String.UnicodeScalarView()
    var isActive = false
    func flush() {
      out += isActive ? String(part).precomposedStringWithCanonicalMapping.utf8 : String(part).utf8
      part = String.UnicodeScalarView()
      isActive = false
    }
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      if scalar.value < 0x300 {
        part.append(scalar)
      } else if ScalarTable.normalization.contains(scalar.value) {
        if let marks = tibetanVowels[scalar] {
          part.append(contentsOf: marks)
        } else {
          part.append(scalar)
        }
        isActive = true
      } else {
        flush()
        out += UTF8.encode(scalar).map(Array.init) ?? []
      }
    }
    flush()
    return out[...]
  }
}
