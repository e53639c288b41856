extension Report {
  /// The report for terminals.
  package var lines: [String] {
    var table = Table(
      [
        "", "requests", "errors", "per s", "tokens/s", "p50", "p90", "p99", "p99.9", "p99.99",
        "max",
      ]
    )
    for part in shownParts {
      let figures = part.figures
      let latency = ["p50", "p90", "p99", "p99.9", "p99.99", "max"].map {
        Format.milliseconds(figures.latency[$0])
      }
      table.add(
        [
          part.title, Format.count(figures.requests), Format.count(figures.errors),
          Format.number(figures.throughput),
          figures.tokensPerSecond == 0 ? "" : Format.number(figures.tokensPerSecond),
        ] + latency)
    }
    var lines = ["\(name): \(Format.number(seconds)) s, seed \(seed), \(endpoint)"]
    lines += table.lines
    let all = total
    for (code, count) in all.errorsByCode.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) {
      lines.append("error \(code): \(Format.count(count))")
    }
    if all.cancelled > 0 { lines.append("cancelled by the plan: \(Format.count(all.cancelled))") }
    if let late = lag["p99"] {
      lines.append(
        "sent late (open loop): p99 \(Format.milliseconds(late)), "
          + "max \(Format.milliseconds(lag["max"]))")
    }
    return lines
  }

  /// The total, and of each kind the parts if there is more than one.
  package var shownParts: [Part] {
    parts.filter { $0.kind == "total" || names(of: $0.kind).count > 1 }
  }
}
