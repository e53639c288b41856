package import Metrics
internal import Synchronization

/// The backend of swift-metrics in this program: keeps every series in memory and writes them in
/// Prometheus' text format, version 0.0.4.
package final class MetricsCollector: Sendable {
  /// More series than these are not kept: names may come from clients.
  package static let maximumSeries = 32_768

  private struct Key: Hashable {
    var name: String
    var labels: [MetricSeries.Label]
  }

  private let series = Mutex<[Key: MetricSeries]>([:])
  private let help: @Sendable (_ name: String) -> String?

  /// - Parameter help: says in words what a name counts, for those that it knows.
  package init(help: @escaping @Sendable (_ name: String) -> String? = { _ in nil }) {
    self.help = help
  }

  private func make(
    _ kind: MetricSeries.Kind, _ label: String, _ dimensions: [(String, String)]
  ) -> MetricSeries {
    let labels = dimensions.map {
      MetricSeries.Label(name: Self.name($0.0, allowsColon: false), value: $0.1)
    }
    let key = Key(name: Self.name(label, allowsColon: true), labels: labels)
    let made = MetricSeries(name: key.name, labels: labels, kind: kind)
    return series.withLock { series in
      if let known = series[key] { return known }
      if series.count < Self.maximumSeries { series[key] = made }
      return made
    }
  }

  private func forget(_ handler: AnyObject) {
    guard let gone = handler as? MetricSeries else { return }
    series.withLock { series in
      let key = Key(name: gone.name, labels: gone.labels)
      if series[key] === gone { series[key] = nil }
    }
  }

  /// A name as the text format allows it; other characters become underscores.
  static func name(_ text: String, allowsColon: Bool) -> String {
    let scalars = text.unicodeScalars.map { scalar -> Character in
      switch scalar {
      case "a"..."z", "A"..."Z", "0"..."9", "_": Character(scalar)
      case ":" where allowsColon: ":"
      default: "_"
      }
    }
    let name = String(scalars)
    return name.first?.isNumber ?? true ? "_\(name)" : name
  }
}

extension MetricsCollector: MetricsFactory {
  package func makeCounter(
    label: String, dimensions: [(String, String)]
  ) -> any CounterHandler { make(.counter, label, dimensions) }

  package func makeFloatingPointCounter(
    label: String, dimensions: [(String, String)]
  ) -> any FloatingPointCounterHandler { make(.counter, label, dimensions) }

  package func makeMeter(
    label: String, dimensions: [(String, String)]
  ) -> any MeterHandler { make(.gauge, label, dimensions) }

  package func makeRecorder(
    label: String, dimensions: [(String, String)], aggregate: Bool
  ) -> any RecorderHandler { make(aggregate ? .summary : .gauge, label, dimensions) }

  package func makeTimer(
    label: String, dimensions: [(String, String)]
  ) -> any TimerHandler { make(.summary, label, dimensions) }

  package func destroyCounter(_ handler: any CounterHandler) { forget(handler) }
  package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {
    forget(handler)
  }
  package func destroyMeter(_ handler: any MeterHandler) { forget(handler) }
  package func destroyRecorder(_ handler: any RecorderHandler) { forget(handler) }
  package func destroyTimer(_ handler: any TimerHandler) { forget(handler) }
}

// MARK: Text

extension MetricsCollector {
  /// All series as Prometheus reads them, ordered by name and labels.
  package var text: String {
    let all = series.withLock { Array($0.values) }
      .map { (name: $0.name, labels: Self.text($0.labels), series: $0) }
      .sorted { ($0.name, $0.labels) < ($1.name, $1.labels) }
    var lines: [String] = []
    var lastName: String?
    for (name, labels, series) in all {
      if name != lastName {
        if let help = help(name) { lines.append("# HELP \(name) \(Self.escaped(help))") }
        lines.append("# TYPE \(name) \(series.kind.rawValue)")
        lastName = name
      }
      let value = series.value
      guard series.kind == .summary else {
        lines.append("\(name)\(labels) \(Self.text(value.sum))")
        continue
      }
      lines.append("\(name)_sum\(labels) \(Self.text(value.sum))")
      lines.append("\(name)_count\(labels) \(value.count)")
    }
    return lines.map { $0 + "\n" }.joined()
  }

  private static func text(_ labels: [MetricSeries.Label]) -> String {
    guard !labels.isEmpty else { return "" }
    let pairs = labels.map { label in
      "\(label.name)=\"\(escaped(label.value).replacing("\"", with: "\\\""))\""
    }
    return "{\(pairs.joined(separator: ","))}"
  }

  private static func text(_ value: Double) -> String {
    if let whole = Int(exactly: value) { return String(whole) }
    if value.isNaN { return "NaN" }
    return value.isInfinite ? (value > 0 ? "+Inf" : "-Inf") : "\(value)"
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
  }
}
