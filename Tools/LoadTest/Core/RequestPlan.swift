/// One request of the plan.
package struct Request: Sendable, Hashable {
  /// Place of its group in the scenario.
  package var group: Int
  /// Its client in the group.
  package var client: Int
  /// Its number among the client's requests.
  package var index: Int
  /// What is asked.
  package var primitive: Primitive
  /// Tokens of each sequence; of the prompt; bytes of a ping.
  package var lengths: [Int]
  /// Samples of the prompt.
  package var samples: Int
  /// Tokens of each sample.
  package var newTokens: Int
  /// Of its tokens.
  package var seed: UInt64

  /// Tokens that the service computes for it: those of its sequences, or those it samples.
  package var tokens: Int {
    switch primitive {
    case .ping, .optimStep: 0
    case .forwardBackward: lengths.reduce(0, +)
    case .sample: samples * newTokens
    }
  }
}

/// Every request that a scenario may send, as a function of its place.
package struct RequestPlan: Sendable {
  private let seed: UInt64
  private let mixes: [[Work]]
  private let weights: [[Double]]

  package init(_ scenario: Scenario) {
    seed = scenario.seed
    mixes = scenario.groups.map(\.mix)
    weights = mixes.map { $0.map(\.weight) }
  }

  /// The `index`-th request of a client.
  package func request(group: Int, client: Int, index: Int) -> Request {
    var random = Randomness(
      seed: seed, 2, UInt64(clamping: group), UInt64(clamping: client), UInt64(clamping: index))
    let work = mixes[group][Distribution.index(of: random.unit(), in: weights[group])]
    let count = work.count.draw(&random)
    let sequences = work.primitive == .forwardBackward ? count : 1
    let hasLength = work.primitive != .optimStep
    return Request(
      group: group, client: client, index: index, primitive: work.primitive,
      lengths: hasLength ? (0..<sequences).map { _ in work.tokens.draw(&random) } : [],
      samples: work.primitive == .sample ? count : 0,
      newTokens: work.primitive == .sample ? work.newTokens.draw(&random) : 0,
      seed: random.next())
  }
}
