/// A load test as a value: who sends what to whom, when.
package struct Scenario: Sendable, Hashable {
  /// For people, and the title of the report.
  package var name = "load"
  /// Base model of adapters and sampling.
  package var base = "tinsmith/mini"
  /// Everything random follows from it: sizes, order, arrival times, tokens.
  package var seed: UInt64 = 1
  /// Seconds before the first stage during which its load runs and is not counted.
  package var warmup = 2.0
  /// Seconds that answers may take after the last stage.
  package var drain = 30.0
  /// Seconds after which each request is given up by the service; nil for never.
  package var timeout: Double?
  /// Who pays.
  package var tenants: [Tenant] = [Tenant(name: "default", key: "")]
  /// The loads, which run side by side.
  package var groups: [Group] = []

  package init() {}

  /// Seconds of the longest group without warm-up and drain.
  package var seconds: Double { groups.map(\.seconds).max() ?? 0 }
}

/// A user of the service.
package struct Tenant: Sendable, Hashable {
  /// For the report.
  package var name: String
  /// API key; empty for the service's default tenant.
  package var key: String

  package init(name: String, key: String) {
    self.name = name
    self.key = key
  }
}

/// Clients that send the same mix by the same stages.
package struct Group: Sendable, Hashable {
  /// For the report.
  package var name = "load"
  /// Places in `Scenario.tenants`; clients take turns.
  package var tenants: [Int] = [0]
  /// Clients, each with its own streams and, where it trains, its own model.
  package var clients = 1
  /// Sessions (a connection each) that the clients share; nil for one per client, at most 64.
  package var connections: Int?
  /// Ranks of the adapters; clients take turns.
  package var ranks = [8]
  /// What is sampled from.
  package var adapters = Adapters.none
  /// What is sent.
  package var mix: [Work] = []
  /// How much of it, one stage after the other.
  package var stages: [Stage] = []
  /// Requests in flight beyond which an open loop no longer sends but counts an error.
  package var limit = 100_000

  package init() {}

  /// Seconds of all stages.
  package var seconds: Double { stages.reduce(0) { $0 + $1.seconds } }

  /// Whether its clients need models to train.
  package var trains: Bool {
    mix.contains { $0.primitive == .forwardBackward || $0.primitive == .optimStep }
  }

  /// Whether its clients sample.
  package var samples: Bool { mix.contains { $0.primitive == .sample } }

  /// Whether its clients ping.
  package var pings: Bool { mix.contains { $0.primitive == .ping } }

  /// The tenant of a client.
  package func tenant(of client: Int) -> Int { tenants[client % tenants.count] }
}

/// What a group's sample requests sample from.
package enum Adapters: Sendable, Hashable {
  /// The base model.
  case none
  /// A snapshot of the client's own adapter.
  case own
  /// That many snapshots for all clients of the group, which take turns.
  case shared(Int)
}

/// What can be asked of the service.
package enum Primitive: String, Sendable, Hashable, CaseIterable, Codable {
  /// A null request through router and worker.
  case ping
  /// Loss and gradients of some sequences.
  case forwardBackward = "forward_backward"
  /// A step of the optimizer.
  case optimStep = "optim_step"
  /// Sequences that continue a prompt.
  case sample
}

/// One kind of request in a mix.
package struct Work: Sendable, Hashable {
  /// What is asked.
  package var primitive: Primitive
  /// How often, relative to the others in the mix.
  package var weight: Double
  /// Tokens of a sequence or of the prompt; bytes of a ping.
  package var tokens: Distribution
  /// Sequences of a forward_backward; samples of one prompt.
  package var count: Distribution
  /// Tokens of each sample.
  package var newTokens: Distribution

  package init(
    _ primitive: Primitive, weight: Double = 1, tokens: Distribution? = nil,
    count: Distribution = .constant(1), newTokens: Distribution = .constant(16)
  ) {
    self.primitive = primitive
    self.weight = weight
    self.tokens = tokens ?? .constant(primitive == .ping ? 256 : 64)
    self.count = count
    self.newTokens = newTokens
  }
}

/// A stretch of time with one kind of load.
package struct Stage: Sendable, Hashable {
  /// For the report; stages of one name are counted together.
  package var name: String
  /// How long.
  package var seconds: Double
  /// How much.
  package var load: Load
  /// Whether requests of the group that are in flight when the stage begins are cancelled.
  package var cancels: Bool

  package init(name: String = "main", seconds: Double, load: Load, cancels: Bool = false) {
    self.name = name
    self.seconds = seconds
    self.load = load
    self.cancels = cancels
  }
}

/// How much is sent.
package enum Load: Sendable, Hashable {
  /// Closed loop: each client keeps so many requests outstanding.
  case outstanding(Ramp)
  /// Open loop: so many requests arrive per second in the group, whatever becomes of them.
  case rate(Ramp, Arrival)
  /// Open loop: so many requests arrive at once when the stage begins.
  case burst(Int)
  /// Nothing.
  case idle
}

/// How the arrivals of an open loop are spread.
package enum Arrival: String, Sendable, Hashable, CaseIterable {
  /// Evenly.
  case constant
  /// Independent of each other, with exponential gaps.
  case poisson
}
