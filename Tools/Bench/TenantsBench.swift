import Foundation
import Synchronization
import Tinsmith

/// Clients of a served model, and what they do to measure it.
struct TenantsBench {
  let endpoint: String
  let base: String
  let duration: Double

  /// A client with a model of its own.
  struct Trainer: Sendable {
    let service: ServiceClient
    let model: TrainingClient
  }

  static let prompt = (0..<16).map { Int32(100 + 7 * $0) }
  private static let length = 128

  func trainers(_ count: Int) async throws -> [Trainer] {
    var trainers: [Trainer] = []
    for index in 0..<count {
      let service = ServiceClient(endpoint: endpoint)
      let model = try await service.createLoRATrainingClient(
        baseModel: base, rank: 32, seed: UInt64(index), trainUnembed: false
      ).value()
      trainers.append(Trainer(service: service, model: model))
    }
    return trainers
  }

  /// A trained adapter of each, saved for sampling.
  func snapshots(_ trainers: [Trainer]) async throws -> [String] {
    var paths: [String] = []
    for trainer in trainers {
      _ = trainer.model.forwardBackward(Self.batch(1), loss: .crossEntropy)
      _ = trainer.model.optimStep(AdamParams(learningRate: 1e-3))
      paths.append(
        try await trainer.model.saveWeightsForSampler(name: "bench", overwrite: true).value())
    }
    return paths
  }

  /// A client each; nil samples from the base model.
  func samplers(_ paths: [String?]) async throws -> [SamplingClient] {
    var samplers: [SamplingClient] = []
    for path in paths {
      let service = ServiceClient(endpoint: endpoint)
      let sampler =
        if let path { try await service.createSamplingClient(modelPath: path).value() } else {
          try await service.createSamplingClient(baseModel: base).value()
        }
      samplers.append(sampler)
    }
    return samplers
  }

  static func batch(_ sequences: Int) -> [Datum] {
    (0..<sequences).map { s in
      let tokens = (0...length).map { Int32(10 + (s * 131 + $0 * 17) % 3000) }
      return Datum(prompt: Array(tokens[..<1]), completion: Array(tokens[1...]))
    }
  }

  /// Tokens/s of clients that keep two steps in flight.
  func train(_ clients: [Trainer], sequences: Int) async throws -> Double {
    let data = Self.batch(sequences)
    return try await rate(clients) { client, window in
      var pending: [Pending<ForwardBackwardOutput>] = []
      repeat {
        while pending.count < 2 {
          pending.append(client.model.forwardBackward(data, loss: .crossEntropy))
          _ = client.model.optimStep(AdamParams(learningRate: 1e-4))
        }
        _ = try await pending.removeFirst().value()
      } while window.count(sequences * Self.length, of: ObjectIdentifier(client.model))
      for rest in pending { _ = try await rest.value() }
    }
  }

  /// Tokens/s of clients that sample one request after another.
  func sample(_ clients: [SamplingClient], each samples: Int) async throws -> Double {
    let params = SamplingParams(maxTokens: 128, stop: .tokens([]))
    return try await rate(clients) { client, window in
      while true {
        let response = try await client.sample(
          ModelInput(tokens: Self.prompt), numSamples: samples, params: params
        ).value()
        let tokens = response.sequences.reduce(0) { $0 + $1.tokens.count }
        guard window.count(tokens, of: ObjectIdentifier(client)) else { return }
      }
    }
  }

  /// Runs a loop per client and sums up their rates.
  private func rate<Client: Sendable>(
    _ clients: [Client], _ body: @escaping @Sendable (Client, Window) async throws -> Void
  ) async throws -> Double {
    let window = Window(warmUp: duration / 4, duration: duration)
    try await withThrowingTaskGroup { group in
      for client in clients { group.addTask { try await body(client, window) } }
      try await group.waitForAll()
    }
    return window.rate
  }

  /// A number of the service, summed over its workers.
  static func sum(_ name: String, _ values: [String: Double]) -> Double {
    values.filter { $0.key.hasSuffix(name) }.reduce(0) { $0 + $1.value }
  }

  /// The share of time in which the compute thread had nothing to do, for one client with two steps
  /// of 8 × 128 tokens in flight.
  func idleShare() async throws -> Double {
    let clients = try await trainers(1)
    _ = try await train(clients, sequences: 8)
    let service = clients[0].service
    func times() async throws -> (idle: Double, busy: Double) {
      // Numbers travel with heartbeats.
      try await Task.sleep(for: .milliseconds(1100))
      let values = try await service.stats().value()
      return (
        Self.sum(".compute_idle_seconds", values), Self.sum(".compute_busy_seconds", values)
      )
    }
    let data = Self.batch(8)
    let model = clients[0].model
    // Reads the numbers while the steps run, so that the pauses before and after do not count.
    let isDone = Atomic(false)
    async let pump: Void = {
      var pending = [model.forwardBackward(data, loss: .crossEntropy)]
      while !isDone.load(ordering: .relaxed) {
        pending.append(model.forwardBackward(data, loss: .crossEntropy))
        _ = model.optimStep(AdamParams(learningRate: 1e-4))
        _ = try await pending.removeFirst().value()
      }
      for rest in pending { _ = try await rest.value() }
    }()
    let before = try await times()
    try await Task.sleep(for: .seconds(duration))
    let after = try await times()
    isDone.store(true, ordering: .relaxed)
    try await pump
    await service.close()
    let idle = after.idle - before.idle
    return idle / (idle + after.busy - before.busy)
  }
}

/// The rates of clients that do one thing after another, from any task.
///
/// A client's rate is what it completed behind its first completion within the window, by the time
/// from that one to the last: so long requests are not cut at the window's edges.
final class Window: Sendable {
  private struct Record {
    var first: ContinuousClock.Instant
    var last: ContinuousClock.Instant
    var amount = 0
    var completions = 0
  }

  private static let fewest = 3

  private let clock = ContinuousClock()
  private let start: ContinuousClock.Instant
  private let end: ContinuousClock.Instant
  private let records = Mutex<[ObjectIdentifier: Record]>([:])

  init(warmUp: Double, duration: Double) {
    start = clock.now + .seconds(warmUp)
    end = start + .seconds(duration)
  }

  /// A client completed something now.
  /// - Returns: false when the window is over and the client completed enough.
  func count(_ amount: Int, of client: ObjectIdentifier) -> Bool {
    let now = clock.now
    guard now >= start else { return true }
    return records.withLock { records in
      guard records[client] != nil else {
        records[client] = Record(first: now, last: now)
        return true
      }
      records[client]?.last = now
      records[client]?.amount += amount
      records[client]?.completions += 1
      return now < end || (records[client]?.completions ?? 0) < Self.fewest
    }
  }

  /// Amount per second of all clients together.
  var rate: Double {
    records.withLock { records in
      records.values.reduce(0) { sum, record in
        let (seconds, attoseconds) = (record.last - record.first).components
        return sum + Double(record.amount) / (Double(seconds) + Double(attoseconds) * 1e-18)
      }
    }
  }
}
