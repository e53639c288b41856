/// A set of Unicode general categories as bits, with white space told apart inside `Cc`.
///
/// The bit order is that of the codes in `UnicodeTables`. All of Zs, Zl and Zp is white space, so
/// that `\s` is a category set too and every escape of a tokenizer pattern is one mask.
struct CategorySet: OptionSet, Hashable, Sendable {
  let rawValue: UInt32

  private static let names = [
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe",
    "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Co", "Cn", "Cc",
  ]

  static let all = CategorySet(rawValue: 1 << 30 - 1)
  static let decimalDigit = CategorySet(named: "Nd") ?? []
  static let number = CategorySet(named: "N") ?? []
  static let whiteSpace: CategorySet = [CategorySet(named: "Z") ?? [], .init(rawValue: 1 << 29)]
  static let word: CategorySet = ["L", "M", "Nd", "Nl", "Pc"].reduce(into: []) {
    $0.formUnion(CategorySet(named: $1) ?? [])
  }

  init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// The set that `\p{name}` stands for: a category or a group of them, nil if there is none.
  init?(named name: String) {
    let bits = Self.names.indices.filter { index in
      name.utf8.count == 1 ? Self.names[index].hasPrefix(name) : Self.names[index] == name
    }
    guard !bits.isEmpty else { return nil }
    rawValue = bits.reduce(0) { $0 | 1 << UInt32($1) }
  }

  var inverted: CategorySet { Self.all.subtracting(self) }
}

/// Category of every code point, one byte each, expanded once from the frozen runs.
enum ScalarTable {
  static let categories: [UInt8] = {
    var codes = [UInt8](repeating: 0, count: 128)
    for (index, code) in UnicodeTables.categoryCodes.utf8.enumerated() {
      codes[Int(code)] = UInt8(index)
    }
    var table: [UInt8] = []
    table.reserveCapacity(0x110000)
    var category: UInt8?
    var length = 0
    func flush() {
      guard let category else { return }
      table.append(contentsOf: repeatElement(category, count: max(length, 1)))
      length = 0
    }
    for byte in UnicodeTables.categoryRuns.utf8 {
      if let digit = Base36.digit(byte) {
        length = length * 36 + digit
      } else {
        flush()
        category = codes[Int(byte & 127)]
      }
    }
    flush()
    table.append(contentsOf: repeatElement(0, count: max(0, 0x110000 - table.count)))
    return table
  }()

  /// Code points of `CategorySet.number`, and a few that the reference's digit test adds.
  static let extraNumeric = ScalarRanges(encoded: UnicodeTables.extraNumericRanges)
  /// Word characters for `single_word` tokens beyond `CategorySet.word`.
  static let extraWord = ScalarRanges(encoded: UnicodeTables.extraWordRanges)
  /// Code points that canonical normalisation touches.
  static let normalization = ScalarRanges(encoded: UnicodeTables.normalizationRanges)

  static func contains(_ scalar: UInt32, in set: CategorySet) -> Bool {
    scalar < 0x110000 && set.rawValue >> UInt32(categories[Int(scalar)]) & 1 == 1
  }
}

/// Sorted code point ranges, searched by halves.
struct ScalarRanges: Sendable {
  let ranges: [ClosedRange<UInt32>]

  init(encoded: String) {
    var next: UInt32 = 0
    var numbers = encoded.split(separator: " ").compactMap { UInt32($0, radix: 36) }[...]
    var ranges: [ClosedRange<UInt32>] = []
    while let gap = numbers.popFirst(), let length = numbers.popFirst(), length > 0 {
      ranges.append(next + gap...next + gap + length - 1)
      next += gap + length
    }
    self.ranges = ranges
  }

  func contains(_ scalar: UInt32) -> Bool {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].contains(scalar)
  }
}

private enum Base36 {
  static func digit(_ byte: UInt8) -> Int? {
    switch byte {
    case 0x30...0x39: Int(byte) - 0x30
    case 0x61...0x7A: Int(byte) - 0x61 + 10
    default: nil
    }
  }
}
