/// A condition on a report, such as `p99<50ms`, `errors==0`, `sample.throughput>=10/s` or
/// `victim.flood.p95 <= 3 * victim.alone.p95 + 250ms`.
package struct Assertion: Sendable, Hashable {
  /// How the sides are compared.
  package enum Comparison: String, Sendable, Hashable, CaseIterable {
    case atMost = "<="
    case atLeast = ">="
    case equal = "=="
    case unequal = "!="
    case less = "<"
    case more = ">"
  }

  /// The right side: a number, or a multiple of another figure with something added.
  package struct Bound: Sendable, Hashable {
    var factor = 1.0
    var metric: Metric?
    /// In the metric's base unit: seconds, per second, a share or a count.
    var offset = 0.0
  }

  /// As it was written.
  package let text: String
  let metric: Metric
  let comparison: Comparison
  let bound: Bound

  /// What an assertion says of a report.
  package struct Verdict: Sendable, Hashable {
    /// The assertion as it was written.
    package let text: String
    /// Whether it holds.
    package let holds: Bool
    /// The left side's value and, where it is computed, the right's.
    package let explanation: String

    /// For people.
    package var line: String { "\(holds ? "holds " : "FAILED")  \(text): \(explanation)" }
  }

  /// Whether it holds. A figure that does not exist, such as a percentile of no answers, fails.
  ///
  /// - Throws: `LoadError` if a label is the name of nothing in the report.
  package func verdict(on report: Report) throws(LoadError) -> Verdict {
    let left = try metric.value(in: report)
    var right: Double? = bound.offset
    if let metric = bound.metric {
      right = try metric.value(in: report).map { bound.factor * $0 + bound.offset }
    }
    guard let left, let right else {
      return Verdict(text: text, holds: false, explanation: "nothing was measured")
    }
    let holds =
      switch comparison {
      case .atMost: left <= right
      case .atLeast: left >= right
      case .equal: left == right
      case .unequal: left != right
      case .less: left < right
      case .more: left > right
      }
    var explanation = "\(metric.name) is \(metric.text(left))"
    if bound.metric != nil { explanation += ", the bound is \(metric.text(right))" }
    return Verdict(text: text, holds: holds, explanation: explanation)
  }

  /// Labels that it needs to find, so that a slip of the pen is seen before a long run.
  package var labels: Set<String> { Set(metric.labels + (bound.metric?.labels ?? [])) }
}

/// A figure of a part of a run, such as `sample.p99.9`.
package struct Metric: Sendable, Hashable {
  /// Names that select the part; none for the whole.
  let labels: [String]
  /// Name of the figure.
  let figure: String

  /// As it is written.
  package var name: String { (labels + [figure]).joined(separator: ".") }

  /// What its value measures, and hence the units it may be compared with.
  var kind: Quantity.Kind {
    switch figure {
    case "throughput", "tokens": .rate
    case "error_rate": .share
    case "requests", "ok", "errors", "cancelled": .count
    default: .time
    }
  }

  /// The percentile, if it is one.
  private var percentile: Double? {
    guard figure.hasPrefix("p"), let value = Double(figure.dropFirst()) else { return nil }
    return (0...100).contains(value) ? value : nil
  }

  /// - Throws: `LoadError` if the last part is not a figure.
  init(_ text: String) throws(LoadError) {
    var parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    var figure = parts.popLast() ?? ""
    // The point of p99.9 is not one between labels.
    if let last = parts.last, last.hasPrefix("p"), Double(last.dropFirst()) != nil,
      figure.allSatisfy(\.isNumber), !figure.isEmpty
    {
      figure = parts.removeLast() + "." + figure
    }
    self.figure = figure
    labels = parts
    let known = [
      "throughput", "tokens", "error_rate", "requests", "ok", "errors", "cancelled", "mean",
      "min", "max",
    ]
    guard known.contains(figure) || percentile != nil, !parts.contains("") else {
      throw LoadError(
        "\"\(text)\" is not a figure: p50, p99.9 …, \(known.joined(separator: ", ")), "
          + "with labels before it, such as sample.p99")
    }
  }

  /// Seconds, per second, a share or a count; nil if nothing was measured.
  func value(in report: Report) throws(LoadError) -> Double? {
    guard let figures = report.figures(labels: labels) else {
      throw LoadError("there is no group, stage, tenant or primitive of that name", at: name)
    }
    switch figure {
    case "throughput": return figures.throughput
    case "tokens": return figures.tokensPerSecond
    case "error_rate": return figures.errorRate
    case "requests": return Double(figures.requests)
    case "ok": return Double(figures.ok)
    case "errors": return Double(figures.errors)
    case "cancelled": return Double(figures.cancelled)
    default:
      if let percentile {
        return report.latency(percentile: percentile, labels: labels).map { $0 / 1000 }
      }
      return figures.latency[figure].map { $0 / 1000 }
    }
  }

  /// A value of this figure for people.
  func text(_ value: Double) -> String {
    switch kind {
    case .time: Format.milliseconds(value * 1000)
    case .rate: "\(Format.number(value))/s"
    case .share: "\(Format.number(value * 100)) %"
    case .count: Format.number(value)
    }
  }
}

