import Engine
import Foundation
import Logging
import RPC
import Wire

/// A model that is being trained: one adapter and what the service remembers of it.
final class TrainedModel {
  let id: String
  let base: LoadedBase
  var adapter: Adapter
  let userMetadata: [String: String]
  /// Set by a failed forward_backward: the next optim_step must not apply a partial gradient.
  var isAccumulationBroken = false

  init(id: String, base: LoadedBase, adapter: Adapter, userMetadata: [String: String]) {
    self.id = id
    self.base = base
    self.adapter = adapter
    self.userMetadata = userMetadata
  }
}

/// The state of a worker: base models, trained models, sampling sessions, snapshots. Lives on the
/// compute thread and nowhere else.
final class Worker {
  let configuration: TrainerConfiguration
  let kernels: Kernels
  let arena: Arena
  let storage: any Storage
  let checkpoints: CheckpointStore
  let progress: @Sendable () -> Void
  let log = Logger(label: "tinsmith.worker")

  private(set) var bases: [String: LoadedBase] = [:]
  var models: [String: TrainedModel] = [:]
  /// Sampling session → what it samples from.
  var samplingSessions: [String: SamplingSource] = [:]
  var snapshots = SnapshotCache()

  init(
    _ configuration: TrainerConfiguration, progress: @escaping @Sendable () -> Void
  ) throws {
    self.configuration = configuration
    self.progress = progress
    storage = FileStorage()
    kernels = try Kernels(threads: configuration.threads)
    arena = try Arena(bytes: 64 << 30)
    checkpoints = CheckpointStore(folder: configuration.dataFolder, storage: storage)
    // A model that cannot be loaded is told at the start, not to the first user.
    for name in configuration.models.folders.keys.sorted() { _ = try base(name) }
  }

  /// The base model called `name`, loaded on first use.
  func base(_ name: String) throws(EngineError) -> LoadedBase {
    if let loaded = bases[name] { return loaded }
    let loaded = try LoadedBase(
      name: name, folder: configuration.models.folder(of: name),
      cache: "\(configuration.dataFolder)/cache", worker: self)
    bases[name] = loaded
    return loaded
  }

  /// - Throws: NOT_FOUND for a model that is not here.
  func model(_ id: String) throws(RPCError) -> TrainedModel {
    guard let model = models[id] else {
      throw RPCError(.notFound, "model \(id) is not loaded (never created, unloaded, or lost)")
    }
    return model
  }

  /// Forgets a session's models and sampling sessions.
  func endSession(_ session: String) {
    models = models.filter { !$0.key.hasPrefix("\(session):") }
    samplingSessions = samplingSessions.filter { !$0.key.hasPrefix("\(session):") }
  }

  // MARK: Decoding

  var isIdle: Bool { bases.values.allSatisfy(\.decoder.isIdle) }

  /// One step of every base model that has sequences to decode.
  func decodeStep() {
    for base in bases.values where !base.decoder.isIdle {
      base.decoder.step()
      progress()
    }
  }
}
