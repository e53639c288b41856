internal import DequeModule
internal import Wire

/// Every decision of a router: order, repeats, placement, room, windows, liveness.
///
/// A pure value: events go in (`request`, `response`, `control`, `lost…`, `tick`), actions come out
/// (`takeActions`). No socket, clock or lock inside; messages are numbers. Times are
/// `Monotonic.milliseconds()` of the caller.
///
/// Everything is in tables and named by its place there, so that an event costs the same however
/// many streams, sessions and tenants there are; what time brings about waits in queues by time.
package struct RouterState: Sendable {
  let rules: RouterRules
  let authority: SessionAuthority
  let directory: TenantDirectory
  /// Streams from before `started` may still have an owner that has not registered.
  let started: UInt64

  var streams: [StreamRecord] = []
  var streamIndex: [String: Int] = [:]
  var freeStreams: [Int] = []
  var workers: [WorkerRecord] = []
  var details: [WorkerDetails] = []
  var workerPlaces: [ConnectionID: Int] = [:]
  var workerNames: [String: Int] = [:]
  var freeWorkers: [Int] = []
  var keeper: Int?
  var sessions: [SessionRecord]
  var sessionIndex: [String: Int] = [:]
  var freeSessions: [Int] = []
  var endedSessions = EndedSessions()
  /// The last sessions that ended here, for workers that were away.
  var endings = Endings()
  var tenants: TenantTable
  var connections: [ConnectionRecord] = []
  var connectionPlaces: [ConnectionID: Int] = [:]
  var freeConnections: [Int] = []
  /// Sampling requests that wait for room at any worker.
  var pool = FairQueue()
  var suspects = SuspectTable()
  /// The last epoch that an owner was given.
  var lastEpoch: UInt64 = 0
  /// Suspects that wait for a worker of their own.
  var waitingSuspects = Deque<RequestKey>()
  /// Workers (by name) that have registered, until all that belong here have.
  var knownWorkers: Set<String> = []
  /// What everybody has outstanding.
  var outstanding = Account()
  var heldBytes = 0
  /// Streams in order, and independent ones.
  var orderedStreams = 0
  var independentStreams = 0
  /// What the workers' numbers must be, once it is known.
  var numerics: NumericsClass?
  /// A session was forgotten to make room since `liveSessions` was asked for.
  var hasForgottenSessions = false
  /// When `tick` was called last.
  var lastTick: UInt64
  /// `serveSuspects` is at work: what it does may lead to it again.
  var isServingSuspects = false
  var actions: [RouterAction] = []

  var deadlines = DeadlineQueue()
  /// Held requests that have a deadline.
  var timedRequests = 0
  var gaps = TimeoutQueue()
  var leases = TimeoutQueue()
  var idleStreams = TimeoutQueue()
  var silentConnections = TimeoutQueue()
  var idleTenants = TimeoutQueue()

  /// Numbers about what was done so far.
  package var counters = RouterCounters()

  /// - Parameter now: from here on the clock runs.
  /// - Parameter endings: sessions that ended before, oldest first.
  package init(
    _ rules: RouterRules, authority: SessionAuthority,
    tenants directory: TenantDirectory, endings: [SessionDigest] = [], now: UInt64
  ) {
    self.rules = rules
    self.authority = authority
    self.directory = directory
    numerics = rules.numerics
    started = now
    lastTick = now
    tenants = TenantTable(limit: directory.isOpen ? RouterLimits.tenants : .max)
    for digest in endings { endedSessions.insert(digest) }
    sessions = [SessionRecord(id: "", lastUse: now)]
    actions.reserveCapacity(64)
    // Place 0 is never a client's: a fresh `lastStream` must not hit.
    streams.append(
      StreamRecord(
        name: "\u{0}", key: "\u{0}", generation: 0, ordering: .independent, session: 0, lastUse: now
      ))
    if let weight = directory.weight(of: Tenant.defaultName) {
      _ = tenants.place(of: Tenant.defaultName, weight: weight)
    }
  }

  /// What is to be done since the last call, in order.
  package mutating func takeActions(into list: inout [RouterAction]) {
    list.removeAll(keepingCapacity: true)
    swap(&list, &actions)
  }

  /// Counts and sizes of now.
  package var statistics: RouterCounters {
    var result = counters
    result.streams = streamIndex.count
    result.sessions = sessionIndex.count
    result.tenants = tenants.count
    result.connections = connectionPlaces.count
    result.workers = workerCount
    return result
  }

  /// Workers that are connected, without the keeper.
  package var workerCount: Int {
    workers.indices.count {
      workers[$0].isConnected && !workers[$0].isKeeper && details[$0].pulse.stall == nil
    }
  }

  /// Whether owners from before this router's start may still register.
  func isRecovering(_ now: UInt64) -> Bool {
    knownWorkers.count < rules.expectedWorkers && now < started + rules.recoveryMilliseconds
  }

  // MARK: Words to clients

  mutating func answer(
    _ error: RPCError, stream: String, seq: UInt64, traceID: UInt64 = 0, to client: ConnectionID
  ) {
    counters.refusals += 1
    var header = ResponseHeader(
      stream: stream, seq: seq, code: error.code, message: error.message, field: error.field,
      retryAfterMilliseconds: error.retryAfterMilliseconds, traceID: traceID)
    header.windowRequests = UInt32(clamping: rules.windowRequests)
    header.windowBytes = UInt64(rules.windowBytes)
    actions.append(.answer(header, to: client))
  }

  mutating func command(_ message: RouterMessage, to worker: Int) {
    actions.append(.command(message, to: workers[worker].connection))
  }

  // MARK: Streams

  mutating func addStream(
    _ name: String, forKeeper: Bool = false, ordering: Method.Ordering, session: Int, now: UInt64
  ) -> Int {
    var record = StreamRecord(
      name: name, key: forKeeper ? StreamRecord.keeperMark + name : name, generation: 0,
      ordering: ordering, session: session, lastUse: now)
    record.isForKeeper = forKeeper
    record.placeInSession = sessions[session].streams.count
    if ordering == .ordered {
      orderedStreams += 1
      sessions[session].orderedStreams += 1
      tenants[sessions[session].tenant].orderedStreams += 1
    } else {
      independentStreams += 1
    }
    let place: Int
    if let free = freeStreams.popLast() {
      record.generation = streams[free].generation &+ 1
      streams[free] = record
      place = free
    } else {
      streams.append(record)
      place = streams.count - 1
    }
    streamIndex[record.key] = place
    sessions[session].streams.append(place)
    if ordering == .independent { watchIdle(place) }
    return place
  }

  /// Forgets a stream with nothing held or at a worker.
  mutating func removeStream(_ place: Int) {
    setOwner(of: place, .none)
    let session = streams[place].session
    if streams[place].ordering == .ordered {
      orderedStreams -= 1
      sessions[session].orderedStreams -= 1
      tenants[sessions[session].tenant].orderedStreams -= 1
    } else {
      independentStreams -= 1
    }
    let hole = streams[place].placeInSession
    let last = sessions[session].streams.removeLast()
    if last != place {
      sessions[session].streams[hole] = last
      streams[last].placeInSession = hole
    }
    streamIndex[streams[place].key] = nil
    streams[place].name = "\u{0}"
    streams[place].key = "\u{0}"
    streams[place].session = 0
    streams[place].generation &+= 1
    freeStreams.append(place)
    if sessions[session].hasEnded { freeSession(session) }
  }

  /// Changes who owns an ordered stream, and the owners' lists with it.
  mutating func setOwner(of place: Int, _ owner: StreamRecord.Owner) {
    let (old, new) = (streams[place].owner.place, owner.place)
    if case .opening(let worker) = streams[place].owner { workers[worker].openings -= 1 }
    if case .opening(let worker) = owner { workers[worker].openings += 1 }
    streams[place].owner = owner
    guard old != new else { return }
    if let old {
      let hole = streams[place].placeAtOwner
      let last = details[old].streams.removeLast()
      if last != place {
        details[old].streams[hole] = last
        streams[last].placeAtOwner = hole
      }
      workers[old].streams -= 1
    }
    if let new {
      streams[place].placeAtOwner = details[new].streams.count
      details[new].streams.append(place)
      workers[new].streams += 1
    }
  }

  func key(_ place: Int, _ seq: UInt64) -> RequestKey {
    RequestKey(stream: Int32(place), generation: streams[place].generation, seq: seq)
  }

  /// The stream of a key, nil if that stream is gone.
  func place(of key: RequestKey) -> Int? {
    streams[Int(key.stream)].generation == key.generation ? Int(key.stream) : nil
  }
}
