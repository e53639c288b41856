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

  private let clients: Socket
  private let workers: Socket
  private let board: RouterBoard
  private let endings: EndedSessionsFile?
  private let wakeup: Wakeup
  private let stopFlag: StopFlag
  private let logger = Logger(label: "rpc.router")
  // identity, header, body, attachments
  private var store = MessageStore(maximumParts: 3 + Limits.maxAttachments)
  private var clientTable = ConnectionTable(limit: RouterLimits.connections)
  private var workerTable = ConnectionTable(limit: RouterLimits.connections)
  private var state: RouterState
  private var actions: [RouterAction] = []
  private var partSizes: [Int] = []
  private var poller = Poller()
  private var now = Monotonic.milliseconds()
  private var nextTick: UInt64 = 0
  private var nextReport: UInt64 = 0
  private var publishedWorkers = 0

  init(
    clients: Socket, workers: Socket, rules: RouterRules, authority: SessionAuthority,
    tenants: TenantDirectory, endings: EndedSessionsFile?, ended: [SessionDigest],
    board: RouterBoard, wakeup: Wakeup, stopFlag: StopFlag
  ) throws {
    self.clients = clients
    self.workers = workers
    self.board = board
    self.endings = endings
    self.wakeup = wakeup
    self.stopFlag = stopFlag
    state = RouterState(rules, authority: authority, tenants: tenants, endings: ended, now: now)
    try poller.add(clients)
    try poller.add(workers)
    poller.add(descriptor: wakeup.descriptor)
  }

  mutating func run() throws {
    while !stopFlag.isSet {
      now = Monotonic.milliseconds()
      // Before anything of another process that has taken the name.
      endWorkers()
      let requests = try receiveRequests()
      let answers = try receiveAnswers()
      try perform()
      if now >= nextTick { try tick() }
      if requests == 0, answers == 0 {
        try poller.wait(milliseconds: Int(Self.tickMilliseconds))
        if poller.isReady(2) {
          wakeup.drain()
          nextTick = 0
        }
      }
    }
  }

  private mutating func tick() throws {
    nextTick = now + Self.tickMilliseconds
    state.tick(now: now)
    let workers = state.workerCount
    if now >= nextReport || workers != publishedWorkers {
      nextReport = now + Self.publishMilliseconds
      publishedWorkers = workers
      board.publish(state.statistics, report: state.report(now: now))
    }
    try perform()
  }

  private mutating func endWorkers() {
    for ended in board.takeEndedWorkers() {
      state.workerEnded(ended.name, crashed: ended.crashed, now: now)
    }
  }

  // MARK: Receiving

  private mutating func receiveRequests() throws -> Int {
    for count in 0..<Frames.perTurn {
      guard let message = try store.receive(from: clients) else { return count }
      request(message)
    }
    return Frames.perTurn
  }

  private mutating func request(_ message: MessageStore.Received) {
    let client = clientTable.connection(store.firstPart(of: message.id))
    guard let parcel = store.dropFirst(message.id) else { return }
    guard let client else { return store.release(parcel) }
    do throws(WireError) {
      let peek = try RequestPeek(store.firstPart(of: parcel))
      let bytes = message.isTruncated ? Int.max : message.bytes
      state.request(
        peek, parcel, bytes: bytes, cost: cost(of: peek, parcel, bytes: bytes), from: client,
        now: now)
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
      guard let message = try store.receive(from: workers) else { return count }
      answer(message)
    }
    return Frames.perTurn
  }

  private mutating func answer(_ message: MessageStore.Received) {
    let worker = workerTable.connection(store.firstPart(of: message.id))
    guard let parcel = store.dropFirst(message.id) else { return }
    guard let worker else { return store.release(parcel) }
    let header = store.firstPart(of: parcel)
    do throws(WireError) {
      if header.isEmpty {
        let control = try WorkerMessage(decoding: store.secondPart(of: parcel))
        store.release(parcel)
        state.control(control, from: worker, now: now)
      } else {
        state.response(try ResponsePeek(header), parcel, from: worker, now: now)
      }
    } catch {
      store.release(parcel)
      logger.warning("a message from a worker was not readable: \(error)")
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
      if try !send([header.encoded()], to: clients, clientTable.routingID(of: client)) {
        state.lost(client: client)
      }
    case .command(let message, let worker):
      try tell(worker, [[], message.encoded()])
    case .drop(let parcel): store.release(parcel)
    case .sessionEnded(let session): endings?.add(session)
    case .note(let line): logger.notice("\(line)")
    case .stalled(let worker, let reason):
      logger.warning("worker \(worker) \(reason)")
      board.workerStalled(worker, reason: reason)
    }
  }

  private mutating func forward(_ parcel: Parcel, to worker: ConnectionID) throws {
    let sending = try workerTable.routingID(of: worker).withBytes { id in
      try store.send(parcel, to: workers, routingID: id)
    }
    if sending == .unreachable { state.lost(worker: worker, now: now) }
  }

  private mutating func deliver(_ parcel: Parcel, to client: ConnectionID) throws {
    let sending = try clientTable.routingID(of: client).withBytes { id in
      try store.send(parcel, to: clients, routingID: id)
    }
    // The answer waits at its owner; the client asks for it on its next connection.
    if sending == .unreachable { state.lost(client: client) }
  }

  private mutating func tell(_ worker: ConnectionID, _ parts: [[UInt8]]) throws {
    if try !send(parts, to: workers, workerTable.routingID(of: worker)) {
      state.lost(worker: worker, now: now)
    }
  }

  private func send(
    _ parts: [[UInt8]], to socket: Socket, _ peer: RoutingID
  ) throws -> Bool {
    guard try peer.withBytes({ try socket.address($0) }) else { return false }
    for (index, part) in parts.enumerated() {
      _ = try part.withUnsafeBytes { try socket.send($0, more: index + 1 < parts.count) }
    }
    return true
  }
}
