import Testing

@testable import Engine

/// Every loss and branch: log-probs, metrics and all LoRA gradients against float64.
@Suite struct GoldenLossTests {
  @Test(arguments: Golden.models)
  func forwardBackward(name: String) throws {
    let golden = try GoldenModel(name)
    let tensors = try Golden.tensors("losses-\(name).safetensors")
    for loss in try Golden.losses(name) {
      let adapter = try golden.adapter(loss.adapter)
      let answer = try golden.run(try request(loss, adapter, golden))
      try check(answer, loss, tensors)
      try check(adapter, loss, tensors, golden)
    }
  }

  /// Cases without `logprobs` are given the current ones: the ratio is exactly 1.
  private func request(
    _ loss: GoldenLoss, _ adapter: Adapter, _ golden: GoldenModel
  ) throws -> TrainingRequest {
    guard loss.lossFn != "cross_entropy",
      loss.datums.contains(where: { $0.inputs["logprobs"] == nil })
    else { return try golden.request(loss, adapter) }
    let zeros = loss.datums.map { [Float](repeating: 0, count: $0.tokens.count) }
    let own = try golden.run(
      try golden.request(loss, adapter, accumulates: false, logprobs: zeros))
    return try golden.request(loss, adapter, logprobs: own.logprobs)
  }

  private func check(
    _ answer: TrainingResult, _ loss: GoldenLoss, _ tensors: GoldenTensors
  ) throws {
    for (i, logprobs) in answer.logprobs.enumerated() {
      let error = relativeError(logprobs, try tensors.doubles("\(loss.name)/logprobs/\(i)"))
      #expect(error <= Tolerance.logprobs, "\(loss.name) log-probs \(i): \(error)")
    }
    let sum = try #require(answer.metrics["loss:sum"])
    let difference = abs(sum - (loss.metrics["loss:sum"] ?? .nan))
    #expect(difference <= Tolerance.loss * loss.lossScale, "\(loss.name): \(sum)")
    let pairs = [("clip_fraction:mean", "clip_fraction"), ("kl_sample_train:mean", "kl")]
    for (ours, theirs) in pairs {
      guard let expected = loss.metrics[theirs] else { continue }
      let value = try #require(answer.metrics[ours], "\(loss.name) lacks \(ours)")
      #expect(abs(value - expected) <= 1e-4, "\(loss.name) \(ours): \(value), \(expected)")
    }
  }

  private func check(
    _ adapter: Adapter, _ loss: GoldenLoss, _ tensors: GoldenTensors, _ golden: GoldenModel
  ) throws {
    for name in golden.tensorNames(adapter) {
      let ours = try golden.gradient(name, of: adapter)
      let error = relativeError(ours, try tensors.doubles("\(loss.name)/grad/\(name)"))
      #expect(error <= Tolerance.gradients, "\(loss.name) \(name): \(error)")
    }
  }

  /// One request per adapter, all in one batch, cut into micro-batches in several ways, kept or
  /// recomputed: the same bits as each request alone (numerics contract 2).
  @Test(arguments: ["llama", "qwen3"])
  func crowd(name: String) throws {
    let golden = try GoldenModel(name)
    let losses = try Golden.losses(name)
    let names = [
      "cross_entropy-attn-r1", "gspo", "cross_entropy-unembed-r32", "cross_entropy-topk",
    ]
    let cases = try names.map { name in try #require(losses.first { $0.name == name }) }
    var alone: [(TrainingResult, [Float])] = []
    for loss in cases {
      let adapter = try golden.adapter(loss.adapter)
      let answer = try golden.run(try golden.request(loss, adapter))
      alone.append((answer, try gradients(adapter)))
    }
    for (rows, budget) in [(2048, 2 << 30), (20, 2 << 30), (1, 2 << 30), (2048, 1)] {
      golden.engine.maxRows = rows
      golden.engine.activationBudget = budget
      let adapters = try cases.map { try golden.adapter($0.adapter) }
      let requests = try zip(cases, adapters).map { try golden.request($0, $1) }
      for (i, result) in golden.engine.run(requests).enumerated() {
        let answer = try result.get()
        #expect(answer.logprobs == alone[i].0.logprobs, "\(names[i]), \(rows) rows")
        #expect(answer.metrics == alone[i].0.metrics, "\(names[i]), \(rows) rows")
        #expect(try gradients(adapters[i]) == alone[i].1, "\(names[i]), \(rows) rows, \(budget)")
      }
    }
  }

  /// A batch cut into several forward_backward calls accumulates the same bits (rule h).
  @Test func accumulation() throws {
    let golden = try GoldenModel("qwen3")
    let loss = try #require(Golden.losses("qwen3").first { $0.name == "ppo" })
    let whole = try golden.adapter(loss.adapter)
    let pieces = try golden.adapter(loss.adapter)
    let request = try golden.request(loss, whole)
    _ = try golden.run(request)
    for datum in request.data {
      _ = try golden.run(
        TrainingRequest(adapter: pieces, data: [datum], loss: request.loss, accumulates: true))
    }
    #expect(try gradients(whole) == gradients(pieces))
  }

  /// One overflow among many datums is found without looking through them all.
  @Test(arguments: ["importance_sampling", "ppo", "gspo"])
  func theTokenThatIsNotFiniteIsNamed(loss name: String) throws {
    let golden = try GoldenModel("qwen3")
    let loss = try LossFunction(name: name)
    func datum(_ behaviour: [Float]) throws -> TrainingDatum {
      let tokens: [Int32] = [3, 1, 4, 1, 5]
      var inputs = [
        "target_tokens": LossInput(shape: [5], values: .integers([1, 4, 1, 5, 9])),
        "logprobs": LossInput(shape: [5], values: .floats(behaviour)),
        "advantages": LossInput(shape: [5], values: .floats([0, 1, 1, -1, 1])),
      ]
      if name == "gspo" {
        inputs["sequence_ratio_mask"] = LossInput(
          shape: [5], values: .floats([1, 1, 1, 1, 1]))
      }
      return try TrainingDatum(
        tokens: tokens, inputs: inputs, loss: loss, config: golden.model.config, field: "data")
    }
    let plain: [Float] = [-3, -3, -3, -3, -3]
    let bad: [Float] = [-3, -3, -3, -9999, -3]
    let adapter = try golden.adapter("all-r3")
    let request = TrainingRequest(
      adapter: adapter, data: [try datum(plain), try datum(plain), try datum(bad)], loss: loss,
      accumulates: true)
    let error = try #require(throws: EngineError.self) { _ = try golden.run(request) }
    #expect(error.code == .failedPrecondition && error.field == "data[2]", "\(error)")
    #expect(error.message.contains("token 3") && error.message.contains("-9999"), "\(error)")
  }

  private func gradients(_ adapter: Adapter) throws -> [Float] {
    let block = try #require(adapter.training).gradients
    return Array(UnsafeBufferPointer(start: block.pointer, count: block.count))
  }
}
