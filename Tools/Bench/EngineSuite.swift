import Engine
import Foundation

/// Training and decoding rates of the engine alone, on random weights, LoRA of rank 32 on
/// attention and MLP: the set-up of the PyTorch peer.
struct EngineSuite {
  let reporter: Reporter
  let threads: Int
  let runs: Int
  let folder: String

  func run() throws {
    try measure(.mini, shapes: [(8, 128), (4, 512)])
    try measure(.qwen, shapes: [(4, 128)])
  }

  private func measure(_ model: RandomModel, shapes: [(batch: Int, length: Int)]) throws {
    let prefix = "engine.\(model.name).f32"
    guard reporter.wants(prefix) else { return }
    let kernels = try Kernels(threads: threads)
    let arena = try Arena(bytes: 64 << 30)
    let path = try model.folder(in: folder)
    let base = try BaseModel(
      name: model.name, folder: path, cache: "\(folder)/cache", storage: FileStorage(),
      kernels: kernels)
    let adapter = try Adapter(
      config: LoRAConfig(rank: 32, groups: [.attention, .mlp]), sites: base.sites)
    adapter.initialize(kernels: kernels)
    adapter.startTraining()
    for shape in shapes {
      let name = "\(prefix).\(shape.batch)x\(shape.length)"
      guard reporter.wants(name) else { continue }
      try training(name, shape, base, adapter, kernels, arena)
    }
    for batch in [1, 16] {
      let name = "\(prefix).b\(batch).decode"
      guard reporter.wants(name) else { continue }
      try decoding(name, batch, base, kernels, arena)
    }
  }

  private func training(
    _ name: String, _ shape: (batch: Int, length: Int), _ base: BaseModel, _ adapter: Adapter,
    _ kernels: Kernels, _ arena: Arena
  ) throws {
    let engine = TrainingEngine(model: base, kernels: kernels, arena: arena)
    let loss = try LossFunction(name: "cross_entropy")
    let data = try (0..<shape.batch).map { i in
      let tokens = Self.tokens(shape.length + 1, base.config.vocabularySize, seed: UInt64(i + 1))
      return try TrainingDatum(
        tokens: Array(tokens.dropLast()),
        inputs: [
          "target_tokens": LossInput(
            shape: [shape.length], values: .integers(tokens.dropFirst().map { Int64($0) })),
          "weights": LossInput(
            shape: [shape.length], values: .floats(Array(repeating: 1, count: shape.length))),
        ], loss: loss, config: base.config, field: "data[\(i)]")
    }
    let count = Double(shape.batch * shape.length)
    func rate(accumulates: Bool) throws -> [Double] {
      let request = TrainingRequest(
        adapter: adapter, data: data, loss: loss, accumulates: accumulates)
      _ = try engine.run([request])[0].get()
      return try (0..<runs).map { _ in
        count / (try seconds { _ = try engine.run([request])[0].get() })
      }
    }
    if reporter.wants("\(name).forward_backward") {
      reporter.report(
        "\(name).forward_backward", samples: try rate(accumulates: true), unit: "tokens/s")
    }
    if reporter.wants("\(name).forward") {
      reporter.report("\(name).forward", samples: try rate(accumulates: false), unit: "tokens/s")
    }
    if reporter.wants("\(name).optim_step") {
      let samples = try (0..<max(runs, 9)).map { _ in
        try seconds { _ = try adapter.step(AdamParameters(), kernels: kernels) } * 1e3
      }
      reporter.report("\(name).optim_step", samples: samples, unit: "ms")
    }
    reporter.report("\(name).peak_memory", samples: [Self.peakMemory()], unit: "bytes")
  }

  /// Tokens per second of greedy decoding, without the prefill: 16-token prompts, 128 new tokens.
  private func decoding(
    _ name: String, _ batch: Int, _ base: BaseModel, _ kernels: Kernels, _ arena: Arena
  ) throws {
    let cache = try KVCache(shapes: base.attentionShapes, bytes: 4 << 30)
    let generator = Generator(model: base, kernels: kernels, arena: arena, cache: cache)
    let samples = try (0..<runs + 1).map { _ in
      for i in 0..<batch {
        var request = GenerationRequest(
          prompt: Self.tokens(16, base.config.vocabularySize, seed: UInt64(i + 1)))
        request.parameters.temperature = 0
        request.parameters.maxTokens = 128
        _ = try generator.add(request)
      }
      _ = generator.step()
      var count = 0
      let time = seconds {
        while !generator.isIdle {
          for case .token in generator.step() { count += 1 }
        }
      }
      return Double(count) / time
    }
    reporter.report(name, samples: Array(samples.dropFirst()), unit: "tokens/s")
  }

  private static func tokens(_ count: Int, _ vocabulary: Int, seed: UInt64) -> [Int32] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int32((state >> 33) % UInt64(vocabulary))
    }
  }

  /// Largest resident set so far, in bytes (mapped weights included).
  private static func peakMemory() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_maxrss) * 1024
  }
}
