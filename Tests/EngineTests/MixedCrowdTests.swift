import Testing

@testable import Engine

/// Training and sampling in turns on one workspace, as a worker does it: each tenant's whole run is
/// the run alone (numerics contract 1 to 3).
@Suite struct MixedCrowdTests {
  /// A tenant: some forward_backwards with an optimizer step behind each, and what is sampled from
  /// the weights after each.
  private struct Tenant {
    let adapter: RandomAdapter
    let steps: [(request: RandomRequest, sample: RandomSample)]

    init(_ random: inout SeededRandom, _ golden: GoldenModel) throws {
      adapter = try RandomAdapter(&random, sites: golden.model.sites)
      let stem = random.tokens(60, golden)
      steps = try (0..<Int.random(in: 1...4, using: &random)).map { _ in
        (
          try RandomRequest(&random, config: golden.model.config),
          RandomSample(&random, stem: stem, golden)
        )
      }
    }
  }

  private struct Outcome: Equatable {
    var logprobs: [[Bits]] = []
    var samples: [Int: SampleOutcome] = [:]
    var parameters: Bits?
    var firstMoment: Bits?
    var secondMoment: Bits?

    mutating func end(_ adapter: Adapter) {
      parameters = Bits(adapter.parameters)
      firstMoment = adapter.training.map { Bits($0.firstMoment) }
      secondMoment = adapter.training.map { Bits($0.secondMoment) }
    }
  }

  /// Trains and samples over one arena.
  private struct Engines {
    let kernels: Kernels
    let training: TrainingEngine
    let generator: Generator

    init(_ golden: GoldenModel) throws {
      kernels = golden.kernels
      let arena = try Arena(bytes: 1 << 30)
      training = TrainingEngine(model: golden.model, kernels: kernels, arena: arena)
      generator = Generator(
        model: golden.model, kernels: kernels, arena: arena,
        cache: try KVCache(shapes: golden.model.transformer.attentionShapes, bytes: 1 << 25))
    }
  }

  private static let adam = {
    var adam = AdamParameters()
    (adam.learningRate, adam.gradientClipNorm) = (1e-2, 10)
    return adam
  }()

  /// One tenant, one thing after another.
  private func alone(_ tenant: Tenant, _ golden: GoldenModel) throws -> Outcome {
    var outcome = Outcome()
    let adapter = try tenant.adapter.make(golden)
    for (i, step) in tenant.steps.enumerated() {
      let answer = try golden.run(step.request.make(adapter))
      outcome.logprobs.append(answer.logprobs.map { Bits($0) })
      _ = try adapter.step(Self.adam, kernels: golden.kernels)
      let engines = try Engines(golden)
      _ = try engines.generator.add(
        step.sample.make(adapter.snapshot(kernels: golden.kernels), scope: nil))
      while !engines.generator.isIdle {
        for case .finished(_, let result) in engines.generator.step() {
          outcome.samples[i] = SampleOutcome(result)
        }
      }
    }
    outcome.end(adapter)
    return outcome
  }

  /// All tenants: random micro-batches and steps of decoding in turns, steps of the optimizer as
  /// soon as a request has ended.
  private func together(
    _ tenants: [Tenant], _ golden: GoldenModel, _ random: inout SeededRandom
  ) throws -> [Outcome] {
    let engines = try Engines(golden)
    engines.generator.prefillRows = [3, 40, 512].randomElement(using: &random) ?? 512
    let run = TrainingRun(engine: engines.training)
    let adapters = try tenants.map { try $0.adapter.make(golden) }
    var outcomes = tenants.map { _ in Outcome() }
    // By tenant: the step under way, its number in the run, and its next datum.
    var steps = try tenants.indices.map { i in
      (index: 0, id: try run.add(tenants[i].steps[0].request.make(adapters[i])), next: 0)
    }
    var samples: [Int: (tenant: Int, step: Int)] = [:]
    var open = Set(tenants.indices)
    while !open.isEmpty || !engines.generator.isIdle {
      if Bool.random(using: &random) {
        for event in engines.generator.step() {
          guard case .finished(let id, let result) = event, let sample = samples[id] else {
            continue
          }
          outcomes[sample.tenant].samples[sample.step] = SampleOutcome(result)
        }
      }
      let accumulates = Bool.random(using: &random)
      let chosen = open.sorted().filter {
        tenants[$0].steps[steps[$0].index].request.accumulates == accumulates
          && Bool.random(using: &random)
      }.shuffled(using: &random)
      let pieces = chosen.map { i in
        let data = tenants[i].steps[steps[i].index].request.data
        let first = steps[i].next
        steps[i].next = Int.random(in: first + 1...data.count, using: &random)
        return TrainingRun.Piece(request: steps[i].id, datums: first..<steps[i].next)
      }
      for (id, result) in run.step(pieces) {
        let i = try #require(chosen.first { steps[$0].id == id })
        outcomes[i].logprobs.append(try result.get().logprobs.map { Bits($0) })
        _ = try adapters[i].step(Self.adam, kernels: golden.kernels)
        let done = steps[i].index
        let snapshot = try adapters[i].snapshot(kernels: golden.kernels)
        let sample = tenants[i].steps[done].sample.make(snapshot, scope: "\(i) \(done)")
        samples[try engines.generator.add(sample)] = (i, done)
        guard done + 1 < tenants[i].steps.count else {
          outcomes[i].end(adapters[i])
          open.remove(i)
          continue
        }
        let next = tenants[i].steps[done + 1].request.make(adapters[i])
        steps[i] = (done + 1, try run.add(next), 0)
      }
    }
    return outcomes
  }

  @Test(arguments: Golden.models)
  func everyRunIsTheRunAlone(name: String) throws {
    let reference = try GoldenModel(name, threads: 1, isa: 3)
    let crowds = try [1, 2].map { try GoldenModel(name, threads: $0) }
    for seed in 0..<UInt64(6) {
      var random = SeededRandom(2000 + seed)
      let golden = try #require(crowds.randomElement(using: &random))
      let tenants = try (0..<Int.random(in: 2...5, using: &random)).map { _ in
        try Tenant(&random, golden)
      }
      let outcomes = try together(tenants, golden, &random)
      for (i, tenant) in tenants.enumerated() {
        let expected = try alone(tenant, reference)
        #expect(outcomes[i] == expected, "seed \(seed), tenant \(i)")
        #expect(expected.samples.count == tenant.steps.count)
      }
    }
  }
}
