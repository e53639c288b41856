import Checkpoints
import Dispatch
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
  /// The first request that has had no effect on it yet.
  var nextSeq: UInt64 = 0
  /// When it was asked for last, for those that must choose one.
  var lastUse: UInt64 = 0
  /// Microseconds of computing since the last snapshot.
  var unsavedMicroseconds: UInt64 = 0

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
  /// What is told of models and sampling sessions.
  let records: SessionRecords
  let progress: @Sendable () -> Void
  let log = Logger(label: "tinsmith.worker")

  private(set) var bases: [String: LoadedBase] = [:]
  /// Base models that cannot be served, with the reasons.
  private(set) var refusedBases: [String: EngineError] = [:]
  var models: [String: TrainedModel] = [:]
  /// Models on disk only, because of their memory.
  var parked: [String: ParkedModel] = [:]
  private var uses: UInt64 = 0
  /// Sampling session → what it samples from.
  var samplingSessions: [String: SamplingSource] = [:]
  var snapshots: SnapshotCache
  let memory: MemoryAccount
  /// Requests of models, which wait for their turn.
  let queue = ModelQueue()
  let statistics: WorkerStatistics
  let preparation: Preparation
  /// Where models are recorded; nil if they live as long as this worker.
  let journal: ModelJournal?
  private var turns = TurnPolicy()
  private var nextReport: UInt64 = 0

  init(
    _ configuration: TrainerConfiguration, preparation: Preparation, journal: ModelJournal?,
    statistics: WorkerStatistics, progress: @escaping @Sendable () -> Void
  ) throws {
    self.configuration = configuration
    self.preparation = preparation
    self.journal = journal
    self.statistics = statistics
    self.progress = progress
    storage = configuration.storage
    memory = MemoryAccount(
      try configuration.models.memoryPlan(configuration.memory.resolved()))
    snapshots = SnapshotCache(capacity: memory.plan.adapters)
    preparation.use(memory)
    statistics.use(memory)
    kernels = try Kernels(threads: configuration.threads)
    arena = try Arena(bytes: memory.plan.workspace)
    checkpoints = CheckpointStore(folder: configuration.dataFolder, storage: storage)
    records = SessionRecords(dataFolder: configuration.dataFolder, storage: storage)
    // A model that cannot be loaded is told at the start, not to the first user.
    for (name, folder) in configuration.models.folders.sorted(by: { $0.key < $1.key }) {
      do {
        bases[name] = try LoadedBase(
          name: name, folder: folder, cache: "\(configuration.dataFolder)/cache", worker: self)
      } catch {
        refusedBases[name] = error.inFolder(folder)
        log.debug("base model \(name) is not served: \(error)")
      }
    }
    try configuration.models.check(refused: refusedBases)
  }

  /// The base model called `name`.
  /// - Throws: `notFound` naming the models there are; `failedPrecondition` for one that cannot be
  ///   served, with the reason.
  func base(_ name: String) throws(EngineError) -> LoadedBase {
    if let loaded = bases[name] { return loaded }
    guard let problem = refusedBases[name] else {
      throw EngineError(
        .notFound,
        "base model \"\(name)\" is not served (served: \(bases.keys.sorted().joined(separator: ", ")))",
        field: "base_model")
    }
    throw EngineError(
      .failedPrecondition, "base model \(name) cannot be served: \(problem.sentence)",
      field: "base_model")
  }

  /// - Throws: NOT_FOUND for a model that is not here; RESOURCE_EXHAUSTED for one that is parked while
  ///   others have the memory.
  func model(_ id: String) throws(RPCError) -> TrainedModel {
    if let record = parked[id] {
      do { try restore(id, record) } catch { throw .from(error) }
    }
    uses += 1
    models[id]?.lastUse = uses
    guard let model = models[id] else {
      throw RPCError(.notFound, "model \(id) is not loaded (never created, unloaded, or lost)")
    }
    return model
  }

  /// A model exists from here on.
  func open(_ model: TrainedModel) {
    models[model.id] = model
    queue.open(model)
    preparation.open(model.id, model.base.model.config)
  }

  /// Forgets a model or a sampling session.
  func close(_ stream: String) {
    if models.removeValue(forKey: stream) != nil { FreedMemory.giveBack() }
    parked[stream] = nil
    samplingSessions[stream] = nil
    queue.close(stream)
    preparation.close(stream)
  }

  /// A stream is not owned here any more.
  func release(_ stream: String) {
    queue.drop(stream)
    close(stream)
  }

  /// Forgets a session's models and sampling sessions.
  func endSession(_ session: String) {
    let prefix = "\(session):"
    for stream in Array(models.keys) + Array(parked.keys) + Array(samplingSessions.keys)
    where stream.hasPrefix(prefix) {
      close(stream)
    }
    snapshots.removeAll(of: session)
    FreedMemory.giveBack()
    // Behind everything of the session that ran here; what another worker still writes is swept up.
    let folders = SessionFolders(dataFolder: configuration.dataFolder, storage: storage)
    Self.endings.async { folders.remove(session: session) }
  }

  private static let endings = DispatchQueue(label: "tinsmith.endings", qos: .utility)

  // MARK: Computing

  /// One piece of computing: a micro-batch or a step of decoding.
  /// - Returns: false if there was nothing to do.
  func step() -> Bool {
    let isTraining = !queue.isIdle
    let isDecoding = !bases.values.allSatisfy(\.decoder.isIdle)
    guard let side = turns.next(training: isTraining, decode: isDecoding) else { return false }
    let start = Monotonic.microseconds()
    switch side {
    case .training:
      queue.step(self, isContended: isDecoding)
      saveDueSnapshot()
    case .decode:
      for base in bases.values where !base.decoder.isIdle {
        base.decoder.step(isContended: isTraining)
      }
    }
    let now = Monotonic.microseconds()
    turns.used(side, microseconds: now - start, isContended: isTraining && isDecoding)
    progress()
    if now >= nextReport { report(now) }
    return true
  }

  /// The thread is about to sleep.
  func rest() {
    report(Monotonic.microseconds())
    statistics.idle(true)
  }

  func wake() { statistics.idle(false) }

  private func report(_ now: UInt64) {
    nextReport = now + 500_000
    let decoders = bases.values.map(\.decoder)
    statistics.set([
      "models": Double(models.count + parked.count), "models_parked": Double(parked.count),
      "sampling_sessions": Double(samplingSessions.count),
      "snapshots": Double(snapshots.count), "queue_requests": Double(queue.requestCount),
      "queue_tokens": Double(queue.waitingRows),
      "sequences": Double(decoders.reduce(0) { $0 + $1.sequences }),
      "samples_waiting": Double(decoders.reduce(0) { $0 + $1.waiting }),
      "kv_pages": Double(decoders.reduce(0) { $0 + $1.pages }),
      "kv_pages_free": Double(decoders.reduce(0) { $0 + $1.freePages }),
      "kv_pages_cached": Double(decoders.reduce(0) { $0 + $1.cachedPages }),
    ])
  }
}
