import Engine
import RPC
import Synchronization
import Wire
package import ZeroMQ

/// A worker: the compute thread that owns models and engine, and the RPC service in front of it.
package final class TrainerWorker: Sendable {
  private let compute: ComputeThread
  private let service: WorkerService
  private let journal: ModelJournal?

  /// - Parameter context: must be the router's when the endpoint is `inproc://`.
  package init(_ configuration: TrainerConfiguration, context: Context) throws {
    let compute = ComputeThread()
    var rpc = WorkerConfiguration(
      endpoint: configuration.routerEndpoint, name: configuration.name)
    rpc.numericsVersion = String(Numerics.version)
    rpc.precision = Numerics.precision
    rpc.room = WorkerRoom(
      trainingTokens: UInt64(2 * Quantum.maximumRows), decodeTokens: 65_536,
      controlRequests: 1024)
    let (preparation, statistics) = (Preparation(), WorkerStatistics())
    let refusedModels = RefusedModels()
    rpc.refusedModels = { refusedModels.reasons.withLock { $0 } }
    rpc.statistics = { statistics.values }
    let journal =
      configuration.keepsModels
      ? ModelJournal(configuration) { job in
        preparation.enqueue { compute.submit(job) }
      } : nil
    rpc.journal = journal
    rpc.closeStream = { stream in
      preparation.enqueue { compute.submit { $0.release(stream) } }
    }
    // A forward_backward that the router refused is a hole in the accumulation, too, at its turn.
    rpc.requestRefused = { stream, method in
      guard method == .trainingForwardBackward else { return }
      preparation.enqueue {
        compute.submit { worker in
          worker.queue.append(stream, tenant: "") { $0.breakAccumulation(of: stream) }
        }
      }
    }
    rpc.sessionEnded = { session in
      preparation.enqueue { compute.submit { $0.endSession(session) } }
    }
    var methods = MethodTable()
    let handlers = Handlers(compute: compute, preparation: preparation)
    handlers.addTraining(to: &methods)
    handlers.addSampling(to: &methods)
    handlers.addCheckpoints(to: &methods)
    methods.answer(.adminWorkerPing) { (request: PingRequest, _) in
      PingResponse(payload: request.payload)
    }
    let service = try WorkerService(rpc, methods: methods, context: context)
    journal?.onFailure { [weak service] in service?.close(stream: $0, epoch: $1, $2) }
    self.service = service
    self.journal = journal
    self.compute = compute
    self.configuration = configuration
    self.preparation = preparation
    self.statistics = statistics
    self.refusedModels = refusedModels
  }

  /// The base models that could not be loaded, which the router hears of.
  private final class RefusedModels: Sendable {
    let reasons = Mutex<[String: String]>([:])
  }

  private let refusedModels: RefusedModels
  private let configuration: TrainerConfiguration
  private let preparation: Preparation
  private let statistics: WorkerStatistics

  /// Loads the base models (packing their weights on first use), joins the router and serves until
  /// `stop` or cancellation.
  ///
  /// - Throws: `EngineError` when none of the base models can be served.
  package func run() async throws {
    let refusedModels = refusedModels
    let (configuration, progress) = (configuration, service.progress)
    let (preparation, statistics, journal) = (preparation, statistics, journal)
    try await compute.start {
      let worker = try Worker(
        configuration, preparation: preparation, journal: journal, statistics: statistics,
        progress: progress.advance)
      refusedModels.reasons.withLock { $0 = worker.refusedBases.mapValues(\.sentence) }
      return worker
    }
    defer {
      compute.stop()
      journal?.stop()
    }
    try await service.run()
    // Whoever comes next need not compute anything again.
    await compute.perform { $0.saveAllSnapshots() }
  }

  package func stop() { service.stop() }
}
