/// Combines the answers to the pieces of one call.
///
/// A metric's name says how, behind its colon: `mean` (weighted by the number of data), `sum`,
/// `min`, `max`, `slack` (maximum minus mean), `hash2` (sum modulo 2^64) or `unique` (all values,
/// the further ones under `name:unique_1` and so on). Metrics that a piece lacks, and those of
/// another kind, are left out.
package enum MetricCombiner {
  /// One answer for all pieces; outputs follow one another in the order of the pieces.
  package static func combine(_ parts: [ForwardBackwardOutput]) -> ForwardBackwardOutput {
    var metrics: [String: Double] = [:]
    let weights = parts.map { Double($0.lossFnOutputs.count) }
    for key in parts.first?.metrics.keys.sorted() ?? [] {
      let values = parts.compactMap { $0.metrics[key] }
      guard values.count == parts.count else { continue }
      add(key, values, weights, to: &metrics)
    }
    return ForwardBackwardOutput(lossFnOutputs: parts.flatMap(\.lossFnOutputs), metrics: metrics)
  }

  private static func add(
    _ key: String, _ values: [Double], _ weights: [Double], to metrics: inout [String: Double]
  ) {
    let largest = values.max() ?? .nan
    switch key.split(separator: ":", omittingEmptySubsequences: false).last {
    case "sum": metrics[key] = values.reduce(0, +)
    case "mean": metrics[key] = mean(values, weights)
    case "min": metrics[key] = values.min()
    case "max": metrics[key] = largest
    case "slack": metrics[key] = largest - mean(values, weights)
    case "hash2":
      let sum = values.reduce(UInt64(0)) { $0 &+ (UInt64(exactly: $1.rounded()) ?? 0) }
      metrics[key] = Double(sum)
    case "unique":
      for (index, value) in values.enumerated() {
        metrics[index == 0 ? key : "\(key)_\(index)"] = value
      }
    default: break
    }
  }

  private static func mean(_ values: [Double], _ weights: [Double]) -> Double {
    let total = weights.reduce(0, +)
    guard total > 0 else { return values.reduce(0, +) / Double(values.count) }
    return zip(values, weights).reduce(0) { $0 + $1.0 * $1.1 } / total
  }
}
