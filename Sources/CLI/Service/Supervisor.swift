import Foundation
import Logging
import RPC
import Synchronization
import Trainer
import ZeroMQ

/// A service on one machine: the router in this process, and workers in processes of their own.
final class Supervisor: Sendable {
  /// What happens while the service runs.
  private enum Event: Sendable {
    case stop
    case ready
    case routerEnded((any Error)?)
    case workerEnded(index: Int, status: Int32)
  }

  private let options: ServiceOptions
  private let threads: Int
  private let folder: DataFolder
  private let socketFolder: String
  private let router: RouterServer
  private let workers: Mutex<[Int: ChildProcess]> = Mutex([:])
  private let workerCount: Int
  private let log = Logger(label: "tinsmith.serve")
  private let events: AsyncStream<Event>
  private let post: AsyncStream<Event>.Continuation

  /// Locks the data folder and binds the endpoints; nothing runs yet.
  ///
  /// - Throws: `CommandError` or an error of a lower layer, for instance if a base model cannot be
  ///   served, or if the port is taken.
  init(
    _ options: ServiceOptions, listen: String, tenants: [Tenant], workers: Int, threads: Int
  ) throws {
    self.options = options
    self.threads = threads
    workerCount = workers
    folder = try DataFolder(options.data)
    socketFolder = try Self.makeSocketFolder()
    do {
      var configuration = RouterConfiguration(
        listen: listen, workers: "ipc://\(socketFolder)/workers")
      configuration.rules.expectedWorkers = workers
      configuration.tenants = tenants
      configuration.sessionKey = try folder.sessionKey(SessionAuthority.makeKey)
      router = try RouterServer(
        configuration, keeper: try KeeperMethods.table(options.models), context: try Context())
    } catch {
      try? FileManager.default.removeItem(atPath: socketFolder)
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
    let watch = Task { [router, post, workerCount] in
      while router.statistics.workers < workerCount, !Task.isCancelled {
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
      for index in 0..<workerCount { try startWorker(index) }
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
      case .workerEnded(let index, let status):
        guard isReady else {
          throw CommandError("worker \(index) ended with status \(status) before it was ready")
        }
        // What it held in memory is gone; checkpoints and base models are not.
        log.error("worker \(index) ended with status \(status); another one is started")
        try await Task.sleep(for: .seconds(1))
        try startWorker(index)
      }
    }
  }

  private func startWorker(_ index: Int) throws {
    let post = post
    let worker = try ChildProcess(
      [
        "worker", "--router", router.workerEndpoint, "--name", "worker-\(index)",
        "--threads", String(threads),
      ] + options.arguments
    ) { status in
      post.yield(.workerEnded(index: index, status: status))
    }
    workers.withLock { $0[index] = worker }
  }

  /// Ends workers and router, and removes what only this run needed.
  private func end() async {
    let running = workers.withLock { Array($0.values) }
    await withTaskGroup { group in
      for worker in running { group.addTask { await worker.stop() } }
    }
    router.stop()
    do {
      try await router.wait()
    } catch {
      log.error("the router ended with an error: \(error)")
    }
    try? FileManager.default.removeItem(atPath: socketFolder)
  }

  /// A short path that only this user can enter: names of local sockets are limited to about a
  /// hundred bytes, and the data folder may be deep.
  private static func makeSocketFolder() throws -> String {
    var template = Array("/tmp/tinsmith-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw CommandError("cannot make a folder in /tmp: \(DataFolder.lastError)")
    }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
