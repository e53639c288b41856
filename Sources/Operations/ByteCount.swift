/// A number of bytes as people write it: `512M`, `4G`, `1.5GiB`, `100000`. Units are powers of 1024.
package struct ByteCount: Sendable, Equatable {
  /// At least one.
  package let bytes: Int

  package init?(_ text: String) {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard let number = Double(digits), let unit = Self.unit(text.dropFirst(digits.count)) else {
      return nil
    }
    let bytes = (number * unit).rounded()
    guard bytes >= 1, bytes <= 0x1p60 else { return nil }
    self.bytes = Int(bytes)
  }

  private static func unit(_ text: Substring) -> Double? {
    switch text.uppercased() {
    case "", "B": 1
    case "K", "KB", "KIB": 0x1p10
    case "M", "MB", "MIB": 0x1p20
    case "G", "GB", "GIB": 0x1p30
    case "T", "TB", "TIB": 0x1p40
    default: nil
    }
  }
}
