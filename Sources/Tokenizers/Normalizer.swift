import JSON

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

  /// NFC as the reference computes it, which knows the characters of Unicode 9 only: all others
  /// are inert there and cut the text into parts, so that memory is bounded by the longest part.
  private static func composed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    // Below U+0300 (lead byte 0xCC) nothing moves or joins by itself.
    guard text.contains(where: { $0 >= 0xCC }) else { return text }
    var out: [UInt8] = []
    out.reserveCapacity(text.count)
    var part: [UInt32] = []
    var isActive = false
    func flush() {
      for value in isActive ? CanonicalComposition.shared.composed(part) : part {
        append(value, to: &out)
      }
      part.removeAll(keepingCapacity: true)
      isActive = false
    }
    for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
      if scalar.value < 0x300 {
        part.append(scalar.value)
      } else if ScalarTable.normalization.contains(scalar.value) {
        part.append(scalar.value)
        isActive = true
      } else {
        flush()
        append(scalar.value, to: &out)
      }
    }
    flush()
    return out[...]
  }

  private static func append(_ value: UInt32, to out: inout [UInt8]) {
    guard let scalar = Unicode.Scalar(value) else { return }
    if let bytes = UTF8.encode(scalar) { out.append(contentsOf: bytes) }
  }
}
