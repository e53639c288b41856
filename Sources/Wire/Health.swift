internal import CProto

/// `Admin.Health`.
package struct HealthRequest: Sendable, Equatable {
  /// The request.
  package init() {}
}

extension HealthRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__HealthRequest>?) {
    tinsmith__v1__health_request__init(c)
  }

  init(_ c: Tinsmith__V1__HealthRequest, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__HealthRequest, _ writer: Writer) {}
}

/// How the service is.
package enum HealthStatus: UInt32, Sendable {
  case unspecified = 0
  /// All workers that should be there are.
  case serving = 1
  /// Starting, or some workers are missing, or base models that were to be served cannot be.
  case degraded = 2
  /// Stopping.
  case stopping = 3
}

/// Answer of `Admin.Health`.
package struct HealthResponse: Sendable, Equatable {
  /// How the service is.
  package var status: HealthStatus
  /// Workers that were heard of.
  package var workersAlive: Int
  /// Workers that should be there.
  package var workersExpected: Int
  /// Milliseconds since the start.
  package var uptimeMilliseconds: UInt64
  /// Base models that were to be served and cannot be, with the reasons.
  package var refusedModels: [String: String]

  /// An answer.
  package init(
    status: HealthStatus, workersAlive: Int, workersExpected: Int, uptimeMilliseconds: UInt64,
    refusedModels: [String: String] = [:]
  ) {
    self.status = status
    self.workersAlive = workersAlive
    self.workersExpected = workersExpected
    self.uptimeMilliseconds = uptimeMilliseconds
    self.refusedModels = refusedModels
  }
}

extension HealthResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__HealthResponse>?) {
    tinsmith__v1__health_response__init(c)
  }

  init(_ c: Tinsmith__V1__HealthResponse, _ reader: Reader) throws(WireError) {
    status = HealthStatus(rawValue: UInt32(c.status.rawValue)) ?? .unspecified
    workersAlive = Int(c.workers_alive)
    workersExpected = Int(c.workers_expected)
    uptimeMilliseconds = c.uptime_ms
    refusedModels = try reader.texts(c.refused_models, c.n_refused_models, "refused_models")
  }

  func fill(_ c: inout Tinsmith__V1__HealthResponse, _ writer: Writer) {
    c.status = Tinsmith__V1__HealthStatus(rawValue: .init(status.rawValue))
    c.workers_alive = UInt32(clamping: workersAlive)
    c.workers_expected = UInt32(clamping: workersExpected)
    c.uptime_ms = uptimeMilliseconds
    writer.pairs(refusedModels, &c.n_refused_models, &c.refused_models, TextPair.init)
  }
}

/// `Admin.Stats`.
package struct StatsRequest: Sendable, Equatable {
  /// The request.
  package init() {}
}

extension StatsRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__StatsRequest>?) {
    tinsmith__v1__stats_request__init(c)
  }

  init(_ c: Tinsmith__V1__StatsRequest, _ reader: Reader) throws(WireError) {}

  func fill(_ c: inout Tinsmith__V1__StatsRequest, _ writer: Writer) {}
}

/// Answer of `Admin.Stats`.
package struct StatsResponse: Sendable, Equatable {
  /// Counters and gauges by name.
  package var values: [String: Double]

  /// An answer.
  package init(values: [String: Double]) { self.values = values }
}

extension StatsResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__StatsResponse>?) {
    tinsmith__v1__stats_response__init(c)
  }

  init(_ c: Tinsmith__V1__StatsResponse, _ reader: Reader) throws(WireError) {
    values = try reader.numbers(
      c.values, c.n_values, "values", limit: Limits.maxStatistics)
  }

  func fill(_ c: inout Tinsmith__V1__StatsResponse, _ writer: Writer) {
    writer.pairs(values, &c.n_values, &c.values, NamedNumber.init)
  }
}
