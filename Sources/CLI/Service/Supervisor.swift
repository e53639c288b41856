import Foundation
import Logging
import Operations
import RPC
import Synchronization
import Trainer
import ZeroMQ

/// A service on one machine: the router in this process, and workers in processes of their own,
/// started again when they end.
final class Supervisor: Sendable {
  /// What a service consists of, besides the options that its parts share.
  struct Plan: Sendable {
    /// Where clients connect.
    var listen: String
    /// Where workers of other hosts connect; nil for nowhere.
    var listenWorkers: String?
    /// Worker processes.
    var workers: Int
    /// Compute threads of each.
    var threads: Int
    /// Who may use it; empty for everybody.
    var tenants: [Tenant]
    /// Where its numbers are served over HTTP, if they are.
    var metrics: MetricsOption
  }

  /// What happens while the service runs.
  private enum Event: Sendable {
    case stop
    case ready
    case routerEnded((any Error)?)
    case workerEnded(index: Int, ProcessEnding)
    /// The pause before a worker's next start is over.
    case restart(index: Int)
  }

  /// A worker process, past or present.
  private struct Worker {
    var process: ChildProcess?
    var started = ContinuousClock.now
    var policy = RestartPolicy()
  }

  private let options: ServiceOptions
  private let plan: Plan
  private let folder: DataFolder
  private let sockets: SocketFolder
  private let router: RouterServer
  private let metrics: MetricsServer?
  private let workers: Mutex<[Worker]>
  private let log = Logger(label: "tinsmith.serve")
  private let events: AsyncStream<Event>
  private let post: AsyncStream<Event>.Continuation

  /// Locks the data folder and binds the endpoints; nothing runs yet.
  ///
  /// - Throws: `CommandError` or an error of a lower layer, for instance if a base model cannot be
  ///   served, or if the port is taken.
  init(_ options: ServiceOptions, _ plan: Plan) throws {
    self.options = options
    self.plan = plan
    workers = Mutex(Array(repeating: Worker(), count: plan.workers))
    folder = try DataFolder(options.data)
    sockets = try SocketFolder(for: folder)
    do {
      var configuration = RouterConfiguration(
        listen: plan.listen, workers: "ipc://\(sockets.path)/workers")
      configuration.remoteWorkers = plan.listenWorkers
      if options.keepModels > 0 {
        try configuration.rules.keepModels(in: folder)
        ModelFolders.removeUnused(in: folder.path, days: options.keepModels)
      }
      configuration.rules.expectedWorkers = plan.workers
      configuration.rules.supervisedWorkers = Set((0..<plan.workers).map(Self.name))
      configuration.tenants = plan.tenants
      configuration.sessionKey = try folder.sessionKey(SessionAuthority.makeKey)
      router = try RouterServer(
        configuration,
        keeper: try KeeperMethods.table(options.models, dataFolder: folder.path),
        context: try Context())
      metrics = try plan.metrics.serve(router)
    } catch {
      sockets.remove()
      throw error
    }
    (events, post) = AsyncStream.makeStream(of: Event.self)
  }

  /// Serves until `stop`.
  ///
  /// - Parameter ready: called with the endpoint for clients once all workers have registered.
  /// - Throws: when the router ends by itself, or a worker that has not served yet.
  func run(ready: (_ endpoint: String) -> Void) async throws {
    try router.start()
    if let metrics { log.notice("metrics are at \(metrics.url)") }
    if let endpoint = router.remoteWorkerEndpoint {
      log.notice("workers of other hosts join with: tinsmith worker --router \(endpoint)")
    }
    let watch = Task { [router, post, plan] in
      while router.statistics.workers < plan.workers, !Task.isCancelled {
        try await Task.sleep(for: .milliseconds(20))
      }
      post.yield(.ready)
      do {
        try await router.wait()
        post.yield(.routerEnded(nil))
      } catch {
        post.yield(.routerEnded(error))
      }
    }
    let outcome = await Result.of {
      for index in 0..<plan.workers { try start(index) }
      try await serve(ready)
    }
    watch.cancel()
    await end()
    try outcome.get()
  }

  /// Asks `run` to return.
  func stop() { post.yield(.stop) }

  private func serve(_ ready: (String) -> Void) async throws {
    var isReady = false
    for await event in events {
      switch event {
      case .stop: return
      case .ready:
        isReady = true
        ready(router.clientEndpoint)
      case .routerEnded(let error): throw error ?? CommandError("the router has ended")
      case .workerEnded(let index, let ending):
        guard isReady else {
          throw CommandError("\(Self.name(index)) \(ending) before it was ready")
        }
        ended(index, ending)
      case .restart(let index):
        do {
          try start(index)
        } catch {
          log.error("\(Self.name(index)) cannot be started: \(error)")
          ended(index, .exited(1))
        }
      }
    }
  }

  // MARK: Workers

  private static func name(_ index: Int) -> String { "worker-\(index)" }

  private func start(_ index: Int) throws {
    let post = post
    let process = try ChildProcess(
      [
        "worker", "--router", router.workerEndpoint, "--name", Self.name(index),
        "--threads", String(plan.threads),
      ] + options.arguments
    ) { ending in
      post.yield(.workerEnded(index: index, ending))
    }
    workers.withLock { workers in
      workers[index].process = process
      workers[index].started = .now
    }
  }

  /// A worker is gone, and with it what it held in memory; checkpoints and base models are not.
  private func ended(_ index: Int, _ ending: ProcessEnding) {
    router.workerEnded(name: Self.name(index), crashed: ending.isCrash)
    let pause = workers.withLock { workers in
      workers[index].process = nil
      return workers[index].policy.pause(afterRunning: .now - workers[index].started)
    }
    let when = pause == .zero ? "at once" : "in \(pause)"
    log.error("\(Self.name(index)) \(ending); it is started again \(when)")
    Task { [post] in
      try await Task.sleep(for: pause)
      post.yield(.restart(index: index))
    }
  }

  /// Ends workers and router, and removes what only this run needed.
  private func end() async {
    let running = workers.withLock { $0.compactMap(\.process) }
    await withTaskGroup { group in
      for worker in running { group.addTask { await worker.stop() } }
    }
    metrics?.stop()
    router.stop()
    do {
      try await router.wait()
    } catch {
      log.error("the router ended with an error: \(error)")
    }
    sockets.remove()
  }
}
