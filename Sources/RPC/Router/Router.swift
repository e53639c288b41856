internal import Logging
internal import Wire
internal import ZeroMQ

/// The router's poll loop: receives, asks `RouterState`, performs its actions. It reads headers
/// only; bodies and attachments are moved from socket to socket.
///
/// A value on its thread's stack: as an object, every access to its parts would be checked at run
/// time, which costs a twentieth of the rate.
struct Router: ~Copyable {
  private static let tickMilliseconds: UInt64 = 20
  private static let publishMilliseconds: UInt64 = 1000
  private static let censusMilliseconds: UInt64 = 20_000

  private var clients: RouterPort
  private var workers: RouterPort
  private let board: RouterBoard
  private let sessionExpired: @Sendable (String) -> Void
  private let wakeup: Wakeup
  private let stopFlag: StopFlag
  private let logger = Logger(label: "rpc.router")
  private let badMessages = LogLimiter()
  private let notes = LogLimiter()
  // identity, header, body, attachments
  private var store = MessageStore(maximumParts: 3 + Limits.maxAttachments)
  private var state: RouterState
  private var actions: [RouterAction] = []
  private var partSizes: [Int] = []
  private var poller: Poller
  private var now: UInt64
  private var nextTick: UInt64 = 0
  private var nextReport: UInt64 = 0
  private var publishedWorkers = 0
  private let sessionsAlive: @Sendable (Set<String>) -> Void
  private var nextCensus: UInt64 = 0

  init(
    clients: RouterSockets, workers: RouterSockets, rules: RouterRules, authority: SessionAuthority,
    tenants: TenantDirectory, ended: [SessionDigest], board: RouterBoard, wakeup: Wakeup,
    stopFlag: StopFlag, sessionExpired: @escaping @Sendable (String) -> Void,
    sessionsAlive: @escaping @Sendable (Set<String>) -> Void
  ) throws {
    let now = Monotonic.milliseconds()
    // All that can fail comes first: a value that cannot be copied is made whole or not at all.
    var poller = Poller()
    poller.add(descriptor: wakeup.descriptor)
    let clientPort = try RouterPort(clients, now: now)
    try clientPort.add(to: &poller)
    let workerPort = try RouterPort(workers, now: now)
    try workerPort.add(to: &poller)
    self.now = now
    self.poller = poller
    self.clients = clientPort
    self.workers = workerPort
    self.sessionsAlive = sessionsAlive
    self.board = board
    self.sessionExpired = sessionExpired
    self.wakeup = wakeup
    self.stopFlag = stopFlag
    state = RouterState(rules, authority: authority, tenants: tenants, endings: ended, now: now)
  }

  mutating func run() throws {
    while !stopFlag.isSet {
      now = Monotonic.milliseconds()
      // Before anything of another process that has taken the name.
      endWorkers()
      clients.poll(now, &store)
      workers.poll(now, &store)
      let requests = try receiveRequests()
      let answers = try receiveAnswers()
      noteEnded()
      try perform()
      if now >= nextTick { try tick() }
      clients.flush(&store)
      workers.flush(&store)
      if requests == 0, answers == 0 {
        try poller.wait(milliseconds: Int(Self.tickMilliseconds))
        if poller.isReady(0) {
          wakeup.drain()
          nextTick = 0
        }
      }
    }
  }

  private mutating func tick() throws {
    nextTick = now + Self.tickMilliseconds
    state.tick(now: now)
    clients.tick(now, &store)
    workers.tick(now, &store)
    noteEnded()
    let workerCount = state.workerCount
    if now >= nextReport || workerCount != publishedWorkers {
      nextReport = now + Self.publishMilliseconds
      publishedWorkers = workerCount
      board.publish(state.statistics, report: report, refusedModels: state.refusedModels)
    }
    if now >= nextCensus {
      nextCensus = now + Self.censusMilliseconds
      if let alive = state.liveSessions() { sessionsAlive(alive) }
    }
    try perform()
  }

  private mutating func endWorkers() {
    for ended in board.takeEndedWorkers() {
      state.workerEnded(ended.name, crashed: ended.crashed, now: now)
    }
  }

  private var report: [String: Double] {
    var report = state.report(now: now)
    for (key, value) in clients.report { report["router.\(key)"] = value }
    return report
  }

  /// Whoever waits at a connection that ended has to ask again.
  private mutating func noteEnded() {
    for client in clients.takeEnded() { state.lost(client: client) }
    for worker in workers.takeEnded() { state.lost(worker: worker, now: now) }
  }

  // MARK: Receiving

  private mutating func receiveRequests() throws -> Int {
    for count in 0..<Frames.perTurn {
      switch try clients.receive(into: &store) {
      case nil: return count
      case .arrival(let arrival): request(arrival)
      case .claim(let client, let header):
        clients.decide(client, isTrusted: belongsToSession(header))
      }
    }
    return Frames.perTurn
  }

  /// Whether a message comes from a session; its header is here, and the rest is large.
  private func belongsToSession(_ header: Parcel) -> Bool {
    guard let peek = try? RequestPeek(store.firstPart(of: header)) else { return false }
    return state.belongsToSession(peek)
  }

