import Foundation

/// Sizes of requests: how many tokens, how many sequences.
///
/// In text: `128`, `uniform(16,512)`, `normal(100,20)`, `lognormal(64,0.8)` (median and sigma),
/// `list(16,32,512)`, `list(16:3,512:1)` with weights; `normal` and `lognormal` take bounds as third
/// and fourth number.
package enum Distribution: Sendable, Hashable {
  /// Always the same.
  case constant(Int)
  /// Whole numbers from a to b, each as likely.
  case uniform(ClosedRange<Int>)
  /// Normal with mean and standard deviation, rounded, kept in the bounds.
  case normal(mean: Double, deviation: Double, bounds: ClosedRange<Int>)
  /// exp(Normal(ln median, sigma)), rounded, kept in the bounds.
  case lognormal(median: Double, sigma: Double, bounds: ClosedRange<Int>)
  /// Some values with weights.
  case list([Int], weights: [Double])

  /// Larger than any size that makes sense: it keeps a slip of the pen from filling the memory.
  package static let largest = 1 << 20

  /// The largest size that may be drawn.
  package var upperBound: Int {
    switch self {
    case .constant(let value): value
    case .uniform(let range): range.upperBound
    case .normal(_, _, let bounds), .lognormal(_, _, let bounds): bounds.upperBound
    case .list(let values, _): values.max() ?? 0
    }
  }

  /// A size.
  package func draw(_ random: inout Randomness) -> Int {
    switch self {
    case .constant(let value): return value
    case .uniform(let range): return range.lowerBound + random.below(range.count)
    case .normal(let mean, let deviation, let bounds):
      return Self.clamp(mean + deviation * Self.normal(&random), bounds)
    case .lognormal(let median, let sigma, let bounds):
      return Self.clamp(median * exp(sigma * Self.normal(&random)), bounds)
    case .list(let values, let weights):
      return values[Self.index(of: random.unit(), in: weights)]
    }
  }

  /// The place that a share (0, 1] of the weights' sum falls on.
  static func index(of share: Double, in weights: [Double]) -> Int {
    var left = share * weights.reduce(0, +)
    for (index, weight) in weights.enumerated() {
      left -= weight
      if left <= 0, weight > 0 { return index }
    }
    return weights.lastIndex { $0 > 0 } ?? 0
  }

  /// Box and Muller's transform; one of its two values is dropped, so that there is no state.
  private static func normal(_ random: inout Randomness) -> Double {
    let radius = (-2 * log(random.unit())).squareRoot()
    return radius * cos(2 * .pi * random.unit())
  }

  private static func clamp(_ value: Double, _ bounds: ClosedRange<Int>) -> Int {
    let low = Double(bounds.lowerBound)
    let high = Double(bounds.upperBound)
    // Infinity times zero: the numbers were absurd, the size need not be.
    if value.isNaN { return bounds.lowerBound }
    return Int(min(max(value.rounded(), low), high))
  }
}

extension Distribution {
  /// Reads the text form.
  /// - Throws: `LoadError` if it is none, or has sizes below 1 or above `largest`.
  package init(_ text: String) throws(LoadError) {
    let text = text.filter { !$0.isWhitespace }
    guard let open = text.firstIndex(of: "("), text.hasSuffix(")") else {
      self = .constant(try Self.size(text[...]))
      return
    }
    let name = text[..<open]
    let items = text[text.index(after: open)...].dropLast()
      .split(separator: ",", omittingEmptySubsequences: false)
    switch name {
    case "constant" where items.count == 1: self = .constant(try Self.size(items[0]))
    case "uniform" where items.count == 2:
      self = .uniform(try Self.range(items[0], items[1]))
    case "normal" where (2...4).contains(items.count):
      self = .normal(
        mean: try Self.number(items[0]), deviation: try Self.number(items[1]),
        bounds: try Self.bounds(items.dropFirst(2)))
    case "lognormal" where (2...4).contains(items.count):
      self = .lognormal(
        median: try Self.number(items[0]), sigma: try Self.number(items[1]),
        bounds: try Self.bounds(items.dropFirst(2)))
    case "list" where !items.isEmpty: self = try Self.list(items)
    default:
      throw LoadError(
        "\"\(text)\" is not a size: a number, uniform(a,b), normal(mean,deviation[,min[,max]]), "
          + "lognormal(median,sigma[,min[,max]]) or list(a:weight,b:weight)")
    }
  }

  private static func list(_ items: [Substring]) throws(LoadError) -> Distribution {
    var values: [Int] = []
    var weights: [Double] = []
    for item in items {
      let parts = item.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count <= 2 else { throw LoadError("\"\(item)\" is not value:weight") }
      values.append(try size(parts[0]))
      weights.append(parts.count == 2 ? try number(parts[1]) : 1)
    }
    guard weights.contains(where: { $0 > 0 }) else { throw LoadError("no weight is above 0") }
    return .list(values, weights: weights)
  }

  private static func bounds(_ items: ArraySlice<Substring>) throws(LoadError) -> ClosedRange<Int> {
    switch items.count {
    case 0: return 1...largest
    case 1: return try range(items[items.startIndex], "\(largest)")
    default: return try range(items[items.startIndex], items[items.startIndex + 1])
    }
  }

  private static func range(
    _ low: Substring, _ high: Substring
  ) throws(LoadError) -> ClosedRange<Int> {
    let (low, high) = (try size(low), try size(high))
    guard low <= high else { throw LoadError("\(low) is more than \(high)") }
    return low...high
  }

  private static func size(_ text: Substring) throws(LoadError) -> Int {
    guard let value = Int(text), (1...largest).contains(value) else {
      throw LoadError("\"\(text)\" is not a size from 1 to \(largest)")
    }
    return value
  }

  private static func number(_ text: Substring) throws(LoadError) -> Double {
    guard let value = Double(text), value.isFinite, value >= 0 else {
      throw LoadError("\"\(text)\" is not a number of at least 0")
    }
    return value
  }
}

extension Distribution: CustomStringConvertible {
  /// The text form.
  package var description: String {
    switch self {
    case .constant(let value): "\(value)"
    case .uniform(let range): "uniform(\(range.lowerBound),\(range.upperBound))"
    case .normal(let mean, let deviation, let bounds):
      "normal(\(Self.text(mean)),\(Self.text(deviation)),\(bounds.lowerBound),\(bounds.upperBound))"
    case .lognormal(let median, let sigma, let bounds):
      "lognormal(\(Self.text(median)),\(Self.text(sigma)),\(bounds.lowerBound),\(bounds.upperBound))"
    case .list(let values, let weights):
      "list(\(zip(values, weights).map { "\($0):\(Self.text($1))" }.joined(separator: ",")))"
    }
  }

  /// A number as it is read, whole ones without a point.
  private static func text(_ value: Double) -> String {
    Int(exactly: value).map { "\($0)" } ?? "\(value)"
  }
}
