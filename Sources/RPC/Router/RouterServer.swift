internal import Synchronization
package import Wire
package import ZeroMQ

/// Where a router listens and what it goes by.
package struct RouterConfiguration: Sendable {
  /// The endpoint for clients, e.g. `tcp://127.0.0.1:7410`; `*` as port takes a free one.
  package var listen: String
  /// The endpoint for workers: `inproc://`, `ipc://` or `tcp://`.
  package var workers: String
  /// Another endpoint for workers, for those of other hosts: `tcp://`. It trusts whoever connects.
  package var remoteWorkers: String?
  /// Numbers and times.
  package var rules = RouterRules()
  /// The secret of session tokens, at least 32 bytes; kept over restarts by whoever starts the
  /// router, or sessions end with it.
  package var sessionKey = SessionAuthority.makeKey()
  /// Called on the router's thread every 20 seconds with the sessions that are alive, so it must not
  /// wait: what others have left can go.
  package var sessionsAlive: @Sendable (Set<String>) -> Void = { _ in }
  /// Called on the keeper's thread when a session is opened, with its id, its tenant and the request,
  /// so it must not wait: the client is answered when the last argument is called, with what to warn
  /// it of, if anything.
  package typealias SessionBegins =
    @Sendable (
      String, String, CreateSessionRequest, _ done: @escaping @Sendable (String?) -> Void
    ) -> Void
  package var sessionBegins: SessionBegins = { _, _, _, done in done(nil) }
  /// Called on any thread when the end of a session is recorded, before its client hears of it.
  package var sessionEnded: @Sendable (String) -> Void = { _ in }
  /// What `Admin.Capabilities` says, less the base models that workers cannot serve; nil where that is
  /// not known.
  package var capabilities: CapabilitiesResponse?
  /// Who may open sessions, and with which weights; empty lets everybody in.
  package var tenants: [Tenant] = []
  /// Where ends of sessions are kept over restarts; nil for nowhere.
  package var endings: EndedSessionsFile?
  /// What connections of clients may take.
  package var clientLimits = ListenerLimits.clients
  /// What connections of workers may take.
  package var workerLimits = ListenerLimits.workers

  package init(listen: String, workers: String) {
    self.listen = listen
    self.workers = workers
  }
}

/// An endpoint that cannot be used.
package struct ListenError: Error, CustomStringConvertible {
  package let endpoint: String
  /// In the system's words.
  package let reason: String

  package init(endpoint: String, reason: String) {
    self.endpoint = endpoint
    self.reason = reason
  }

  package var description: String { "cannot listen at \(endpoint): \(reason)" }
}

