import Testing

@testable import Engine

/// The estimate of what a pass takes of the arena is never below what it takes.
@Suite struct WorkspaceTests {
  @Test(arguments: Golden.models)
  func estimatesAreFromAbove(name: String) throws {
    let golden = try GoldenModel(name)
    let workspace = Workspace(golden.model.config)
    var random = SeededRandom(11)
    for seed in 0..<UInt64(6) {
      for (policy, row) in [
        (ScopePolicy.keepAll, workspace.keptRow), (.recompute, workspace.recomputedRow),
        (.inference, workspace.inferenceRow),
      ] {
        let adapter = try RandomAdapter(&random, sites: golden.model.sites).make(golden)
        adapter.startTraining()
        let count = [1, 31, 64, 130].randomElement(using: &random) ?? 1
        let tokens = random.tokens(count, golden)
        let arena = try Arena(bytes: 1 << 30)
        let engine = TrainingEngine(model: golden.model, kernels: golden.kernels, arena: arena)
        if policy == .recompute { engine.activationBudget = 1 }
        let datum = try golden.datum(tokens, targets: tokens)
        let result = engine.run([
          TrainingRequest(
            adapter: adapter, data: [datum], loss: try LossFunction(name: "cross_entropy"),
            accumulates: policy != .inference)
        ])
        _ = try result[0].get()
        // Pages are whole ones: 32 positions.
        let rows = PagePool.pages(for: count) * PagePool.positionsPerPage
        #expect(
          arena.peak <= rows * row + workspace.head, "\(policy), \(count) rows, seed \(seed)")
      }
    }
  }

  /// A datum that cannot fit is refused with the figures, before anything is computed; one that does
  /// is computed in the very workspace that was said to suffice.
  @Test func refusesWhatCannotFit() throws {
    let golden = try GoldenModel("llama")
    let workspace = Workspace(golden.model.config)
    let targets = workspace.targets(rows: 100, each: 1)
    let arena = try Arena(bytes: workspace.head + 100 * workspace.recomputedRow + targets)
    let engine = TrainingEngine(model: golden.model, kernels: golden.kernels, arena: arena)
    let adapter = try golden.adapter("all-r3")
    func run(_ count: Int) throws -> TrainingResult {
      var random = SeededRandom(1)
      let tokens = random.tokens(count, golden)
      return try engine.run([
        TrainingRequest(
          adapter: adapter, data: [golden.datum(tokens, targets: tokens)],
          loss: try LossFunction(name: "cross_entropy"), accumulates: true)
      ])[0].get()
    }
    #expect(try run(100).logprobs[0].count == 100)
    let error = #expect(throws: EngineError.self) { try run(101) }
    #expect(error?.code == .resourceExhausted && error?.field == "data[0].model_input")
    #expect(error?.message.contains("enough for 100 tokens") == true)
  }

  /// Bytes of an adapter are known before there is one.
  @Test func adaptersAreCountedAhead() throws {
    let golden = try GoldenModel("qwen3")
    var random = SeededRandom(12)
    for _ in 0..<20 {
      let config = try RandomAdapter(&random, sites: golden.model.sites).config
      let sites = golden.model.sites
      let adapter = try Adapter(config: config, sites: sites)
      #expect(adapter.bytes == Adapter.bytes(config, sites: sites, isTrained: false))
      #expect(adapter.bytes >= 2 * 4 * adapter.parameterCount)
      adapter.startTraining()
      #expect(adapter.bytes == Adapter.bytes(config, sites: sites, isTrained: true))
      #expect(adapter.bytes >= 6 * 4 * adapter.parameterCount)
    }
  }
}
