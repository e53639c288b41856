import Foundation
import Glibc
import Logging
import Operations
import Trainer

/// A service on one machine: a router and workers in processes of their own, started again when
/// they end. `Supervision` decides; here processes are started, killed and listened to.
///
/// This process handles no message of a client: nothing that one sends can end it.
actor Supervisor {
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
    /// Memory of each.
    var memory: MemoryOption
    /// Who may use it.
    var tenants: TenantsOption
    /// Where its numbers are served over HTTP, if they are.
    var metrics: MetricsOption
  }

  /// What happens while the service runs.
  private enum Event: Sendable {
    case stop
    case tick
    /// By the process of this number.
    case said(Supervision.Child, Int32, RouterLine)
    case ended(Supervision.Child, ProcessEnding)
  }

  private static let tickMilliseconds = 100
  /// Ticks between two looks at what the system says of processes.
  private static let ticksPerLook = 10

  private let options: ServiceOptions
  private let plan: Plan
  private let folder: DataFolder
  private let sockets: SocketFolder
  /// The router's own copy: what happens to the file later must not keep a router from starting.
  private let tenantsFile: String?
  private let log = Logger(label: "tinsmith.serve")
  private let start = ContinuousClock.now
  private var supervision: Supervision
  private var processes: [Supervision.Child: ChildProcess] = [:]
  private var memoryKills = OutOfMemoryKills()
  private var ticks = 0
  private nonisolated let events: AsyncStream<Event>
  private nonisolated let post: AsyncStream<Event>.Continuation

  /// Makes the folder for local sockets; nothing runs yet.
  ///
  /// - Parameter folder: locked, and handed on to each router: while one is left of an earlier
  ///   service, the folder is in use.
  /// - Throws: `CommandError`, for instance if the file of tenants says nothing valid.
  init(_ options: ServiceOptions, _ plan: Plan, folder: DataFolder) throws {
    self.options = options
    self.plan = plan
    self.folder = folder
    _ = try plan.tenants.read()
    sockets = try SocketFolder(for: folder)
    do {
      tenantsFile = try plan.tenants.copy(to: "\(sockets.path)/tenants.json")
    } catch {
      sockets.remove()
      throw error
    }
    supervision = Supervision(workers: plan.workers, weightBytes: options.models.weightBytes)
    (events, post) = AsyncStream.makeStream(of: Event.self)
  }

  /// Serves until `stop`.
  ///
  /// - Parameter ready: called once with the endpoint for clients, when all workers have registered.
  /// - Throws: `CommandError` if a process ends, or cannot be started, before that.
  func run(ready: @Sendable (_ endpoint: String) -> Void) async throws {
    if options.keepModels > 0 {
      ModelFolders.removeUnused(in: folder.path, days: options.keepModels)
    }
    let clock = Task { [post] in
      while !Task.isCancelled {
        try await Task.sleep(for: .milliseconds(Self.tickMilliseconds))
        post.yield(.tick)
      }
    }
    var failure: (any Error)?
    do {
      try await serve(ready)
    } catch {
      failure = error
    }
    clock.cancel()
    await end()
    if let failure { throw failure }
  }

  /// Asks `run` to return.
  nonisolated func stop() { post.yield(.stop) }

  private func serve(_ ready: (String) -> Void) async throws {
    memoryKills.look(OutOfMemoryKills.count())
    supervision.start(at: time)
    try perform(ready)
    for await event in events {
      switch event {
      case .stop: return
      case .tick: tick()
      case .said(let child, let pid, let line):
        guard processes[child]?.identifier == pid else { break }
        if case .failed(let reason) = line {
          supervision.failing(child, reason, at: time)
        } else if child == .router {
          supervision.heard(line, at: time)
        }
      case .ended(let child, let ending):
        processes[child] = nil
        let isUnexplained = ending == .signalled(SIGKILL)
        supervision.ended(
          child, ending,
          outOfMemory: isUnexplained && memoryKills.explain(OutOfMemoryKills.count()), at: time)
      }
      try perform(ready)
    }
  }

  private var time: Duration { ContinuousClock.now - start }

  private func tick() {
    ticks += 1
    guard ticks.isMultiple(of: Self.ticksPerLook) else { return supervision.tick(at: time) }
    memoryKills.look(OutOfMemoryKills.count())
    let stopped = processes.filter { ProcessList.isStopped($0.value.identifier) }
    supervision.tick(at: time, stopped: Set(stopped.keys))
  }

  private func perform(_ ready: (String) -> Void) throws {
    while true {
      let actions = supervision.takeActions()
      if actions.isEmpty { return }
      for action in actions {
        switch action {
        case .start(let child): start(child)
        case .kill(let child): processes[child]?.signal(SIGKILL)
        case .tell(let line): processes[.router]?.tell(SupervisionText.encode(line))
        case .ready(let addresses): ready(addresses.clients)
        case .report(let text): log.error("\(text)")
        case .fail(let text): throw CommandError(text)
        }
      }
    }
  }

  // MARK: Processes

  private func start(_ child: Supervision.Child) {
    let post = post
    do {
      let process = try ChildProcess(
        arguments(of: child), readsOutput: true, inherited: child == .router ? [folder.lock] : [])
      processes[child] = process
      supervision.started(child, at: time)
      Task {
        // Its last words are before its end.
        for await text in process.lines {
          guard let line = SupervisionText.decode(text, as: RouterLine.self) else { continue }
          post.yield(.said(child, process.identifier, line))
        }
        post.yield(.ended(child, await process.ended()))
      }
    } catch {
      supervision.cannotStart(child, "\(error)", at: time)
    }
  }

  private var workerEndpoint: String { "ipc://\(sockets.path)/workers" }

  private func arguments(of child: Supervision.Child) -> [String] {
    switch child {
    case .worker(let index):
      return [
        "worker", "--router", workerEndpoint, "--name", Supervision.name(index),
        "--threads", "\(plan.threads)", "--says-why",
      ] + plan.memory.arguments + options.arguments
    case .router:
      // The same places every time.
      let known = supervision.addresses
      var arguments = [
        "router", "--listen", known?.clients ?? plan.listen, "--listen-workers", workerEndpoint,
        "--supervised-workers", "\(plan.workers)",
      ]
      if let place = known?.remoteWorkers ?? plan.listenWorkers {
        arguments += ["--listen-remote-workers", place]
      }
      if let place = known?.metrics ?? plan.metrics.metrics?.text {
        arguments += ["--metrics", place]
      }
      if let tenantsFile { arguments += ["--tenants", tenantsFile] }
      return arguments + plan.memory.arguments + options.arguments
    }
  }

  /// Ends all processes, the router last, and removes what only this run needed.
  private func end() async {
    let router = processes.removeValue(forKey: .router)
    await withTaskGroup { group in
      for worker in processes.values { group.addTask { await worker.stop() } }
    }
    await router?.stop()
    sockets.remove()
  }
}
