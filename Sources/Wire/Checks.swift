/// Range checks shared by the messages; each throws a `WireError` naming the field.
enum Check {
  /// An integer within bounds.
  static func range<Number: BinaryInteger>(
    _ value: Number, _ range: ClosedRange<Int>, _ field: String
  ) throws(WireError) -> Int {
    guard let number = Int(exactly: value), range.contains(number) else {
      throw WireError(
        .outOfRange, "\(value), not within \(range.lowerBound) to \(range.upperBound)",
        field: field)
    }
    return number
  }

  /// A finite number that satisfies a condition, which `rule` says in words.
  static func number(
    _ value: Double, _ field: String, _ rule: String, _ condition: (Double) -> Bool
  ) throws(WireError) -> Double {
    guard value.isFinite, condition(value) else {
      throw WireError(.outOfRange, "\(value), but must be \(rule)", field: field)
    }
    return value
  }

  /// A number that is at least 0.
  static func notNegative(_ value: Double, _ field: String) throws(WireError) -> Double {
    try number(value, field, "a finite number of at least 0") { $0 >= 0 }
  }

  /// A text that is not empty.
  static func present(_ text: String, _ field: String) throws(WireError) -> String {
    guard !text.isEmpty else { throw WireError(.missing, "must not be empty", field: field) }
    return text
  }

  /// The name of a checkpoint, which becomes a file name: letters, digits and ". _ -", and no
  /// "." at the start. An empty name is left to the caller.
  static func name(_ name: String, _ field: String = "name") throws(WireError) -> String {
    let allowed = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "-"):
        true
      default: false
      }
    }
    guard allowed, !name.hasPrefix("."), name.utf8.count <= Limits.maxNameBytes else {
      throw WireError(
        .outOfRange,
        "a name has at most \(Limits.maxNameBytes) letters, digits and . _ - and does not begin"
          + " with a dot", field: field)
    }
    return name
  }

  /// A time to live in seconds.
  static func ttl(_ seconds: UInt64) throws(WireError) -> UInt64 {
    guard seconds >= 1, seconds <= Limits.maxTTLSeconds else {
      throw WireError(
        .outOfRange, "\(seconds), not within 1 to \(Limits.maxTTLSeconds)", field: "ttl_seconds")
    }
    return seconds
  }
}
