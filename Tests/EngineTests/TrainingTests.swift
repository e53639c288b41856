import Crypto
import Testing

@testable import Engine

/// What a forward_backward promises beside its numbers.
@Suite struct TrainingTests {
  let golden: GoldenModel
  let losses: [GoldenLoss]

  init() throws {
    golden = try GoldenModel("llama")
    losses = try Golden.losses("llama")
  }

  private func loss(_ name: String) throws -> GoldenLoss {
    try #require(losses.first { $0.name == name })
  }

  private func values(_ block: FloatBlock) -> [Float] {
    Array(UnsafeBufferPointer(start: block.pointer, count: block.count))
  }

  private func gradients(_ adapter: Adapter) throws -> [Float] {
    values(try #require(adapter.training).gradients)
  }

  /// The loss moves along the gradient as the gradient says, to 1e-3: (L(+h) - L(-h)) / 2h = ‖g‖.
  @Test(arguments: ["cross_entropy", "importance_sampling", "dro", "cross_entropy-topk"])
  func centralDifference(name: String) throws {
    let loss = try loss(name)
    let adapter = try golden.adapter(loss.adapter)
    _ = try golden.run(try golden.request(loss, adapter))
    let gradient = try gradients(adapter)
    let start = values(adapter.parameters)
    let norm = gradient.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    let step = 2e-3 * loss.lossScale / norm / 10
    func moved(_ sign: Double) throws -> Double {
      let by = gradient.map { Float(sign * step * Double($0) / norm) }
      for i in start.indices { adapter.parameters.pointer[i] = start[i] + by[i] }
      adapter.repack(kernels: golden.kernels)
      let answer = try golden.run(try golden.request(loss, adapter, accumulates: false))
      return try #require(answer.metrics["loss:sum"])
    }
    let slope = (try moved(1) - moved(-1)) / (2 * step)
    #expect(abs(slope / norm - 1) <= 1e-3, "\(slope) against \(norm)")
  }

  /// `forward` leaves gradients alone and gives the log-probs of forward_backward.
  @Test func forwardAccumulatesNothing() throws {
    let loss = try loss("ppo")
    let adapter = try golden.adapter(loss.adapter)
    let only = try golden.run(try golden.request(loss, adapter, accumulates: false))
    let before = try gradients(adapter)
    #expect(before.allSatisfy { $0 == 0 })
    let both = try golden.run(try golden.request(loss, adapter))
    #expect(only.logprobs == both.logprobs && only.metrics == both.metrics)
  }

  /// A request that fails in the middle of a batch leaves no trace, on itself or on its neighbours
  /// (numerics rule n).
  @Test func failureLeavesNoTrace() throws {
    let fine = try loss("cross_entropy-attn-r1")
    var bad = try loss("importance_sampling")
    bad = bad.replacingLogprobs(by: -300)  // r overflows: the loss is not finite
    let (one, two) = (try golden.adapter(fine.adapter), try golden.adapter(bad.adapter))
    _ = try golden.run(try golden.request(loss("dro"), two))
    let kept = try gradients(two)
    let results = golden.engine.run([
      try golden.request(bad, two), try golden.request(fine, one),
    ])
    let error = #expect(throws: EngineError.self) { try results[0].get() }
    #expect(error?.code == .failedPrecondition)
    #expect(try gradients(two) == kept)
    let alone = try golden.adapter(fine.adapter)
    let expected = try golden.run(try golden.request(fine, alone))
    #expect(try results[1].get().logprobs == expected.logprobs)
    #expect(try gradients(one) == gradients(alone))
  }

  /// A step with nothing accumulated is a step with g = 0 (numerics rule k), and it consumes what
  /// there is.
  @Test func stepConsumesTheGradient() throws {
    let adapter = try golden.adapter("all-r3")
    let start = values(adapter.parameters)
    #expect(try adapter.step(AdamParameters(), kernels: golden.kernels) == 0)
    #expect(values(adapter.parameters) == start)
    _ = try golden.run(try golden.request(loss("cross_entropy"), adapter))
    #expect(try adapter.step(AdamParameters(), kernels: golden.kernels) > 0)
    #expect(try gradients(adapter).allSatisfy { $0 == 0 })
    #expect(values(adapter.parameters) != start)
    #expect(adapter.training?.stepCount == 2)
  }

  /// SHA-256 of the adapter's parameters after five steps. It changes when a kernel moves a bit:
  /// then `Numerics.version` must be raised, and these with it (numerics rule o).
  @Test(arguments: [
    ("llama", "d7634edf778a04490b6ccf39a08a3240d1fb801ab9a89c4ef96e25607e914a32"),
    ("qwen3-mha", "fc78d1b2ea634d048756749011d9e31759c0f48b720d99ca39fb05f3fe09033f"),
  ])
  func fingerprint(name: String, expected: String) throws {
    let golden = try GoldenModel(name)
    let loss = try #require(Golden.losses(name).first { $0.lossFn == "cross_entropy" })
    let adapter = try golden.adapter(loss.adapter)
    var adam = AdamParameters()
    adam.learningRate = 1e-2
    adam.gradientClipNorm = 100
    for _ in 0..<5 {
      _ = try golden.run(try golden.request(loss, adapter))
      _ = try adapter.step(adam, kernels: golden.kernels)
    }
    let bytes = values(adapter.parameters).flatMap { value in
      withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    }
    let hash = SHA256.hash(data: bytes).map { byte in
      String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
    #expect(hash == expected, "numerics version \(Numerics.version)")
  }
}

extension GoldenLoss {
  /// The same case with another behaviour policy.
  func replacingLogprobs(by value: Double) -> GoldenLoss {
    let datums = datums.map { datum in
      var inputs = datum.inputs
      inputs["logprobs"] = Input(
        dtype: "float32", shape: [datum.tokens.count],
        data: Array(repeating: value, count: datum.tokens.count), sparseCrowIndices: nil,
        sparseColIndices: nil)
      return Datum(tokens: datum.tokens, inputs: inputs)
    }
    return GoldenLoss(
      name: name, adapter: adapter, lossFn: lossFn, config: config, datums: datums,
      metrics: metrics, lossScale: lossScale)
  }
}
