/// Two reports side by side.
package struct Comparison: Sendable, Hashable, Codable {
  /// One figure in both.
  package struct Row: Sendable, Hashable, Codable {
    /// E.g. `sample.p99`.
    package var figure: String
    /// Unit of the values.
    package var unit: String
    package var a: Double
    package var b: Double
    /// b / a; nil where a is 0.
    package var ratio: Double?
  }

  /// Figures that both reports have.
  package let rows: [Row]
  /// Parts that only one of them has.
  package let unmatched: [String]

  package init(_ a: Report, _ b: Report) {
    var rows: [Row] = []
    var unmatched: [String] = []
    for part in a.parts {
      guard let other = b.parts.first(where: { $0.isSamePart(as: part) }) else {
        unmatched.append("\(part.title) (only in the first)")
        continue
      }
      // A group, tenant or stage that is alone says the same as the total.
      if part.kind != "total", a.names(of: part.kind).count < 2 { continue }
      rows += Self.rows(part, part.figures, other.figures)
    }
    unmatched += b.parts.filter { part in !a.parts.contains { $0.isSamePart(as: part) } }
      .map { "\($0.title) (only in the second)" }
    self.rows = rows
    self.unmatched = unmatched
  }

  /// The comparison as lines of text.
  package var lines: [String] {
    var table = Table(["figure", "a", "b", "b / a"])
    for row in rows {
      table.add([row.figure, row.text(row.a), row.text(row.b), Self.text(row.ratio)])
    }
    return table.lines + unmatched
  }

  private static func rows(_ part: Report.Part, _ a: Figures, _ b: Figures) -> [Row] {
    var rows: [Row] = []
    func add(_ name: String, _ unit: String, _ a: Double, _ b: Double) {
      let figure = (part.labels + [name]).joined(separator: ".")
      rows.append(Row(figure: figure, unit: unit, a: a, b: b, ratio: a == 0 ? nil : b / a))
    }
    add("throughput", "/s", a.throughput, b.throughput)
    if a.tokensPerSecond > 0 || b.tokensPerSecond > 0 {
      add("tokens", "/s", a.tokensPerSecond, b.tokensPerSecond)
    }
    for name in ["mean"] + Figures.percentiles.map({ "p\($0)" }) + ["max"] {
      if let a = a.latency[name], let b = b.latency[name] { add(name, "ms", a, b) }
    }
    add("errors", "", Double(a.errors), Double(b.errors))
    return rows
  }

  private static func text(_ ratio: Double?) -> String { ratio.map { Format.number($0) } ?? "–" }
}

extension Comparison.Row {
  fileprivate func text(_ value: Double) -> String {
    unit == "ms" ? Format.milliseconds(value) : Format.number(value) + unit
  }
}

extension Report.Part {
  fileprivate func isSamePart(as other: Report.Part) -> Bool {
    kind == other.kind && labels == other.labels
  }

  /// For people: `total`, or the kind and the name.
  package var title: String { labels.isEmpty ? "total" : "\(kind) \(labels[0])" }
}
