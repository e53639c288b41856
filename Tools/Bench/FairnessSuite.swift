import Foundation
import Tinsmith

/// One tenant floods the service with 10,000 requests, another sends one at a time; the flood is on
/// and off in blocks that alternate.
///
/// - `fairness.mini.alone.p50`, `.p95`: milliseconds of the calm tenant's requests without a flood
/// - `fairness.mini.flooded.p50`, `.p95`: with it
/// - `fairness.mini.quantum`: milliseconds of a micro-batch during the flood
/// - `fairness.mini.p50_of_bound`, `.p95_of_bound`: with the flood, by 3 × alone + one quantum; at
///   most 1
struct FairnessSuite {
  let reporter: Reporter
  let threads: Int
  let folder: String
  /// Requests of the calm tenant in each state, at least, and seconds of a block.
  var requests = 200
  var block = 10.0

  private static let flooders = 40
  private static let flood = 10_000

  func run() async throws {
    let served = try await ServedProcess(threads: threads, base: nil, data: "\(folder)/served")
    defer { served.stop() }
    let calm = ServiceClient(endpoint: served.endpoint, apiKey: "calm")
    let model = try await calm.createLoRATrainingClient(
      baseModel: "tinsmith/mini", rank: 32, trainUnembed: false
    ).value()
    _ = try await latencies(model, seconds: block / 4)
    var alone: [Double] = []
    var flooded: [Double] = []
    var batches = (count: 0.0, microseconds: 0.0)
    while alone.count < requests || flooded.count < requests {
      alone += try await latencies(model, seconds: block)
      let flood = try await startFlood(served.endpoint)
      let before = try await batchCounters(calm)
      flooded += try await latencies(model, seconds: block)
      let after = try await batchCounters(calm)
      batches.count += after.count - before.count
      batches.microseconds += after.microseconds - before.microseconds
      for client in flood { await client.close() }
      // What the workers had taken of it runs out.
      try await Task.sleep(for: .seconds(1))
    }
    await calm.close()
    let quantum = batches.microseconds / max(1, batches.count) / 1000
    reporter.report("fairness.mini.quantum", samples: [quantum], unit: "ms")
    for (name, q) in [("p50", 0.5), ("p95", 0.95)] {
      let (quiet, loud) = (percentile(alone, q), percentile(flooded, q))
      reporter.report("fairness.mini.alone.\(name)", samples: [quiet], unit: "ms")
      reporter.report("fairness.mini.flooded.\(name)", samples: [loud], unit: "ms")
      reporter.report(
        "fairness.mini.\(name)_of_bound", samples: [loud / (3 * quiet + quantum)], unit: "")
    }
    reporter.report(
      "fairness.mini.requests", samples: [Double(min(alone.count, flooded.count))], unit: "")
  }

  private func percentile(_ values: [Double], _ q: Double) -> Double {
    let sorted = values.sorted()
    return sorted[min(sorted.count - 1, Int(q * Double(sorted.count)))]
  }

  /// Milliseconds of one forward_backward after another, one sequence of 128 tokens each.
  private func latencies(_ model: TrainingClient, seconds: Double) async throws -> [Double] {
    let data = TenantsBench.batch(1)
    let clock = ContinuousClock()
    let end = clock.now + .seconds(seconds)
    var result: [Double] = []
    while clock.now < end {
      let start = clock.now
      _ = try await model.forwardBackward(data, loss: .crossEntropy).value()
      let (whole, part) = (clock.now - start).components
      result.append(Double(whole) * 1e3 + Double(part) * 1e-15)
    }
    return result
  }

  /// Ten thousand requests of one tenant, all at once.
  private func startFlood(_ endpoint: String) async throws -> [ServiceClient] {
    let data = TenantsBench.batch(1)
    var clients: [ServiceClient] = []
    for _ in 0..<Self.flooders {
      let client = ServiceClient(endpoint: endpoint, apiKey: "flood")
      let model = try await client.createLoRATrainingClient(
        baseModel: "tinsmith/mini", rank: 8, trainUnembed: false
      ).value()
      clients.append(client)
      for _ in 0..<Self.flood / Self.flooders {
        _ = model.forwardBackward(data, loss: .crossEntropy)
      }
    }
    return clients
  }

  private func batchCounters(
    _ client: ServiceClient
  ) async throws -> (count: Double, microseconds: Double) {
    let values = try await client.stats().value()
    return (
      TenantsBench.sum(".training_batches_total", values),
      TenantsBench.sum(".training_batch_microseconds_total", values)
    )
  }
}
