internal import Histogram

/// What happened in one second of a run.
package struct Second: Sendable, Hashable, Codable {
  /// Answers of one primitive.
  package struct Answers: Sendable, Hashable, Codable {
    /// Requests answered.
    package var ok = 0
    /// Tokens in them.
    package var tokens = 0
    /// Milliseconds.
    package var p50 = 0.0
    /// Milliseconds.
    package var p99 = 0.0
  }

  /// Its begin, seconds; negative in the warm-up.
  package var time: Int
  /// Requests sent.
  package var sent = 0
  /// Requests answered.
  package var ok = 0
  /// Requests that failed.
  package var errors = 0
  /// Requests given up by the plan.
  package var cancelled = 0
  /// Requests on their way at its end.
  package var inFlight = 0
  /// Answers by the primitive's name.
  package var primitives: [String: Answers] = [:]
  /// Requests answered by tenant.
  package var tenants: [String: Int] = [:]
  /// What the service said of itself, by its names.
  package var service: [String: Double] = [:]

  package init(time: Int) { self.time = time }
}

/// The seconds of a run as they go by.
struct SecondLog: Sendable {
  private(set) var closed: [Second] = []
  var current: Second
  private var latencies: [Primitive: Histogram<UInt32>] = [:]

  init(start: Double) { current = Second(time: Int(start.rounded(.down))) }

  /// Closes the seconds before `now`.
  mutating func advance(to now: Double, inFlight: Int) {
    let time = Int(now.rounded(.down))
    while current.time < time {
      close(inFlight)
      current = Second(time: current.time + 1)
    }
  }

  mutating func count(
    _ primitive: Primitive, tenant: String, _ outcome: RequestOutcome, _ wait: UInt64, tokens: Int
  ) {
    guard outcome == .ok else {
      current.errors += 1
      return
    }
    current.ok += 1
    current.tenants[tenant, default: 0] += 1
    current.primitives[primitive.rawValue, default: Second.Answers()].ok += 1
    current.primitives[primitive.rawValue]?.tokens += tokens
    latencies[primitive, default: Histogram()].record(wait)
  }

  /// All seconds, with the one that is not over.
  func all() -> [Second] {
    var copy = self
    copy.close(current.inFlight)
    return copy.closed
  }

  private mutating func close(_ inFlight: Int) {
    current.inFlight = inFlight
    for (primitive, histogram) in latencies where histogram.totalCount > 0 {
      let name = primitive.rawValue
      current.primitives[name]?.p50 = Double(histogram.valueAtPercentile(50)) * 1e-3
      current.primitives[name]?.p99 = Double(histogram.valueAtPercentile(99)) * 1e-3
      latencies[primitive]?.reset()
    }
    closed.append(current)
  }
}
