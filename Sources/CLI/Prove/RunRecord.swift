import Crypto
import Foundation

/// Everything that a training gave, in the order of its calls: what two runs of it must share, bit
/// for bit. Only what the bodies of answers say, and files; no times.
struct RunRecord: Sendable, Equatable {
  /// One result.
  struct Entry: Sendable, Equatable {
    /// Which result, for people: the call, and the part of its answer.
    let name: String
    /// Its bytes; numbers are little-endian.
    let bytes: [UInt8]
  }

  private(set) var entries: [Entry] = []

  /// Adds bytes, for instance those of a file.
  mutating func add(_ name: String, _ bytes: [UInt8]) {
    entries.append(Entry(name: name, bytes: bytes))
  }

  /// Adds the bit patterns of numbers.
  mutating func add(_ name: String, _ numbers: [Float]) {
    add(name, numbers.map(\.bitPattern))
  }

  /// Adds the bit pattern of a number.
  mutating func add(_ name: String, _ number: Double) {
    add(name, [number.bitPattern])
  }

  /// Adds integers.
  mutating func add<Number: FixedWidthInteger>(_ name: String, _ numbers: [Number]) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(numbers.count * MemoryLayout<Number>.size)
    for number in numbers {
      withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }
    add(name, bytes)
  }

  /// Adds text as UTF-8.
  mutating func add(_ name: String, text: String) { add(name, Array(text.utf8)) }

  /// SHA-256 of the entry of a name, in hex; nil if there is none.
  func digest(of name: String) -> String? {
    entries.first { $0.name == name }.map { entry in
      SHA256.hash(data: entry.bytes).map { byte in
        byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16)
      }.joined()
    }
  }
}

/// Where a run first differs from the one it must equal.
struct RunDifference: Equatable, CustomStringConvertible {
  /// How a result differs.
  enum Kind: Equatable {
    /// A byte has another value. `expected` and `actual` are the bytes around it, from `start` on.
    case byte(offset: Int, start: Int, expected: [UInt8], actual: [UInt8])
    /// One is the beginning of the other.
    case length(expected: Int, actual: Int)
    /// The run has another result here; nil if it has none.
    case other(actual: String?)
    /// The run has a result that should not be there.
    case additional
  }

  /// Name of the result.
  let name: String
  let kind: Kind

  /// The first difference; nil if there is none.
  init?(expected: RunRecord, actual: RunRecord) {
    for (index, entry) in expected.entries.enumerated() {
      let other = index < actual.entries.count ? actual.entries[index] : nil
      guard let other, other.name == entry.name else {
        self.init(name: entry.name, kind: .other(actual: other?.name))
        return
      }
      guard let kind = Self.compare(entry.bytes, other.bytes) else { continue }
      self.init(name: entry.name, kind: kind)
      return
    }
    guard actual.entries.count > expected.entries.count else { return nil }
    self.init(name: actual.entries[expected.entries.count].name, kind: .additional)
  }

  private init(name: String, kind: Kind) {
    self.name = name
    self.kind = kind
  }

  private static func compare(_ expected: [UInt8], _ actual: [UInt8]) -> Kind? {
    if let offset = zip(expected, actual).enumerated().first(where: { $0.1.0 != $0.1.1 })?.offset {
      // The number that it belongs to: none is longer than eight bytes.
      let start = offset / 8 * 8
      return .byte(
        offset: offset, start: start, expected: Array(expected.dropFirst(start).prefix(8)),
        actual: Array(actual.dropFirst(start).prefix(8)))
    }
    guard expected.count != actual.count else { return nil }
    return .length(expected: expected.count, actual: actual.count)
  }

  var description: String {
    switch kind {
    case .byte(let offset, let start, let expected, let actual):
      "\(name): byte \(offset) differs; from byte \(start) on: "
        + "\(Self.hex(actual)) instead of \(Self.hex(expected))"
    case .length(let expected, let actual): "\(name): \(actual) bytes instead of \(expected)"
    case .other(nil): "\(name) is missing"
    case .other(let actual?): "\(name): there is \(actual) instead"
    case .additional: "\(name) should not be there"
    }
  }

  private static func hex(_ bytes: [UInt8]) -> String {
    bytes.map { String(format: "%02x", $0) }.joined(separator: " ")
  }
}
