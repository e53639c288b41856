/// Reads numbers with units: times, shares, rates.
package enum Quantity {
  /// What a text's unit says it measures.
  package enum Kind: Sendable, Hashable {
    /// No unit.
    case count
    /// Seconds, from us, ms, s, m or h.
    case time
    /// A share, from %.
    case share
    /// A rate, from /s.
    case rate
  }

  private static let units: [(suffix: String, kind: Kind, factor: Double)] = [
    ("/s", .rate, 1), ("%", .share, 0.01), ("us", .time, 1e-6), ("µs", .time, 1e-6),
    ("ms", .time, 1e-3), ("s", .time, 1), ("min", .time, 60), ("m", .time, 60), ("h", .time, 3600),
  ]

  /// A number with its unit.
  /// - Throws: `LoadError` for anything but a finite number that is at least 0.
  package static func parse(_ text: String) throws(LoadError) -> (value: Double, kind: Kind) {
    let text = text.filter { !$0.isWhitespace && $0 != "_" }
    for unit in units where text.hasSuffix(unit.suffix) {
      if let value = number(text.dropLast(unit.suffix.count)) {
        return (value * unit.factor, unit.kind)
      }
    }
    guard let value = number(text[...]) else { throw LoadError("\"\(text)\" is not a number") }
    return (value, .count)
  }

  /// Seconds; a number without a unit is seconds.
  package static func seconds(_ text: String) throws(LoadError) -> Double {
    let (value, kind) = try parse(text)
    guard kind == .time || kind == .count else { throw LoadError("\"\(text)\" is not a time") }
    return value
  }

  /// A number or a range `10..100`, with an optional `/s`.
  package static func ramp(_ text: String) throws(LoadError) -> Ramp {
    let parts = text.split(separator: "..", omittingEmptySubsequences: false)
    guard parts.count <= 2, let first = parts.first, let last = parts.last else {
      throw LoadError("\"\(text)\" is not a number or a range like 10..100")
    }
    let (from, to) = (try parse(String(first)), try parse(String(last)))
    for kind in [from.kind, to.kind] where kind != .count && kind != .rate {
      throw LoadError("\"\(text)\" has a unit that does not belong here")
    }
    return Ramp(from: from.value, to: to.value)
  }

  /// A whole number of at least `least`.
  package static func whole(_ text: String, least: Int = 0) throws(LoadError) -> Int {
    guard let value = Int(text.filter { $0 != "_" }), value >= least, value <= 1_000_000_000 else {
      throw LoadError("\"\(text)\" is not a whole number from \(least) to a thousand million")
    }
    return value
  }

  private static func number(_ text: Substring) -> Double? {
    guard let value = Double(text), value.isFinite, value >= 0 else { return nil }
    return value
  }
}

/// A level that moves in a straight line over the length of a stage.
package struct Ramp: Sendable, Hashable {
  /// At the begin.
  package var from: Double
  /// At the end.
  package var to: Double

  package init(from: Double, to: Double) {
    self.from = from
    self.to = to
  }

  /// The same level all the time.
  package init(_ level: Double) { self.init(from: level, to: level) }

  /// The level at a share of the way, 0 to 1.
  package func level(at share: Double) -> Double { from + (to - from) * share }
}
