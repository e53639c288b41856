import Foundation
import Operations
import RPC
import Tinsmith
import Wire

/// Memory of a service with four workers, as `/proc/PID/smaps` has it: that all of them together
/// pay for the weights once.
///
/// - `memory.MODEL.w4.mapping_ratio`: the workers' proportional shares of the packed weights,
///   summed, over the size of the file; every worker has read all of it
/// - `memory.MODEL.w4.private_per_worker`: bytes that only one worker has, the largest of the four,
///   right after the start
/// - `memory.MODEL.w4.private_after_forward`: the same after a request, its model unloaded
struct MemorySuite {
  let reporter: Reporter
  let folder: String

  private static let workers = 4

  func run() async throws {
    for model in [RandomModel.mini, .qwen] where reporter.wants("memory.\(model.name)") {
      try await measure(model)
    }
  }

  private func measure(_ model: RandomModel) async throws {
    let base = try model.folder(in: folder)
    let data = URL(fileURLWithPath: "\(folder)/memory-data").resolvingSymlinksInPath().path
    let service = try await ServedProcess(
      threads: 1, base: "bench=\(base)", data: data, workers: Self.workers)
    defer { service.stop() }
    let name = "memory.\(model.name).w\(Self.workers)"
    let isWeights = { (path: String) in path.hasPrefix("\(data)/cache/") }
    let idle = try service.workers.map { try MemoryMaps(of: $0) }
    reporter.report(
      "\(name).private_per_worker", samples: Self.owned(idle, isWeights), unit: "bytes")
    try await touchWeights(service)
    let busy = try service.workers.map { try MemoryMaps(of: $0) }
    // The file of this model: the embedded one is mapped, too.
    let sizes = busy.flatMap { $0.files.filter { isWeights($0.key) } }
    guard let path = sizes.max(by: { $0.value.resident < $1.value.resident })?.key,
      let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int, size > 0
    else { throw RPCError(.internal, "no worker has mapped weights") }
    let share = busy.reduce(0) { $0 + $1.total { $0 == path }.proportional }
    reporter.report(
      "\(name).mapping_ratio", samples: [Double(share) / Double(size)], unit: "of the file")
    let resident = busy.map { Double($0.total { $0 == path }.resident) / Double(size) }
    reporter.report("\(name).mapping_read", samples: resident, unit: "of the file")
    reporter.report(
      "\(name).private_after_forward", samples: Self.owned(busy, isWeights), unit: "bytes")
  }

  /// A forward on each worker: models are placed one by one on the worker with the fewest.
  private func touchWeights(_ service: ServedProcess) async throws {
    let client = ServiceClient(endpoint: service.endpoint)
    var models: [TrainingClient] = []
    for _ in 0..<Self.workers {
      models.append(try await client.createLoRATrainingClient(baseModel: "bench", rank: 8).value())
    }
    let datum = Datum(prompt: [1, 2, 3], completion: [4, 5, 6])
    for model in models {
      _ = try await model.forward([datum], loss: .crossEntropy).value()
    }
    await client.close()
    // The session's end reaches the workers.
    try await Task.sleep(for: .seconds(2))
  }

  private static func owned(
    _ maps: [MemoryMaps], _ isWeights: (String) -> Bool
  ) -> [Double] {
    [Double(maps.map { $0.total { !isWeights($0) }.owned }.max() ?? 0)]
  }
}