  private mutating func request(_ arrival: RouterPort.Arrival) {
    let (client, parcel) = (arrival.connection, arrival.parcel)
    do throws(WireError) {
      guard arrival.excess != .firstPart else {
        throw WireError(.tooLarge, "header of more than \(Limits.maxHeaderBytes) bytes")
      }
      let peek = try RequestPeek(store.firstPart(of: parcel))
      let cost = arrival.excess == nil ? cost(of: peek, parcel, bytes: arrival.bytes) : 1
      state.request(
        peek, parcel, bytes: arrival.bytes, cost: cost, excess: arrival.excess, from: client,
        now: now)
      if !arrival.isTrusted, state.belongsToSession(client) { clients.trust(client) }
    } catch {
      store.release(parcel)
      state.unreadable(error.description, from: client)
    }
  }

  /// What a request asks for in tokens; the only look into its body.
  private mutating func cost(of peek: RequestPeek, _ parcel: Parcel, bytes: Int) -> UInt64 {
    guard let method = peek.method, method.room != .control else { return 1 }
    store.partSizes(of: parcel, into: &partSizes)
    return CostPeek.cost(of: method, body: store.secondPart(of: parcel), bytes: bytes) { index in
      // Before the attachments are header and body.
      index < partSizes.count - 2 ? partSizes[index + 2] : nil
    }
  }

  private mutating func receiveAnswers() throws -> Int {
    for count in 0..<Frames.perTurn {
      switch try workers.receive(into: &store) {
      case nil: return count
      case .arrival(let arrival): answer(arrival)
      case .claim(let worker, _): workers.decide(worker, isTrusted: true)
      }
    }
    return Frames.perTurn
  }

  private mutating func answer(_ arrival: RouterPort.Arrival) {
    let (worker, parcel) = (arrival.connection, arrival.parcel)
    do throws(WireError) {
      if arrival.excess != nil { try failAnswer(parcel) }
      let header = store.firstPart(of: parcel)
      if header.isEmpty {
        let control = try WorkerMessage(decoding: store.secondPart(of: parcel))
        store.release(parcel)
        state.control(control, from: worker, now: now)
      } else {
        state.response(try ResponsePeek(header), parcel, from: worker, now: now)
      }
    } catch {
      store.release(parcel)
      badMessages.log("a message from a worker was not readable: \(error)", now: now) {
        logger.warning("\($0)")
      }
    }
  }

  /// An answer that is larger than a message may be: whoever waits for it is told.
  private func failAnswer(_ parcel: Parcel) throws(WireError) {
    var header = try ResponseHeader(decoding: store.firstPart(of: parcel))
    header.code = .internal
    header.message = "the answer has more bytes or attachments than a message may have"
    do { try store.replaceFirst(of: parcel, with: header.encoded()) } catch {
      throw WireError(.tooLarge, header.message)
    }
  }

  // MARK: Actions

  private mutating func perform() throws {
    // Sending may fail, which is an event, which may bring more actions.
    while true {
      state.takeActions(into: &actions)
      if actions.isEmpty { return }
      for index in actions.indices { try perform(actions[index]) }
    }
  }

  private mutating func perform(_ action: RouterAction) throws {
    switch action {
    case .forward(let parcel, let worker): try forward(parcel, to: worker)
    case .forwardRenamed(let parcel, let stream, let worker):
      try store.replaceFirst(
        of: parcel,
        with: HeaderEdit.replacing(
          HeaderEdit.requestStream, with: stream, in: store.firstPart(of: parcel)))
      try forward(parcel, to: worker)
    case .tombstone(let header, let worker):
      try tell(worker, [header.encoded()])
    case .deliver(let parcel, let client): try deliver(parcel, to: client)
    case .deliverUnnamed(let parcel, let client):
      try store.replaceFirst(
        of: parcel,
        with: HeaderEdit.replacing(
          HeaderEdit.responseStream, with: "", in: store.firstPart(of: parcel)))
      try deliver(parcel, to: client)
    case .answer(let header, let client):
      if try !clients.send([header.encoded()], to: client, &store) { state.lost(client: client) }
    case .command(let message, let worker):
      try tell(worker, [[], message.encoded()])
    case .drop(let parcel): store.release(parcel)
    case .sessionExpired(let session): sessionExpired(session)
    case .note(let line): notes.log(line, now: now) { logger.notice("\($0)") }
    case .warning(let line): notes.log(line, now: now) { logger.error("\($0)") }
    case .stalled(let worker, let reason):
      logger.warning("worker \(worker) \(reason)")
      board.workerStalled(worker, reason: reason)
    }
  }

  private mutating func forward(_ parcel: Parcel, to worker: ConnectionID) throws {
    if try !workers.send(parcel, to: worker, &store) { state.lost(worker: worker, now: now) }
  }

  private mutating func deliver(_ parcel: Parcel, to client: ConnectionID) throws {
    // The answer waits at its owner; the client asks for it on its next connection.
    if try !clients.send(parcel, to: client, &store) { state.lost(client: client) }
  }

  private mutating func tell(_ worker: ConnectionID, _ parts: [[UInt8]]) throws {
    if try !workers.send(parts, to: worker, &store) { state.lost(worker: worker, now: now) }
  }
}
