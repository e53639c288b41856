/// Samples of several figures, in the order in which the figures came up.
struct Samples {
  private var names: [String] = []
  private var values: [String: (unit: String, samples: [Double])] = [:]

  /// The samples of one figure.
  subscript(name: String, unit: String) -> [Double] {
    get { values[name]?.samples ?? [] }
    set {
      if values[name] == nil { names.append(name) }
      values[name] = (unit, newValue)
    }
  }

  /// Adds what one run of a load saw, under names that start with `prefix`.
  /// - Parameter unit: of the rate; nil where it is not of interest.
  mutating func add(_ measured: Measured, _ prefix: String, unit: String?) {
    if let unit { self["\(prefix)throughput", unit].append(measured.rate) }
    self["\(prefix)p50", "us"].append(measured.microseconds(0.5))
    self["\(prefix)p99", "us"].append(measured.microseconds(0.99))
  }

  /// Adds the samples of another round.
  mutating func merge(_ other: Samples) {
    for name in other.names {
      guard let (unit, samples) = other.values[name] else { continue }
      self[name, unit] += samples
    }
  }

  func report(_ prefix: String, _ reporter: Reporter) {
    for name in names {
      guard let (unit, samples) = values[name] else { continue }
      reporter.report("\(prefix).\(name)", samples: samples, unit: unit)
    }
  }
}
