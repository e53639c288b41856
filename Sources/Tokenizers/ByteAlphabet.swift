/// GPT-2's spelling of bytes as printable characters, in which vocabularies are written.
///
/// Printable Latin-1 bytes stand for themselves; the other 68 take U+0100 onwards in order. Formula
/// source: `bytes_to_unicode` of the GPT-2 release.
enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var spare: UInt32 = 0x100
    return (0..<256).map { byte in
      let isPrintable =
        (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
      if isPrintable { return Unicode.Scalar(UInt8(byte)) }
      defer { spare += 1 }
      return Unicode.Scalar(spare) ?? " "
    }
  }()

  /// UTF-8 of each byte's character.
  static let utf8: [[UInt8]] = scalars.map { Array(String($0).utf8) }

  private static let bytes: [UInt8?] = {
    var table = [UInt8?](repeating: nil, count: 0x180)
    for (byte, scalar) in scalars.enumerated() { table[Int(scalar.value)] = UInt8(byte) }
    return table
  }()

  /// The bytes that a token stands for: those its characters spell, or its own UTF-8 where one of
  /// them is not of the alphabet, as the reference's decoder has it.
  static func decode(_ token: String) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(token.utf8.count)
    for scalar in token.unicodeScalars {
      guard scalar.value < bytes.count, let byte = bytes[Int(scalar.value)] else {
        return Array(token.utf8)
      }
      out.append(byte)
    }
    return out
  }
}
