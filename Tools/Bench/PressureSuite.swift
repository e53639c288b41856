import Foundation
import RPC
import Synchronization
import Tinsmith
import Wire

/// More work than a worker's memory holds, of every kind at once: sequences as long as the advertised
/// context, 16 × 512 tokens, scoring of 30,000 tokens, eight adapters in training and 200 snapshots
/// sampled from in turns, beside a tenant that only pings.
///
/// - `pressure.MODEL.answers`, `.refusals`: requests of each kind that were answered, and that the
///   service refused with a figure
/// - `pressure.MODEL.unfinished`: requests that were still at work a minute after the end
/// - `pressure.MODEL.errors`: any other failure; none is right
/// - `pressure.MODEL.memory_of_budget`: the largest resident size of the worker that was seen in any
///   second (`smaps_rollup`), by `--memory`; at most 1 is right
/// - `pressure.MODEL.ping_p99`: milliseconds of the other tenant's pings
/// - `pressure.MODEL.parked`: models that were put on disk to make room
struct PressureSuite {
  let reporter: Reporter
  let threads: Int
  let folder: String
  var seconds = 600.0

  private struct Scale {
    let model: RandomModel
    let memory: Int
    let adapters: Int
    let rank: Int
    let snapshots: Int
    let scored: Int
  }

  private static let scales = [
    Scale(
      model: .mini, memory: 700 << 20, adapters: 8, rank: 64, snapshots: 200, scored: 4000),
    Scale(
      model: RandomModel.qwen.with(positions: 40_960), memory: 4 << 30, adapters: 8, rank: 32,
      snapshots: 200, scored: 30_000),
  ]

  func run() async throws {
    for scale in Self.scales where reporter.wants("pressure.\(scale.model.name)") {
      try await measure(scale)
    }
  }

  private func measure(_ scale: Scale) async throws {
    let base = try scale.model.folder(in: folder)
    let served = try await ServedProcess(
      threads: threads, base: "bench=\(base)", data: "\(folder)/pressure-data",
      options: ["--memory", "\(scale.memory)"])
    defer { served.stop() }
    let tally = Tally()
    let load = PressureLoad(
      endpoint: served.endpoint, tally: tally, vocabulary: scale.model.vocabulary,
      end: ContinuousClock.now + .seconds(seconds))
    let pids = served.workers
    await withTaskGroup { group in
      group.addTask { await load.longSamples() }
      group.addTask { await load.groups() }
      group.addTask { await load.scoring(tokens: scale.scored) }
      for i in 0..<scale.adapters { group.addTask { await load.training(i, rank: scale.rank) } }
      group.addTask { await load.snapshots(scale.snapshots) }
      group.addTask { await load.pings() }
      group.addTask { await load.watch(pids) }
    }
    let name = "pressure.\(scale.model.name)"
    let client = ServiceClient(endpoint: served.endpoint)
    let parked = try? await client.stats().value()
    await client.close()
    let figures = tally.figures
    for error in figures.errors.prefix(10) { print("# \(error)") }
    for (kind, counts) in [
      ("answers", figures.answers), ("refusals", figures.refusals),
      ("unfinished", figures.unfinished),
    ] {
      for (what, count) in counts.sorted(by: { $0.key < $1.key }) {
        reporter.report("\(name).\(kind).\(what)", samples: [Double(count)], unit: "")
      }
    }
    reporter.report("\(name).errors", samples: [Double(figures.errors.count)], unit: "")
    reporter.report(
      "\(name).memory_of_budget", samples: [Double(figures.peak) / Double(scale.memory)],
      unit: "of --memory")
    let pings = figures.pings.sorted()
    if !pings.isEmpty {
      reporter.report(
        "\(name).ping_p99", samples: [pings[min(pings.count - 1, pings.count * 99 / 100)]],
        unit: "ms")
    }
    reporter.report(
      "\(name).parked", samples: [TenantsBench.sum(".models_parked_total", parked ?? [:])],
      unit: "")
  }
}

/// What happened, from many tasks.
final class Tally: Sendable {
  struct Figures {
    var answers: [String: Int] = [:]
    var refusals: [String: Int] = [:]
    var unfinished: [String: Int] = [:]
    var errors: [String] = []
    var pings: [Double] = []
    var peak = 0
  }

  private let state = Mutex(Figures())

  var figures: Figures { state.withLock(\.self) }

  func change(_ body: (inout Figures) -> Void) { state.withLock { body(&$0) } }

  /// Counts how something ended. Lack of memory is an answer if it names a figure.
  func count<Value>(_ what: String, _ body: () async throws -> Value) async -> Value? {
    do {
      let value = try await body()
      change { $0.answers[what, default: 0] += 1 }
      return value
    } catch {
      let code = (error as? TinsmithError)?.code
      let isFigure = "\(error)".contains { $0.isNumber }
      let isRefusal = code == .resourceExhausted || code == .failedPrecondition
      change {
        if isRefusal, isFigure {
          $0.refusals[what, default: 0] += 1
        } else if code == .deadlineExceeded {
          // The only deadline that is set: the end of the measurement.
          $0.unfinished[what, default: 0] += 1
        } else {
          $0.errors.append("\(what): \(error)")
        }
      }
      return nil
    }
  }
}

