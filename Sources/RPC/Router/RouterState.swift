internal import Wire

/// Every decision of a router: order, repeats, placement, room, windows, liveness.
///
/// A pure value: events go in (`request`, `response`, `control`, `lost…`, `tick`), actions come out
/// (`takeActions`). No socket, clock or lock inside; messages are numbers. Times are
/// `Monotonic.milliseconds()` of the caller.
package struct RouterState: Sendable {
  let rules: RouterRules
  let authority: SessionAuthority
  let directory: TenantDirectory
  /// Streams from before `started` may still have an owner that has not registered.
  let started: UInt64

  var streams: [StreamRecord] = []
  var streamIndex: [String: Int] = [:]
  var freeStreams: [Int] = []
  var workers: [ConnectionID: WorkerRecord] = [:]
  var queues: [ConnectionID: WorkerQueues] = [:]
  var sessions: [SessionRecord] = [SessionRecord(id: "")]
  var sessionIndex: [String: Int] = [:]
  var tenants = TenantTable()
  var connections: [ConnectionID: ConnectionRecord] = [:]
  /// Workers (by name) that have ever registered.
  var knownWorkers: Set<String> = []
  var heldBytes = 0
  var timedRequests = 0
  var nextGapScan: UInt64 = 0
  var actions: [RouterAction] = []

  /// Numbers about what was done so far.
  package var counters = RouterCounters()

  /// - Parameter now: from here on the clock runs.
  package init(
    _ rules: RouterRules, authority: SessionAuthority,
    tenants directory: TenantDirectory, now: UInt64
  ) {
    self.rules = rules
    self.authority = authority
    self.directory = directory
    started = now
    actions.reserveCapacity(64)
    // Place 0 is never a client's: a fresh `lastStream` must not hit.
    streams.append(
      StreamRecord(
        name: "\u{0}", key: "\u{0}", generation: 0, ordering: .independent, session: 0, lastUse: now
      ))
  }

  /// What is to be done since the last call, in order.
  package mutating func takeActions(into list: inout [RouterAction]) {
    list.removeAll(keepingCapacity: true)
    swap(&list, &actions)
  }

  /// Counts and sizes of now.
  package var statistics: RouterCounters {
    var result = counters
    for stream in streams {
      result.held += stream.requests.held.count
      result.inFlight += stream.requests.inFlight.count
    }
    result.streams = streamIndex.count
    result.sessions = sessionIndex.count
    result.connections = connections.count
    result.workers = workers.values.count { !$0.isKeeper }
    return result
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

  // MARK: Streams

  mutating func addStream(
    _ name: String, forKeeper: Bool = false, ordering: Method.Ordering, session: Int, now: UInt64
  ) -> Int {
    let key = forKeeper ? StreamRecord.keeperMark + name : name
    sessions[session].streams += 1
    if let place = freeStreams.popLast() {
      let generation = streams[place].generation &+ 1
      streams[place] = StreamRecord(
        name: name, key: key, generation: generation, ordering: ordering, session: session,
        lastUse: now)
      streamIndex[key] = place
      return place
    }
    streams.append(
      StreamRecord(
        name: name, key: key, generation: 0, ordering: ordering, session: session, lastUse: now))
    streamIndex[key] = streams.count - 1
    return streams.count - 1
  }

  /// Forgets a stream with nothing held or at a worker.
  mutating func removeStream(_ place: Int) {
    if let worker = streams[place].worker { workers[worker]?.streams -= 1 }
    sessions[streams[place].session].streams -= 1
    streamIndex[streams[place].key] = nil
    streams[place].name = "\u{0}"
    streams[place].key = "\u{0}"
    streams[place].owner = .none
    streams[place].generation &+= 1
    freeStreams.append(place)
  }

  // MARK: Accounts

  mutating func charge(_ session: Int, bytes: Int) {
    sessions[session].requests += 1
    sessions[session].bytes += bytes
  }

  mutating func discharge(_ session: Int, bytes: Int) {
    sessions[session].requests -= 1
    sessions[session].bytes -= bytes
  }
}
