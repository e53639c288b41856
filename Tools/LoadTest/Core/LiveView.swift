/// The state of a run on a terminal.
package struct LiveView: Sendable {
  private let name: String
  private let seconds: Double
  private let warmup: Double
  private let timelines: [(group: String, timeline: Timeline)]

  package init(_ scenario: Scenario) {
    name = scenario.name
    seconds = scenario.seconds
    warmup = scenario.warmup
    timelines = scenario.groups.map {
      ($0.name, Timeline($0.stages, warmup: scenario.warmup))
    }
  }

  /// One line, for logs.
  package func line(_ progress: Progress, at now: Double) -> String {
    let last = progress.seconds.last
    var text = "\(clock(now))  \(Format.count(last?.ok ?? 0))/s"
    text += "  in flight \(Format.count(progress.inFlight))"
    for primitive in Primitive.allCases {
      guard let totals = progress.totals[primitive] else { continue }
      text += "  \(primitive.rawValue) p50 \(Format.milliseconds(totals.p50))"
      text += " p99 \(Format.milliseconds(totals.p99))"
    }
    let errors = progress.totals.values.reduce(0) { $0 + $1.errors.values.reduce(0, +) }
    return text + (errors > 0 ? "  errors \(Format.count(errors))" : "")
  }

  /// The lines of the view, for a terminal of so many columns.
  package func lines(_ progress: Progress, at now: Double, columns: Int) -> [String] {
    let last = progress.seconds.last
    let width = max(10, min(columns - 24, 60))
    var lines = ["\(name)  \(clock(now))  \(stages(now))", bar(now, width)]
    lines.append(
      row("answers/s", progress.seconds.map { Double($0.ok) }, width)
        + " \(Format.count(last?.ok ?? 0))")
    lines.append(
      row("in flight", progress.seconds.map { Double($0.inFlight) }, width)
        + " \(Format.count(progress.inFlight))")
    var table = Table(["", "ok", "errors", "last s", "p50", "p99", "p99.9"])
    for primitive in Primitive.allCases {
      guard let totals = progress.totals[primitive] else { continue }
      table.add([
        primitive.rawValue, Format.count(totals.ok),
        Format.count(totals.errors.values.reduce(0, +)),
        Format.count(last?.primitives[primitive.rawValue]?.ok ?? 0),
        Format.milliseconds(totals.p50), Format.milliseconds(totals.p99),
        Format.milliseconds(totals.p999),
      ])
    }
    lines += table.lines
    var errors: [String: Int] = [:]
    for totals in progress.totals.values { errors.merge(totals.errors, uniquingKeysWith: +) }
    for (code, count) in errors.sorted(by: { $0.key < $1.key }) {
      lines.append("error \(code): \(Format.count(count))")
    }
    return lines.map { String($0.prefix(max(1, columns - 1))) }
  }

  /// A line of blocks, as high as the values, the newest at the right.
  package static func sparkline(_ values: [Double], width: Int) -> String {
    let shown = values.suffix(width)
    let top = max(shown.max() ?? 0, 1e-9)
    let blocks = Array("▁▂▃▄▅▆▇█")
    let text = shown.map { value in
      value <= 0 ? " " : blocks[min(blocks.count - 1, Int(value / top * 7.999))]
    }
    return String(repeating: " ", count: width - shown.count) + String(text)
  }

  private func row(_ title: String, _ values: [Double], _ width: Int) -> String {
    title.padding(to: 10) + Self.sparkline(values, width: width)
  }

  private func clock(_ now: Double) -> String {
    if now < 0 { return "warm-up \(Format.number((-now).rounded(.up))) s" }
    if now >= seconds { return "waiting for answers" }
    return "\(Int(now)) of \(Format.number(seconds)) s"
  }

  private func stages(_ now: Double) -> String {
    timelines.compactMap { group, timeline in
      timeline.block(at: now).map { "\(group): \(timeline.names[$0.name])" }
    }.joined(separator: ", ")
  }

  private func bar(_ now: Double, _ width: Int) -> String {
    let whole = width + 10
    let share = min(max((now + warmup) / max(seconds + warmup, 1e-9), 0), 1)
    let done = Int(share * Double(whole))
    return String(repeating: "━", count: done) + String(repeating: "┄", count: whole - done)
  }
}

extension String {
  fileprivate func padding(to count: Int) -> String {
    self + String(repeating: " ", count: max(0, count - self.count))
  }
}
