import Testing

@testable import Engine

/// Training in random crowds against training alone, as bit patterns (numerics contract 1 and 2).
@Suite struct TrainingCrowdTests {
  /// Everything a request may move: its answer, the gradients it leaves, and what an optimizer step
  /// makes of them.
  private struct Outcome: Equatable {
    var logprobs: [Bits] = []
    var metrics: [String: UInt64] = [:]
    var gradients: Bits?
    var norm: UInt64 = 0
    var parameters: Bits?
    var firstMoment: Bits?
    var secondMoment: Bits?
  }

  /// A tenant: its adapter (nil: the base) and its request.
  private struct Tenant {
    let adapter: RandomAdapter?
    let request: RandomRequest
  }

  private func outcome(
    _ answer: TrainingResult, _ adapter: Adapter?, _ golden: GoldenModel
  ) throws -> Outcome {
    var outcome = Outcome()
    outcome.logprobs = answer.logprobs.map { Bits($0) }
    outcome.metrics = answer.metrics.mapValues(\.bitPattern)
    guard let adapter, let training = adapter.training else { return outcome }
    outcome.gradients = Bits(training.gradients)
    var adam = AdamParameters()
    (adam.learningRate, adam.weightDecay, adam.gradientClipNorm) = (1e-2, 0.01, 1)
    outcome.norm = try adapter.step(adam, kernels: golden.kernels).bitPattern
    outcome.parameters = Bits(adapter.parameters)
    outcome.firstMoment = Bits(training.firstMoment)
    outcome.secondMoment = Bits(training.secondMoment)
    return outcome
  }

  /// Alone on an engine.
  private func alone(_ tenant: Tenant, _ golden: GoldenModel) throws -> Outcome {
    let adapter = try tenant.adapter?.make(golden)
    return try outcome(golden.run(tenant.request.make(adapter)), adapter, golden)
  }

  @Test(arguments: Golden.models)
  func crowdsMoveNoBit(name: String) throws {
    let reference = try GoldenModel(name, threads: 1, isa: 3)
    let crowds = try [1, 2].map { try GoldenModel(name, threads: $0) }
    for seed in 0..<UInt64(12) {
      var random = SeededRandom(seed)
      let golden = try #require(crowds.randomElement(using: &random))
      golden.engine.maxRows = [1, 16, 40, 100, 2048].randomElement(using: &random) ?? 2048
      golden.engine.activationBudget = [1, 1 << 20, 2 << 30].randomElement(using: &random) ?? 1
      var tenants: [Tenant] = []
      for _ in 0..<Int.random(in: 2...6, using: &random) {
        let request = try RandomRequest(&random, config: golden.model.config)
        let isBase = !request.accumulates && Bool.random(using: &random)
        let adapter = try isBase ? nil : RandomAdapter(&random, sites: golden.model.sites)
        tenants.append(Tenant(adapter: adapter, request: request))
      }
      let expected = try tenants.map { try alone($0, reference) }
      let adapters = try tenants.map { try $0.adapter?.make(golden) }
      let requests = zip(tenants, adapters).map { $0.request.make($1) }
      let answers =
        try Bool.random(using: &random)
        ? golden.engine.run(requests).map { try $0.get() }
        : interleaved(requests, golden, &random)
      for (i, answer) in answers.enumerated() {
        let ours = try outcome(answer, adapters[i], golden)
        #expect(ours == expected[i], "seed \(seed), tenant \(i)")
      }
    }
  }

  /// Random micro-batches: some requests, some datums of each, in any order; one more request joins
  /// and is cancelled on the way.
  private func interleaved(
    _ requests: [TrainingRequest], _ golden: GoldenModel, _ random: inout SeededRandom
  ) throws -> [TrainingResult] {
    let run = TrainingRun(engine: golden.engine)
    let leaving = try RandomRequest(&random, config: golden.model.config)
    let other = try RandomAdapter(&random, sites: golden.model.sites).make(golden)
    var open = try (requests + [leaving.make(other)]).map { request in
      (id: try run.add(request), request: request, next: 0)
    }
    let leaver = open[requests.count].id
    var results: [Int: TrainingResult] = [:]
    while results.count < requests.count {
      if Int.random(in: 0..<3, using: &random) == 0 {
        run.cancel(leaver)
        open.removeAll { $0.id == leaver }
      }
      let accumulates = open.randomElement(using: &random)?.request.accumulates
      let chosen = open.indices.filter {
        open[$0].request.accumulates == accumulates && Int.random(in: 0..<3, using: &random) > 0
      }.shuffled(using: &random)
      let pieces = chosen.map { i in
        let left = open[i].request.data.count - open[i].next
        let count = left > 0 ? Int.random(in: 1...left, using: &random) : 0
        defer { open[i].next += count }
        return TrainingRun.Piece(
          request: open[i].id, datums: open[i].next..<open[i].next + count)
      }
      for (id, result) in run.step(pieces) {
        open.removeAll { $0.id == id }
        if id != leaver { results[id] = try result.get() }
      }
    }
    return try requests.indices.map { try #require(results[$0]) }
  }

  /// One request's datums over several forward_backward calls, other tenants' calls between them:
  /// the gradients and the step are those of one call.
  @Test(arguments: Golden.models)
  func callsMoveNoBit(name: String) throws {
    let golden = try GoldenModel(name)
    for seed in 100..<UInt64(106) {
      var random = SeededRandom(seed)
      let specification = try RandomAdapter(&random, sites: golden.model.sites)
      let neighbour = try RandomAdapter(&random, sites: golden.model.sites).make(golden)
      let mine = try RandomRequest(&random, config: golden.model.config)
      let theirs = try RandomRequest(&random, config: golden.model.config)
      let (whole, pieces) = (try specification.make(golden), try specification.make(golden))
      func request(_ data: [TrainingDatum], _ adapter: Adapter) -> TrainingRequest {
        TrainingRequest(adapter: adapter, data: data, loss: mine.loss, accumulates: true)
      }
      let one = try golden.run(request(mine.data, whole))
      var logprobs: [Bits] = []
      for datum in mine.data {
        let answers = golden.engine.run([theirs.make(neighbour), request([datum], pieces)])
        logprobs += try answers[1].get().logprobs.map { Bits($0) }
      }
      #expect(logprobs == one.logprobs.map { Bits($0) }, "seed \(seed)")
      let (a, b) = (try #require(whole.training), try #require(pieces.training))
      #expect(Bits(a.gradients) == Bits(b.gradients), "seed \(seed)")
      for adapter in [whole, pieces] { _ = try adapter.step(.init(), kernels: golden.kernels) }
      #expect(Bits(whole.parameters) == Bits(pieces.parameters), "seed \(seed)")
      #expect(Bits(a.secondMoment) == Bits(b.secondMoment), "seed \(seed)")
    }
  }
}