/// The load of `PressureSuite`.
struct PressureLoad: Sendable {
  let endpoint: String
  let tally: Tally
  let vocabulary: Int
  let end: ContinuousClock.Instant

  private var isOver: Bool { ContinuousClock.now >= end }

  private func tokens(_ count: Int, _ seed: Int) -> [Int32] {
    var state = UInt64(seed + 1)
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int32((state >> 33) % UInt64(vocabulary))
    }
  }

  /// Time is over for whoever still waits.
  private func client(_ tenant: String) -> ServiceClient {
    let left = max(1, (end - ContinuousClock.now).components.seconds)
    return ServiceClient(endpoint: endpoint, apiKey: tenant, timeout: .seconds(left + 60))
  }

  private func sampler(_ service: ServiceClient) async -> SamplingClient? {
    await tally.count("session") {
      try await service.createSamplingClient(baseModel: "bench").value()
    }
  }

  /// As many tokens as are advertised.
  func longSamples() async {
    let service = client("long")
    guard let sampler = await sampler(service) else { return }
    var seed = 0
    while !isOver {
      let prompt = Tinsmith.ModelInput(tokens: tokens(sampler.maxContextLength * 3 / 4, seed))
      _ = await tally.count("long") {
        try await sampler.sample(prompt, params: SamplingParams(stop: .tokens([]))).value()
      }
      seed += 1
    }
    await service.close()
  }

  func groups() async {
    let service = client("groups")
    guard let sampler = await sampler(service) else { return }
    var seed = 0
    while !isOver {
      let prompt = Tinsmith.ModelInput(tokens: tokens(64, seed))
      _ = await tally.count("groups") {
        try await sampler.sample(
          prompt, numSamples: 16, params: SamplingParams(maxTokens: 512, stop: .tokens([]))
        ).value()
      }
      seed += 1
    }
    await service.close()
  }

  func scoring(tokens count: Int) async {
    let service = client("scoring")
    guard let sampler = await sampler(service) else { return }
    var seed = 0
    while !isOver {
      let prompt = Tinsmith.ModelInput(tokens: tokens(count, seed))
      _ = await tally.count("scoring") { try await sampler.computeLogprobs(prompt).value() }
      seed += 1
      try? await Task.sleep(for: .seconds(1))
    }
    await service.close()
  }

  func training(_ index: Int, rank: Int) async {
    let service = client("training")
    let model = await tally.count("create") {
      try await service.createLoRATrainingClient(baseModel: "bench", rank: rank).value()
    }
    let datum = Datum(prompt: tokens(32, index), completion: tokens(32, index + 100))
    while let model, !isOver {
      _ = await tally.count("forward_backward") {
        try await model.forwardBackward([datum], loss: .crossEntropy).value()
      }
      _ = await tally.count("optim_step") { try await model.optimStep().value() }
    }
    await service.close()
  }

  /// Saves snapshots, then samples from them in turns.
  func snapshots(_ count: Int) async {
    let service = client("snapshots")
    let model = await tally.count("create") {
      try await service.createLoRATrainingClient(baseModel: "bench", rank: 8).value()
    }
    guard let model else { return }
    var samplers: [SamplingClient] = []
    var turn = 0
    while !isOver {
      if samplers.count < count, turn % 2 == 0 {
        if let sampler = await tally.count(
          "snapshot", { try await model.saveWeightsAndGetSamplingClient().value() })
        {
          samplers.append(sampler)
        }
      } else if !samplers.isEmpty {
        let sampler = samplers[turn / 2 % samplers.count]
        let prompt = Tinsmith.ModelInput(tokens: tokens(16, turn))
        _ = await tally.count("snapshot_sample") {
          try await sampler.sample(prompt, params: SamplingParams(maxTokens: 2)).value()
        }
      }
      turn += 1
    }
    await service.close()
  }

  /// A tenant that wants nothing but a word from the worker.
  func pings() async {
    let clock = ContinuousClock()
    do {
      let channel = try ClientChannel(ClientConfiguration(endpoint: endpoint))
      let session = try await channel.control.call(
        .sessionsCreate, CreateSessionRequest(apiKey: "calm", displayName: "pressure"),
        CreateSessionResponse.self)
      channel.use(sessionToken: session.token)
      let stream = channel.stream("pressure-pings")
      while !isOver {
        let start = clock.now
        let pong = await tally.count("ping") {
          try await stream.submit(.adminWorkerPing, PingRequest(), PingResponse.self).value()
        }
        let (whole, part) = (clock.now - start).components
        if pong != nil {
          tally.change { $0.pings.append(Double(whole) * 1e3 + Double(part) * 1e-15) }
        }
        try await Task.sleep(for: .milliseconds(50))
      }
      await channel.closeAndWait()
    } catch {
      tally.change { $0.errors.append("pings: \(error)") }
    }
  }

  /// Looks at the workers' memory each second.
  func watch(_ pids: [Int32]) async {
    while !isOver {
      for pid in pids {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/smaps_rollup", encoding: .utf8)
        else {
          tally.change { $0.errors.append("worker \(pid) is gone") }
          return
        }
        let line = text.split(separator: "\n").first { $0.hasPrefix("Rss:") } ?? ""
        let kilobytes = line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        tally.change { $0.peak = max($0.peak, kilobytes << 10) }
      }
      try? await Task.sleep(for: .seconds(1))
    }
  }
}
