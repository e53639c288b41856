internal import Histogram

/// The result of a run: what is saved as JSON and shown as a page. Everything else (percentiles of
/// any part, assertions, comparisons) follows from it.
package struct Report: Sendable, Hashable, Codable {
  /// Requests that are counted together: one group, stage, tenant and primitive.
  package struct Series: Sendable, Hashable, Codable {
    package var group: String
    package var stage: String
    package var tenant: String
    package var primitive: Primitive
    /// Measured seconds of the stage.
    package var seconds: Double
    /// Requests answered.
    package var ok: Int
    /// Requests that failed, by status code.
    package var errors: [String: Int]
    /// Requests given up by the plan.
    package var cancelled: Int
    /// Answers that arrived while the stage ran.
    package var arrived: Int
    /// Tokens in them.
    package var arrivedTokens: Int
    /// The histogram: pairs of microseconds and count.
    package var latency: [[UInt64]]
  }

  /// Figures of a part of the run.
  package struct Part: Sendable, Hashable, Codable {
    /// Labels of the part, e.g. `["sample"]`; empty for the whole.
    package var labels: [String]
    /// What sort of part: total, primitive, tenant, group or stage.
    package var kind: String
    package var figures: Figures
  }

  /// The format's version.
  package static let currentFormat = "tinsmith-load/1"

  package var format = Report.currentFormat
  /// Name of the scenario.
  package var name: String
  /// When the run began, ISO 8601.
  package var started: String
  /// Where the service listened.
  package var endpoint: String
  /// Version of the service.
  package var service: String
  /// Seed of the run.
  package var seed: UInt64
  /// Measured seconds.
  package var seconds: Double
  /// Seconds before them.
  package var warmup: Double
  /// The scenario, a line for each part.
  package var plan: [String]
  /// Names of its groups, stages, tenants and primitives.
  package var labels: [String]
  /// Milliseconds by which an open loop sent late, by percentile; empty for a closed loop.
  package var lag: [String: Double]
  /// Figures of the whole and of its parts.
  package var parts: [Part]
  /// Second by second.
  package var timeline: [Second]
  /// The counts behind the figures.
  package var series: [Series]
}

extension Report {
  /// What a run recorded.
  /// - Parameters:
  ///   - started: when it began, ISO 8601.
  ///   - end: the second at which it was stopped, if it was.
  package init(
    _ recorder: Recorder, _ scenario: Scenario, endpoint: String, service: String, started: String,
    stoppedAt end: Double = .infinity
  ) {
    let recording = recorder.recording()
    let timelines = scenario.groups.map { Timeline($0.stages, warmup: 0) }
    name = scenario.name
    self.started = started
    self.endpoint = endpoint
    self.service = service
    seed = scenario.seed
    seconds = max(0, min(scenario.seconds, end))
    warmup = scenario.warmup
    plan = scenario.lines
    if end < scenario.seconds {
      plan.append("stopped after \(Format.number(seconds)) of \(Format.number(scenario.seconds)) s")
    }
    labels = scenario.labels.sorted()
    lag = recording.lag.totalCount == 0 ? [:] : Figures.milliseconds(recording.lag)
    timeline = recording.seconds.filter { $0.time >= 0 }
    series = recording.series.map { key, value in
      let timeline = timelines[key.group]
      return Series(
        group: scenario.groups[key.group].name, stage: timeline.names[key.stage],
        tenant: scenario.tenants[key.tenant].name, primitive: key.primitive,
        seconds: timeline.seconds(ofName: key.stage, until: end), ok: value.ok,
        errors: value.errors,
        cancelled: value.cancelled, arrived: value.arrived, arrivedTokens: value.arrivedTokens,
        latency: value.latency.recordedValues().map { [$0.value, UInt64($0.count)] })
    }
    parts = []
    parts = makeParts()
  }

  /// Names of one kind of part, in order of their first appearance.
  package func names(of kind: String) -> [String] {
    parts.filter { $0.kind == kind }.compactMap(\.labels.first)
  }

  /// The figures of the whole run.
  package var total: Figures { Figures(series, seconds: seconds) }

  /// Figures of what has all these labels; nil if one of them is the name of nothing.
  package func figures(labels: [String]) -> Figures? {
    guard labels.allSatisfy(self.labels.contains) else { return nil }
    let selected = series.filter { one in labels.allSatisfy(one.labels.contains) }
    // A part that is a stage is measured over the time of the stage.
    let stages = selected.filter { series in
      labels.contains { $0 == series.stage && !series.otherLabels.contains($0) }
    }
    guard !stages.isEmpty else { return Figures(selected, seconds: seconds) }
    var longest: [String: [String: Double]] = [:]
    for one in stages { longest[one.group, default: [:]][one.stage] = one.seconds }
    return Figures(selected, seconds: longest.values.map { $0.values.reduce(0, +) }.max() ?? 0)
  }

  private func makeParts() -> [Part] {
    var parts = [Part(labels: [], kind: "total", figures: total)]
    let kinds: [(String, (Series) -> String)] = [
      ("primitive", \.primitive.rawValue), ("tenant", \.tenant), ("group", \.group),
      ("stage", \.stage),
    ]
    for (kind, name) in kinds {
      var seen: [String] = []
      for label in series.map(name) where !seen.contains(label) { seen.append(label) }
      for label in seen {
        let selected = series.filter { name($0) == label }
        let time = kind == "stage" ? selected.map(\.seconds).max() ?? seconds : seconds
        parts.append(
          Part(labels: [label], kind: kind, figures: Figures(selected, seconds: time)))
      }
    }
    return parts
  }
}

extension Report.Series {
  /// All its names.
  package var labels: [String] { otherLabels + [stage] }

  fileprivate var otherLabels: [String] { [group, tenant, primitive.rawValue] }
}