extension Assertion {
  /// - Throws: `LoadError` if it is not a condition, or compares what has other units.
  package init(_ text: String) throws(LoadError) {
    self.text = text
    let dense = text.filter { !$0.isWhitespace }
    guard
      let start = dense.firstIndex(where: { "<>=!".contains($0) }),
      let comparison = Comparison.allCases.first(where: { dense[start...].hasPrefix($0.rawValue) })
    else {
      throw LoadError("\"\(text)\" has none of < <= > >= == !=")
    }
    self.comparison = comparison
    metric = try Metric(String(dense[..<start]))
    let right = dense[start...].dropFirst(comparison.rawValue.count)
    bound = try Bound(String(right), for: metric)
  }
}

extension Assertion.Bound {
  /// Reads `50ms`, `2*alone.p99`, `alone.p99`, `2*alone.p99+10ms`.
  fileprivate init(_ text: String, for left: Metric) throws(LoadError) {
    var rest = text[...]
    if let star = rest.firstIndex(of: "*") {
      let (value, kind) = try Quantity.parse(String(rest[..<star]))
      guard kind == .count else { throw LoadError("\"\(text)\": a factor has no unit") }
      factor = value
      rest = rest[rest.index(after: star)...]
    } else if rest.first?.isNumber ?? true {
      offset = try Self.value(rest, for: left)
      return
    }
    if let plus = rest.firstIndex(of: "+") {
      offset = try Self.value(rest[rest.index(after: plus)...], for: left)
      rest = rest[..<plus]
    }
    let metric = try Metric(String(rest))
    guard metric.kind == left.kind else {
      throw LoadError("\(left.name) and \(metric.name) have different units")
    }
    self.metric = metric
  }

  private static func value(_ text: Substring, for metric: Metric) throws(LoadError) -> Double {
    let (value, kind) = try Quantity.parse(String(text))
    switch (metric.kind, kind) {
    case (.time, .time), (.rate, .rate), (.rate, .count), (.share, .share), (.share, .count),
      (.count, .count):
      return value
    default: throw LoadError("\"\(text)\" does not have the unit of \(metric.name)")
    }
  }
}

extension Scenario {
  /// The names that assertions can use.
  package var labels: Set<String> {
    var labels = Set(groups.map(\.name))
    for group in groups {
      labels.formUnion(group.stages.map(\.name))
      labels.formUnion(group.tenants.map { tenants[$0].name })
      labels.formUnion(group.mix.filter { $0.weight > 0 }.map(\.primitive.rawValue))
    }
    return labels
  }

  /// - Throws: `LoadError` if an assertion names something that the scenario does not have.
  package func check(_ assertion: Assertion) throws(LoadError) {
    guard let unknown = assertion.labels.subtracting(labels).min() else { return }
    throw LoadError(
      "\"\(assertion.text)\": there is no group, stage, tenant or primitive \"\(unknown)\"")
  }
}
