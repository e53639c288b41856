internal import Histogram

/// The figures of a run or of a part of it.
package struct Figures: Sendable, Hashable, Codable {
  /// Requests that were counted.
  package var requests: Int
  /// Requests answered.
  package var ok: Int
  /// Requests that failed.
  package var errors: Int
  /// Those by status code.
  package var errorsByCode: [String: Int]
  /// Requests given up by the plan, which are neither.
  package var cancelled: Int
  /// Answers per second of the measured time.
  package var throughput: Double
  /// Tokens per second in them: trained or sampled.
  package var tokensPerSecond: Double
  /// Milliseconds by percentile, `mean`, `min` and `max`; empty where nothing was answered.
  package var latency: [String: Double]

  /// The percentiles in reports.
  package static let percentiles = ["50", "75", "90", "95", "99", "99.9", "99.99"]

  /// Figures of some series over a measured time.
  package init(_ series: [Report.Series], seconds: Double) {
    ok = series.reduce(0) { $0 + $1.ok }
    errorsByCode = [:]
    for one in series { errorsByCode.merge(one.errors, uniquingKeysWith: +) }
    errors = errorsByCode.values.reduce(0, +)
    cancelled = series.reduce(0) { $0 + $1.cancelled }
    requests = ok + errors + cancelled
    throughput = Self.rate(series.reduce(0) { $0 + $1.arrived }, seconds)
    tokensPerSecond = Self.rate(series.reduce(0) { $0 + $1.arrivedTokens }, seconds)
    latency = Self.milliseconds(Self.histogram(series))
  }

  /// Share of failed requests among those that were not given up.
  package var errorRate: Double {
    ok + errors == 0 ? 0 : Double(errors) / Double(ok + errors)
  }

  /// One histogram of many series.
  static func histogram(_ series: [Report.Series]) -> Histogram<UInt64> {
    var histogram = Histogram<UInt64>()
    for one in series {
      // Files may come from anywhere: pairs that are none, or too large to be microseconds.
      for pair in one.latency where pair.count == 2 && pair[0] <= 1 << 50 {
        histogram.record(pair[0], count: pair[1])
      }
    }
    return histogram
  }

  static func milliseconds<Count>(_ histogram: Histogram<Count>) -> [String: Double] {
    guard histogram.totalCount > 0 else { return [:] }
    var latency = [
      "mean": histogram.mean * 1e-3, "min": Double(histogram.min) * 1e-3,
      "max": Double(histogram.max) * 1e-3,
    ]
    for name in percentiles {
      guard let percentile = Double(name) else { continue }
      latency["p\(name)"] = Double(histogram.valueAtPercentile(percentile)) * 1e-3
    }
    return latency
  }

  private static func rate(_ count: Int, _ seconds: Double) -> Double {
    seconds > 0 ? Double(count) / seconds : 0
  }
}

extension Report {
  /// Milliseconds at a percentile of what has all these labels; nil if there is nothing.
  package func latency(percentile: Double, labels: [String]) -> Double? {
    let selected = series.filter { one in labels.allSatisfy(one.labels.contains) }
    let histogram = Figures.histogram(selected)
    guard histogram.totalCount > 0 else { return nil }
    return Double(histogram.valueAtPercentile(percentile)) * 1e-3
  }

  /// Points of the percentile curve: (1 / (1 − percentile), milliseconds), to 1 in 100,000.
  package func curve(labels: [String]) -> [(inverse: Double, milliseconds: Double)] {
    let histogram = Figures.histogram(
      series.filter { one in labels.allSatisfy(one.labels.contains) })
    let count = Double(histogram.totalCount)
    guard count > 0 else { return [] }
    var points: [(inverse: Double, milliseconds: Double)] = []
    var inverse = 1.0
    // Beyond one request in `count` the curve is the largest value.
    while inverse <= 100_000, inverse <= count * 1.0001 {
      let value = histogram.valueAtPercentile(100 * (1 - 1 / inverse))
      points.append((inverse, Double(value) * 1e-3))
      inverse *= 1.1548
    }
    return points
  }
}
