import Engine
import Foundation
import RPC
import Synchronization
import TestSupport
import Testing
import Tinsmith
import ZeroMQ

@testable import Trainer

/// `load_state` on a disk that fails at the worst moment: what the client is told is what the next
/// owner finds.
@Suite(.timeLimit(.minutes(30))) struct FailedLoadTests {
  /// Router and one worker at a time in this process, on storage that fails on demand.
  private final class Service {
    let folder: TemporaryFolder
    let storage = FaultyStorage()
    let client: ServiceClient
    private let context: Context
    private let server: RouterServer
    private var worker: (TrainerWorker, Task<Void, any Error>)?

    init() throws {
      folder = try TemporaryFolder()
      context = try Context()
      var router = RouterConfiguration(
        listen: "tcp://127.0.0.1:*", workers: "inproc://failed-\(UUID().uuidString)")
      router.rules.recoversModels = true
      server = try RouterServer(router, context: context)
      try server.start()
      client = ServiceClient(endpoint: server.clientEndpoint, timeout: .seconds(60))
      try start()
    }

    private func start() throws {
      var configuration = RecordedModel.configuration("w", server.workerEndpoint, folder.path)
      configuration.storage = storage
      let worker = try TrainerWorker(configuration, context: context)
      self.worker = (worker, Task { try await worker.run() })
    }

    /// The models' next owner goes by what is on disk.
    func replaceWorker() async throws {
      if let (worker, task) = worker {
        worker.stop()
        try await task.value
      }
      server.workerEnded(name: "w", crashed: false)
      try start()
    }

    func end() async throws {
      await client.close()
      if let (worker, task) = worker {
        worker.stop()
        try await task.value
      }
      server.stop()
      try await server.wait()
    }
  }

  private static let data = [Datum(prompt: [3, 4, 5], completion: [6, 7, 8, 9])]

  private static func model(_ service: Service) async throws -> TrainingClient {
    try await service.client.createLoRATrainingClient(
      baseModel: RecordedModel.base, rank: 2, seed: 3
    ).value()
  }

  /// Two steps, and what they led to.
  private static func steps(_ model: TrainingClient) async throws -> [ForwardBackwardOutput] {
    var passes: [ForwardBackwardOutput] = []
    for _ in 0..<2 {
      passes.append(try await model.forwardBackward(data, loss: .crossEntropy).value())
      _ = try await model.optimStep(AdamParams(learningRate: 1e-2)).value()
    }
    return passes
  }

  /// Which operation fails behind a snapshot of load_state that can be seen on disk, how often.
  static let faults: [(name: String, isFaulty: @Sendable (FaultyStorage.Operation) -> Bool)] = [
    (
      "the folder's sync behind the snapshot's rename",
      { operation in
        if case .syncDirectory(let path) = operation {
          return path.contains("/models/")
            && ModelSnapshot.seqs(in: path).count == 2
        }
        return false
      }
    ),
    (
      "the removal of the snapshot before it",
      { operation in
        if case .remove(let path) = operation {
          return path.contains("/snapshot-") && !path.hasSuffix(".tmp")
        }
        return false
      }
    ),
  ]

  @Test("Loaded or not, the next owner agrees with what the client was told", arguments: [0, 1])
  func failing(fault: Int) async throws {
    // What an undisturbed run gives.
    let undisturbed = try Service()
    var model = try await Self.model(undisturbed)
    let first = try await Self.steps(model)
    let start = try await model.saveState(name: "start").value()
    let second = try await Self.steps(model)
    try await model.loadState(path: start, optimizer: true).value()
    #expect(try await Self.steps(model) == second)
    try await undisturbed.end()

    let service = try Service()
    model = try await Self.model(service)
    #expect(try await Self.steps(model) == first)
    let path = try await model.saveState(name: "start").value()
    // A snapshot that the faulty one follows.
    try await model.loadState(path: path, optimizer: true).value()
    #expect(try await Self.steps(model) == second)
    let hits = Mutex(0)
    let isFaulty = Self.faults[fault].isFaulty
    service.storage.fail { operation in
      guard isFaulty(operation) else { return false }
      return hits.withLock { hits in
        hits += 1
        return hits == 1
      }
    }
    // Its client sends it again if it must.
    try await model.loadState(path: path, optimizer: true).value()
    #expect(hits.withLock { $0 } >= 1, "\(Self.faults[fault].name): nothing failed")
    service.storage.fail { _ in false }
    let third = try await Self.steps(model)
    #expect(third == second, "\(Self.faults[fault].name): another state")
    try await service.replaceWorker()
    try await model.loadState(path: path, optimizer: true).value()
    #expect(try await Self.steps(model) == second)
    try await service.end()
  }

  @Test("A load that fails before its snapshot can be seen leaves the model as it was")
  func failingBefore() async throws {
    let service = try Service()
    let model = try await Self.model(service)
    _ = try await Self.steps(model)
    let path = try await model.saveState(name: "start").value()
    service.storage.fail { operation in
      if case .rename(let path) = operation { return path.contains("/snapshot-") }
      return false
    }
    let load = model.loadState(path: path, optimizer: true)
    let error = await #expect(throws: TinsmithError.self) { try await load.value() }
    #expect(error?.code == .internal)
    service.storage.fail { _ in false }
    let expected = try await Self.steps(model)
    try await service.replaceWorker()
    try await model.loadState(path: path, optimizer: true).value()
    // The state that was saved is the one from which the two steps above went on.
    #expect(try await Self.steps(model) == expected)
    try await service.end()
  }
}
