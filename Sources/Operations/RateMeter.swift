/// Rates of counters, from the differences between samples.
///
/// Numbers of a service are up to two seconds old and arrive in steps, so a rate is taken over the
/// last few samples and not between neighbours.
package struct RateMeter: Sendable {
  private struct Sample {
    var seconds: Double
    var counters: [String: Double]
  }

  private let window: Double
  private var samples: [Sample] = []

  /// - Parameter window: seconds over which a rate is taken.
  package init(window: Double = 5) { self.window = window }

  /// Takes in a sample and gives the rate of each counter that both ends of the window have, per
  /// second. A counter that fell began anew (its process restarted): what it has since counts.
  ///
  /// - Parameters:
  ///   - values: all numbers; those that are no counters are left out.
  ///   - seconds: when they were read, on a clock that never goes back.
  package mutating func rates(_ values: [String: Double], at seconds: Double) -> [String: Double] {
    if let last = samples.last, seconds <= last.seconds { return [:] }
    let counters = values.filter { ServiceNumbers.isCounter($0.key) }
    samples.append(Sample(seconds: seconds, counters: counters))
    while samples.count > 2, samples[1].seconds <= seconds - window { samples.removeFirst() }
    var result: [String: Double] = [:]
    for key in counters.keys { result[key] = rate(of: key) }
    return result
  }

  private func rate(of key: String) -> Double? {
    let known = samples.drop { $0.counters[key] == nil }
    guard let first = known.first, let last = known.last, last.seconds > first.seconds else {
      return nil
    }
    var gained = 0.0
    for (before, after) in zip(known, known.dropFirst()) {
      guard let old = before.counters[key], let new = after.counters[key] else { return nil }
      gained += new >= old ? new - old : new
    }
    return gained / (last.seconds - first.seconds)
  }
}
