package import Foundation

extension Report {
  /// The report as JSON.
  /// - Throws: `LoadError` if a number is none.
  package func json() throws(LoadError) -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .useDefaultKeys
    do {
      return try encoder.encode(self)
    } catch {
      throw LoadError("the report cannot be written: \(error)")
    }
  }

  /// Reads a saved report.
  /// - Throws: `LoadError` if it is none, or of another version.
  package init(json: Data) throws(LoadError) {
    do {
      self = try JSONDecoder().decode(Report.self, from: json)
    } catch {
      throw LoadError("not a report of tinsmith-load: \(error)")
    }
    guard format == Report.currentFormat else {
      throw LoadError("format \"\(format)\"; this program reads \(Report.currentFormat)")
    }
    guard series.allSatisfy(\.isSane), timeline.allSatisfy(\.isSane), (0...1e9).contains(seconds)
    else {
      throw LoadError("the report has numbers that no run could have counted")
    }
    // The histogram sums up its values in 64 bits.
    let sum = series.reduce(0.0) { sum, one in
      one.latency.reduce(sum) { $0 + Double($1[0]) * Double($1[1]) }
    }
    guard sum < 4e18 else { throw LoadError("the latencies add up to more than an age") }
  }
}

extension Report.Series {
  /// Whether the counts can be added up.
  fileprivate var isSane: Bool {
    let most = 1 << 40
    let counts = [ok, cancelled, arrived, arrivedTokens] + errors.values
    return counts.allSatisfy { (0...most).contains($0) }
      && latency.allSatisfy { $0.count == 2 && $0[0] <= 1 << 50 && $0[1] <= UInt64(most) }
  }
}

extension Second {
  /// Whether it can be drawn.
  fileprivate var isSane: Bool {
    let counts =
      [time, sent, ok, errors, cancelled, inFlight] + tenants.values
      + primitives.values.flatMap { [$0.ok, $0.tokens] }
    let numbers = Array(service.values) + primitives.values.flatMap { [$0.p50, $0.p99] }
    return counts.allSatisfy { (-(1 << 40)...1 << 40).contains($0) }
      && numbers.allSatisfy { (-1e18...1e18).contains($0) }
  }
}