/// A router and its keeper, each on a thread of its own.
package final class RouterServer: Sendable {
  /// Where clients connect.
  package let clientEndpoint: String
  /// Where workers connect.
  package let workerEndpoint: String
  /// Where workers of other hosts connect, if they may.
  package let remoteWorkerEndpoint: String?

  private let thread: LoopThread
  private let keeper: WorkerService
  private let stopFlag = StopFlag()
  private let wakeup: Wakeup
  private let board = RouterBoard()

  private static let count = Atomic(0)

  /// Binds both endpoints; nothing is served before `start` or `run`.
  /// - Parameters:
  ///   - methods: what the keeper answers besides sessions, ping, health and stats.
  ///   - context: shared with every thread that connects over `inproc://`.
  package init(
    _ configuration: RouterConfiguration, keeper methods: MethodTable = MethodTable(),
    context: Context
  ) throws {
    let wakeup = try Wakeup()
    let tenants = try TenantDirectory(configuration.tenants)
    var clients = try RouterSockets(context, configuration.clientLimits)
    clientEndpoint = try Self.bind(&clients, configuration.listen)
    var workers = try RouterSockets(context, configuration.workerLimits)
    workerEndpoint = try Self.bind(&workers, configuration.workers)
    remoteWorkerEndpoint = try configuration.remoteWorkers.map { try Self.bind(&workers, $0) }
    let number = Self.count.add(1, ordering: .relaxed).newValue
    let keeperEndpoint = "inproc://tinsmith-keeper-\(number)"
    _ = try workers.bind(keeperEndpoint)
    let authority = SessionAuthority(key: configuration.sessionKey, tenants: tenants)
    let endings = configuration.endings
    let ended = try endings?.load() ?? []
    let sockets = Handover((clients, workers))
    let (board, stopFlag) = (board, stopFlag)
    let finished = SessionEndings(file: endings, ended: configuration.sessionEnded)
    self.wakeup = wakeup
    thread = LoopThread(name: "rpc-router") {
      let (clients, workers) = sockets.take()
      var router = try Router(
        clients: clients, workers: workers, rules: configuration.rules, authority: authority,
        tenants: tenants, ended: ended, board: board, wakeup: wakeup, stopFlag: stopFlag,
        sessionExpired: { finished.end($0) }, sessionsAlive: configuration.sessionsAlive)
      try router.run()
    }
    var table = Keeper.methods(
      authority: authority, tenants: tenants, board: board, rules: configuration.rules,
      sessionBegins: configuration.sessionBegins, endings: finished,
      capabilities: configuration.capabilities)
    table.merge(methods)
    var keeper = WorkerConfiguration(endpoint: keeperEndpoint, name: "keeper")
    keeper.isKeeper = true
    // What it does not train is the catalog's: few requests at once, the others take turns.
    keeper.room = WorkerRoom(
      trainingTokens: RouterLimits.catalogRequests, decodeTokens: 0,
      controlRequests: RouterLimits.keeperRequests)
    let service = try WorkerService(keeper, methods: table, context: context)
    finished.connect(service)
    self.keeper = service
  }

  private static func bind(_ sockets: inout RouterSockets, _ endpoint: String) throws -> String {
    do {
      return try sockets.bind(endpoint)
    } catch {
      throw ListenError(endpoint: endpoint, reason: error.message)
    }
  }

  /// The router's numbers, at most a second old.
  package var statistics: RouterCounters { board.statistics }

  /// All numbers of the service by name, as `Admin.Stats` gives them, at most a second old.
  package var report: [String: Double] { board.report }

  /// Grows about once a second, and whenever a worker comes or goes, while the router's loop turns.
  package var publications: UInt64 { board.publications }

  /// A worker process has ended: what it worked on runs elsewhere when the clients send it again
  /// (but its models are lost where they are not recorded). To be called before another process takes the name. From any thread.
  /// - Parameter crashed: it ended by itself, not by a kill from outside (SIGKILL) or on request;
  ///   what was under way there is suspected of it.
  package func workerEnded(name: String, crashed: Bool) {
    board.workerEnded(name, crashed: crashed)
    wakeup.signal()
  }

  /// Supervised workers that do nothing any more (stopped, or hanging), since the last call: to be
  /// killed, whereupon `workerEnded` is to be called. One that stays so is told again after 10 s.
  package func takeStalledWorkers() -> [(name: String, reason: String)] {
    board.takeStalledWorkers()
  }

  /// Starts both threads and returns.
  package func start() throws {
    try thread.start()
    try keeper.start()
  }

  /// Serves until `stop` or the task's cancellation.
  package func run() async throws {
    try start()
    try await withTaskCancellationHandler {
      try await wait()
    } onCancel: {
      stop()
    }
  }

  /// Waits for the end of a server that was started.
  package func wait() async throws {
    defer { keeper.stop() }
    try await thread.wait()
    keeper.stop()
    try await keeper.wait()
  }

  /// Asks both threads to end.
  package func stop() {
    stopFlag.set()
    wakeup.signal()
    keeper.stop()
  }
}

/// Gives sockets to the thread that will own them.
///
/// `@unchecked Sendable`: libzmq allows a socket to move to another thread across a full memory
/// barrier, which starting the thread is; nobody else keeps a reference.
private final class Handover<Value>: @unchecked Sendable {
  private var value: Value?

  init(_ value: Value) { self.value = value }

  func take() -> Value {
    guard let value else { preconditionFailure("taken twice: a loop thread runs once") }
    self.value = nil
    return value
  }
}

/// How sessions end: it is recorded first, where that is kept, and then the router hears of it, from
/// the keeper's service, which is made after the keeper's methods. So what has ended stays so over
/// restarts, and what cannot be recorded goes on.
final class SessionEndings: Sendable {
  private let file: EndedSessionsFile?
  private let ended: @Sendable (String) -> Void
  private let service = Mutex<WorkerService?>(nil)

  /// - Parameter ended: called with each session whose end is recorded.
  init(file: EndedSessionsFile?, ended: @escaping @Sendable (String) -> Void) {
    self.file = file
    self.ended = ended
  }

  func connect(_ service: WorkerService) { self.service.withLock { $0 = service } }

  /// - Parameter done: called on any thread, with why the session goes on if it does.
  func end(_ session: String, _ done: @escaping @Sendable (RPCError?) -> Void = { _ in }) {
    guard let file else {
      tell(session)
      return done(nil)
    }
    file.add(session) { problem in
      if problem == nil { self.tell(session) }
      done(problem)
    }
  }

  private func tell(_ session: String) {
    ended(session)
    service.withLock { $0 }?.end(session: session)
  }
}
