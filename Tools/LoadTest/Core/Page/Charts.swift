import Foundation

/// The charts of a report.
struct Charts {
  private let report: Report
  private let primitives: [String]
  /// Those with the most answers; more lines than colours would tell nothing.
  private let tenants: [String]

  init(_ report: Report) {
    self.report = report
    primitives = report.names(of: "primitive")
    let busy = report.parts.filter { $0.kind == "tenant" }
      .sorted { $0.figures.ok > $1.figures.ok }.compactMap(\.labels.first)
    tenants = Array(busy.prefix(8))
  }

  var html: String {
    var figures = [
      figure("Latency by percentile", percentiles),
      figure("Answers per second", throughput),
      figure("Latency over time", latency),
      figure("In flight and queued", queues),
    ]
    if tenants.count > 1 {
      figures.append(figure("Latency by percentile, per tenant", tenantPercentiles))
      figures.append(figure("Answers per second, per tenant", tenantThroughput))
    }
    if !serviceLines(ending: ["memory_bytes"]).isEmpty {
      figures.append(figure("Memory of the service", memory))
    }
    return figures.joined(separator: "\n")
  }

  private func figure(_ title: String, _ chart: Chart) -> String {
    "<figure><figcaption>\(title.escaped)</figcaption>\(chart.html)</figure>"
  }

  // MARK: Percentiles

  private var percentiles: Chart {
    let total: [String?] = primitives.count > 1 ? [nil] : []
    let names = total + primitives.map(Optional.some)
    return percentileChart(names.enumerated().map { ($0 % 8, $1) })
  }

  private var tenantPercentiles: Chart {
    percentileChart(tenants.enumerated().map { ($0, $1) })
  }

  private func percentileChart(_ parts: [(colour: Int, label: String?)]) -> Chart {
    let lines = parts.map { colour, label in
      Chart.Line(
        name: label ?? "total", colour: colour,
        points: report.curve(labels: label.map { [$0] } ?? []).map { ($0.inverse, $0.milliseconds) }
      )
    }
    return Chart(
      title: "Latency by percentile", lines: lines, xScale: .logarithmic, yScale: .logarithmic,
      xText: Self.percentile, yText: { Format.milliseconds($0) },
      xMarks: [1, 2, 10, 100, 1000, 10_000, 100_000])
  }

  /// The percentile whose requests are one in so many: 10 is p90.
  private static func percentile(_ inverse: Double) -> String {
    let value = 100 * (1 - 1 / inverse)
    let digits = max(0, Int(log10(inverse * 1.0001)) - 2)
    return "p" + String(format: "%.\(digits)f", value)
  }

  // MARK: Over time

  private var throughput: Chart {
    timeChart(
      "Answers per second",
      primitives.enumerated().map { index, name in
        Chart.Line(
          name: name, colour: colour(index),
          points: whole.map { (Double($0.time), Double($0.primitives[name]?.ok ?? 0)) })
      } + errorLine)
  }

  private var errorLine: [Chart.Line] {
    guard report.timeline.contains(where: { $0.errors > 0 }) else { return [] }
    return [
      Chart.Line(
        name: "errors", colour: 7, points: whole.map { (Double($0.time), Double($0.errors)) })
    ]
  }

  private var tenantThroughput: Chart {
    timeChart(
      "Answers per second, per tenant",
      tenants.enumerated().map { index, name in
        Chart.Line(
          name: name, colour: index,
          points: whole.map { (Double($0.time), Double($0.tenants[name] ?? 0)) })
      })
  }

  private var latency: Chart {
    let lines = primitives.enumerated().flatMap { index, name in
      ["p50", "p99"].enumerated().map { place, figure in
        Chart.Line(
          name: "\(name) \(figure)", colour: colour(index), isDashed: place == 1,
          points: whole.compactMap { second in
            guard let answers = second.primitives[name], answers.ok > 0 else { return nil }
            return (Double(second.time), place == 0 ? answers.p50 : answers.p99)
          })
      }
    }
    var chart = timeChart("Latency over time", lines)
    chart.yScale = .logarithmic
    chart.yText = { Format.milliseconds($0) }
    return chart
  }

  private var queues: Chart {
    let own = Chart.Line(
      name: "in flight at the client", colour: 0,
      points: report.timeline.map { (Double($0.time), Double($0.inFlight)) })
    let names: Set<String> = ["in_flight", "held", "waiting", "queue_requests"]
    return timeChart(
      "Requests in flight and queued", [own] + serviceLines(ending: names).prefix(7))
  }

  private var memory: Chart {
    let lines = serviceLines(ending: ["memory_bytes"]).map { line in
      Chart.Line(
        name: line.name, colour: line.colour, points: line.points.map { ($0.x, $0.y / 1_048_576) })
    }
    var chart = timeChart("Memory", lines)
    chart.yText = { "\(Format.number($0)) MiB" }
    return chart
  }

  /// What the service said, by its names.
  private func serviceLines(ending last: Set<String>) -> [Chart.Line] {
    var names: Set<String> = []
    for second in report.timeline { names.formUnion(second.service.keys) }
    let wanted = names.filter { name in
      last.contains(String(name.split(separator: ".").last ?? ""))
    }
    return wanted.sorted().enumerated().map { index, name in
      Chart.Line(
        name: name, colour: (index + 1) % 8,
        points: report.timeline.compactMap { second in
          second.service[name].map { (Double(second.time), $0) }
        })
    }
  }

  private func timeChart(_ title: String, _ lines: [Chart.Line]) -> Chart {
    Chart(title: title, lines: lines, xText: { "\(Format.number($0)) s" })
  }

  /// The first colour is the total's where there is one.
  private func colour(_ index: Int) -> Int { (index + (primitives.count > 1 ? 1 : 0)) % 8 }

  /// Seconds of the measured time: rates of the drain and of a part of a second mislead.
  private var whole: ArraySlice<Second> {
    let end = max(1, Int(report.seconds.rounded(.down)))
    return report.timeline.prefix { $0.time < end }
  }
}
