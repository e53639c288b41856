import Engine
import RPC
import Wire
package import ZeroMQ

/// A worker: the compute thread that owns models and engine, and the RPC service in front of it.
package final class TrainerWorker: Sendable {
  private let compute: ComputeThread
  private let service: WorkerService

  /// - Parameter context: must be the router's when the endpoint is `inproc://`.
  package init(_ configuration: TrainerConfiguration, context: Context) throws {
    let compute = ComputeThread()
    var rpc = WorkerConfiguration(
      endpoint: configuration.routerEndpoint, name: configuration.name)
    rpc.numericsVersion = String(Numerics.version)
    rpc.precision = Numerics.precision
    rpc.closeStream = { stream in
      compute.submit { worker in
        worker.models[stream] = nil
        worker.samplingSessions[stream] = nil
      }
    }
    // A forward_backward that the router refused is a hole in the accumulation, too.
    rpc.requestRefused = { stream, method in
      guard method == .trainingForwardBackward else { return }
      compute.submit { $0.models[stream]?.isAccumulationBroken = true }
    }
    rpc.sessionEnded = { session in compute.submit { $0.endSession(session) } }
    var methods = MethodTable()
    let handlers = Handlers(compute: compute)
    handlers.addTraining(to: &methods)
    handlers.addSampling(to: &methods)
    handlers.addCheckpoints(to: &methods)
    methods.answer(.adminWorkerPing) { (request: PingRequest, _) in
      PingResponse(payload: request.payload)
    }
    service = try WorkerService(rpc, methods: methods, context: context)
    self.compute = compute
    self.configuration = configuration
  }

  private let configuration: TrainerConfiguration

  /// Loads the base models (packing their weights on first use), joins the router and serves until
  /// `stop` or cancellation.
  ///
  /// - Throws: `EngineError` when a base model cannot be served.
  package func run() async throws {
    let (configuration, progress) = (configuration, service.progress)
    try await compute.start { try Worker(configuration, progress: progress.advance) }
    defer { compute.stop() }
    try await service.run()
  }

  package func stop() { service.stop() }
}
