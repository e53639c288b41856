import Engine
import Foundation
import Journal
import RPC
import TestSupport
import Tinsmith
import ZeroMQ

@testable import Trainer

/// A model that was trained by two owners, one after the other, on storage that remembers every
/// operation.
struct RecordedModel: Sendable {
  static let base = "test/tiny"

  let folder: TemporaryFolder
  let operations: [RecordingStorage.Operation]
  /// How many operations there had been when each of its requests was answered.
  let answered: [Int]
  /// Its stream.
  let model: String

  static let shared = Task { try await record() }

  /// The golden model of the engine's tests.
  static var bases: ServedModels {
    let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../EngineTests/Fixtures/models/qwen3").standardized.path
    return ServedModels(bases: [base: fixture])
  }

  static func configuration(
    _ name: String, _ endpoint: String, _ folder: String
  ) -> TrainerConfiguration {
    TrainerConfiguration(
      routerEndpoint: endpoint, name: name, dataFolder: folder, models: bases)
  }

  private static func record() async throws -> RecordedModel {
    let folder = try TemporaryFolder()
    let storage = RecordingStorage(root: folder.path)
    let context = try Context()
    var router = RouterConfiguration(
      listen: "tcp://127.0.0.1:*", workers: "inproc://recorded-\(UUID().uuidString)")
    router.rules.recoversModels = true
    let server = try RouterServer(router, context: context)
    try server.start()
    func start(_ name: String) throws -> (TrainerWorker, Task<Void, any Error>) {
      var configuration = configuration(name, server.workerEndpoint, folder.path)
      configuration.storage = storage
      let worker = try TrainerWorker(configuration, context: context)
      return (worker, Task { try await worker.run() })
    }
    let first = try start("first")
    let service = ServiceClient(endpoint: server.clientEndpoint)
    let training = try await service.createLoRATrainingClient(
      baseModel: base, rank: 2, seed: 3
    ).value()
    var answered = [storage.operations.count]
    let data = [Datum(prompt: [3, 4, 5], completion: [6, 7, 8, 9])]
    func pass() async throws {
      _ = try await training.forwardBackward(data, loss: .crossEntropy).value()
      answered.append(storage.operations.count)
    }
    func step() async throws {
      _ = try await training.optimStep(AdamParams(learningRate: 1e-2)).value()
      answered.append(storage.operations.count)
    }
    try await pass()
    try await step()
    try await pass()
    let path = try await training.saveState(name: "middle").value()
    answered.append(storage.operations.count)
    try await step()
    // A snapshot follows it.
    try await training.loadState(path: path, optimizer: true).value()
    answered.append(storage.operations.count)
    try await pass()
    // A refusal is an outcome, too.
    _ = try? await training.optimStep(AdamParams(learningRate: -1)).value()
    answered.append(storage.operations.count)
    try await step()
    server.workerEnded(name: "first", crashed: false)
    // Replays, and writes a snapshot.
    let second = try start("second")
    for _ in 0..<2 {
      try await pass()
      try await step()
    }
    try await pass()
    // A clean stop writes one, too.
    for (worker, task) in [second, first] {
      worker.stop()
      try await task.value
    }
    // Before the session ends, which takes all of it away.
    let operations = storage.operations
    await service.close()
    server.stop()
    try await server.wait()
    return RecordedModel(
      folder: folder, operations: operations, answered: answered, model: training.modelID)
  }

  /// What a new owner makes of a data folder.
  struct Recovered: Equatable {
    /// The seq that runs next.
    var nextSeq: UInt64
    /// The bytes of the model's files, were it saved now; empty for no model.
    var state: [String: [UInt8]]
    /// A commit at the end was cut.
    var isTorn: Bool
  }

  /// Recovers the model from another data folder, without changing that.
  func recovered(from data: String, _ worker: Worker) throws -> Recovered {
    let path = "\(data)/models/\(model)"
    let snapshot = try ModelSnapshot(newestIn: path)
    let firstSeq = snapshot?.manifest.firstSeq ?? 0
    let history = try JournalFolder(path: path, storage: FileStorage()).history(from: firstSeq)
    let records = history.records + [snapshot?.lastOutcome].compactMap(\.self)
    let plan = try ReplayPlan(records, from: firstSeq, keeping: 256)
    try worker.recover(model, snapshot, plan)
    defer { worker.close(model) }
    return Recovered(
      nextSeq: plan.nextSeq, state: try Self.state(worker.models[model]), isTorn: history.isTorn)
  }

  private static func state(_ model: TrainedModel?) throws -> [String: [UInt8]] {
    guard let model else { return [:] }
    let storage = MemoryStorage()
    try AdapterFiles.write(model.adapter, base: base, to: "m", storage: storage)
    try TrainingStateFiles.write(
      model.adapter, includesGradient: true, to: "m", storage: storage)
    var files = storage.files
    files["broken"] = [model.isAccumulationBroken ? 1 : 0]
    return files
  }

  /// A worker that belongs to no service.
  static func worker() throws -> Worker {
    let folder = NSTemporaryDirectory() + "tinsmith-unused"
    return try Worker(
      configuration("alone", "inproc://nowhere", folder), preparation: Preparation(),
      journal: nil, statistics: WorkerStatistics(), progress: {})
  }
}
