import Crypto
import Wire

/// Prints lines and sums them up.
struct Lines {
  private var hash = SHA256()

  mutating func line(_ words: String...) {
    let text = words.joined(separator: " ")
    hash.update(data: Array((text + "\n").utf8))
    print(text)
  }

  /// The last line.
  func end() { print("digest sha256:\(Self.hex(Array(hash.finalize())))") }

  static func sha256(_ parts: [Bytes]) -> String {
    var hash = SHA256()
    for part in parts { part.withUnsafeBytes { hash.update(bufferPointer: $0) } }
    return "sha256:" + hex(Array(hash.finalize()))
  }

  static func bits(_ value: Double) -> String { "0x" + padded(value.bitPattern, 16) }

  static func hex(_ bytes: [UInt8]) -> String { bytes.map { padded($0, 2) }.joined() }

  private static func padded(_ value: some BinaryInteger, _ width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
