import Engine
import Foundation
import Tinsmith

/// Many clients on one base model, through the whole service: a router and one worker, processes of
/// their own, on `tinsmith/mini`; LoRA of rank 32, small requests.
///
/// - `tenants.mini.f32.cN.forward_backward`: tokens/s of N clients, an adapter each, one sequence of
///   128 tokens a step, an optim_step each, two steps in flight
/// - `tenants.mini.f32.one.forward_backward`: one client whose steps are 32 times as large
/// - `tenants.mini.f32.c32.vs_one`: the first by the second, measured in turns
/// - `tenants.mini.f32.c1.compute_idle`: share of the time in which the worker's compute thread had
///   nothing to do, one client, 8 × 128 tokens a step
/// - `tenants.mini.f32.cN.sample`: tokens/s of N clients that sample one sequence after another, 16
///   tokens of prompt and 128 new ones, on one snapshot; `.adapters` on one snapshot each
/// - `tenants.mini.f32.n16.sample`: one client with num_samples 16; `.vs_n16` what others reach of it
/// - `tenants.mini.f32.engine.b1`: the engine alone with the same adapter, and `.vs_engine`
/// - `tenants.qwen3-0.6b.f32.c16.vs_c1`: sixteen sampling clients by one, where weights stream from
///   memory; `.llama.*` the same of llama.cpp's decoding (without its prefill), in turns, and
///   `.vs_llama` our share of it
struct TenantsSuite {
  let reporter: Reporter
  let threads: Int
  let runs: Int
  let folder: String
  /// A peer; see `ExternalPeer.llama`.
  var llama: (program: String, model: String)?
  /// Seconds of each measurement.
  var duration = 4.0

  private static let counts = [1, 2, 4, 8, 16, 32]

  func run() async throws {
    try await mini()
    try await large()
  }

  private func mini() async throws {
    let prefix = "tenants.mini.f32"
    guard reporter.wants(prefix) else { return }
    let service = try await ServedProcess(threads: threads, base: nil, data: "\(folder)/served")
    defer { service.stop() }
    let bench = TenantsBench(endpoint: service.endpoint, base: "tinsmith/mini", duration: duration)
    try await training(prefix, bench)
    try await sampling(prefix, bench)
  }

  // MARK: Training

  private func training(_ prefix: String, _ bench: TenantsBench) async throws {
    if reporter.wants("\(prefix).c1.compute_idle") {
      var samples: [Double] = []
      for _ in 0..<runs { samples.append(try await bench.idleShare()) }
      reporter.report("\(prefix).c1.compute_idle", samples: samples, unit: "")
    }
    for count in Self.counts where reporter.wants("\(prefix).c\(count).forward_backward") {
      let clients = try await bench.trainers(count)
      var samples: [Double] = []
      for _ in 0..<max(1, runs / 2) {
        samples.append(try await bench.train(clients, sequences: 1))
      }
      reporter.report("\(prefix).c\(count).forward_backward", samples: samples, unit: "tokens/s")
      for client in clients { await client.service.close() }
    }
    guard reporter.wants("\(prefix).c32.vs_one") else { return }
    let many = try await bench.trainers(32)
    let one = try await bench.trainers(1)
    var rates: [Double] = []
    var ratios: [Double] = []
    for _ in 0..<runs {
      let alone = try await bench.train(one, sequences: 32)
      let together = try await bench.train(many, sequences: 1)
      let after = try await bench.train(one, sequences: 32)
      rates.append((alone + after) / 2)
      ratios.append(together / rates[rates.count - 1])
    }
    reporter.report("\(prefix).one.forward_backward", samples: rates, unit: "tokens/s")
    reporter.report("\(prefix).c32.vs_one", samples: ratios, unit: "")
    for client in many + one { await client.service.close() }
  }

  // MARK: Sampling

  private func sampling(_ prefix: String, _ bench: TenantsBench) async throws {
    guard reporter.wants("\(prefix).c") || reporter.wants("\(prefix).n16") else { return }
    let trainers = try await bench.trainers(32)
    let paths = try await bench.snapshots(trainers)
    for count in Self.counts where reporter.wants("\(prefix).c\(count).sample") {
      let clients = try await bench.samplers(Array(repeating: paths[0], count: count))
      let rate = try await bench.sample(clients, each: 1)
      reporter.report("\(prefix).c\(count).sample", samples: [rate], unit: "tokens/s")
    }
    let one = try await bench.samplers([paths[0]])
    let shared = try await bench.samplers(Array(repeating: paths[0], count: 16))
    let different = try await bench.samplers(Array(paths[..<16]))
    var figures: [String: [Double]] = [:]
    for _ in 0..<runs {
      let n16 = try await bench.sample(one, each: 16)
      let c16 = try await bench.sample(shared, each: 1)
      let adapters = try await bench.sample(different, each: 1)
      let c1 = try await bench.sample(one, each: 1)
      let engine = try engineRate(one[0].tokenizer)
      figures["n16.sample", default: []].append(n16)
      figures["c16.adapters.sample", default: []].append(adapters)
      figures["c16.vs_n16", default: []].append(c16 / n16)
      figures["c16.adapters.vs_n16", default: []].append(adapters / n16)
      figures["engine.b1", default: []].append(engine)
      figures["c1.vs_engine", default: []].append(c1 / engine)
    }
    report(figures, prefix)
    for client in trainers { await client.service.close() }
  }

  /// What the engine alone decodes, one sequence with an adapter of rank 32.
  /// - Parameter path: folder of the model.
  private func engineRate(_ path: String) throws -> Double {
    let kernels = try Kernels(threads: threads)
    let base = try Engine.BaseModel(
      name: "mini", folder: path, cache: "\(folder)/cache", storage: FileStorage(),
      kernels: kernels)
    let adapter = try Adapter(
      config: Engine.LoRAConfig(rank: 32, groups: [.attention, .mlp]), sites: base.sites)
    adapter.initialize(kernels: kernels)
    let generator = Generator(
      model: base, kernels: kernels, arena: try Arena(bytes: 1 << 32),
      cache: try KVCache(shapes: base.attentionShapes, bytes: 1 << 28))
    var tokens = 0
    var time = 0.0
    for round in 0..<8 {
      var request = GenerationRequest(prompt: TenantsBench.prompt, adapter: adapter)
      request.parameters.maxTokens = 128
      request.parameters.seed = UInt64(round)
      _ = try generator.add(request)
      time += seconds { while !generator.isIdle { tokens += generator.step().count } }
    }
    return Double(tokens) / time
  }

  // MARK: Weights that stream from memory

  private func large() async throws {
    let prefix = "tenants.qwen3-0.6b.f32"
    guard reporter.wants(prefix) else { return }
    let model = try RandomModel.qwen.folder(in: folder)
    let service = try await ServedProcess(
      threads: threads, base: "bench/qwen=\(model)", data: "\(folder)/served")
    defer { service.stop() }
    let bench = TenantsBench(endpoint: service.endpoint, base: "bench/qwen", duration: duration * 2)
    var figures: [String: [Double]] = [:]
    let one = try await bench.samplers([nil])
    let many = try await bench.samplers(Array(repeating: nil, count: 16))
    for _ in 0..<max(1, runs / 2) {
      let c1 = try await bench.sample(one, each: 1)
      let c16 = try await bench.sample(many, each: 1)
      figures["c1.sample", default: []].append(c1)
      figures["c16.sample", default: []].append(c16)
      figures["c16.vs_c1", default: []].append(c16 / c1)
      guard let peer1 = try llamaRate(1), let peer16 = try llamaRate(16) else { continue }
      figures["llama.c16.sample", default: []].append(peer16)
      figures["llama.c16.vs_c1", default: []].append(peer16 / peer1)
      figures["c1.vs_llama", default: []].append(c1 / peer1)
      figures["c16.vs_llama", default: []].append(c16 / peer16)
    }
    report(figures, prefix)
  }

  /// Tokens/s of the peer; nil without one.
  private func llamaRate(_ sequences: Int) throws -> Double? {
    guard let llama else { return nil }
    return try ExternalPeer.llama(
      llama.program, model: llama.model, sequences: sequences, threads: threads
    ).rate()
  }

  private func report(_ figures: [String: [Double]], _ prefix: String) {
    for (name, samples) in figures.sorted(by: { $0.key < $1.key }) {
      let unit = name.contains("vs_") ? "" : "tokens/s"
      reporter.report("\(prefix).\(name)", samples: samples, unit: unit)
    }
  }
}
