internal import Wire

/// Workers that come, come back, and go.
extension RouterState {
  // MARK: Coming

  mutating func register(_ hello: WorkerHello, _ connection: ConnectionID, _ now: UInt64) {
    if let reason = refusal(of: hello) {
      actions.append(.note("worker \(hello.name) is refused: \(reason)"))
      actions.append(.command(.refused(reason), to: connection))
      return
    }
    if !hello.isKeeper, numerics == nil { numerics = NumericsClass(of: hello) }
    let known = workerNames[hello.name]
    let worker = known ?? addWorker(hello, connection, now)
    let isBack =
      known != nil && (workers[worker].connection != connection || !workers[worker].isConnected)
    let isSameProcess = details[worker].incarnation == hello.incarnation
    if isBack {
      // The same worker on a new connection: what it was sent on the old one may be lost.
      detach(worker, now)
      workers[worker].connection = connection
      workers[worker].isConnected = true
      workers[worker].lastHeard = now
      details[worker].lastFlight = []
      details[worker].alone = nil
    }
    details[worker].incarnation = hello.incarnation
    details[worker].hasSaidGoodbye = false
    take(refusedModels: hello.refusedModels, of: worker)
    workers[worker].room = hello.room.bounded
    workers[worker].lastHeard = now
    workerPlaces[connection] = worker
    if !hello.isKeeper, knownWorkers.count < rules.expectedWorkers {
      knownWorkers.insert(hello.name)
    }
    command(.welcome, to: worker)
    let before = details[worker].streams
    for owned in hello.streams { claim(owned, worker, isBack: isBack, now) }
    if isBack { dropUnclaimed(before, hello, worker, isSameProcess) }
    if !hello.isKeeper { tellEndings(to: worker) }
    drainAll(of: worker)
  }

  /// Base models that a worker cannot serve; each is told once.
  private mutating func take(refusedModels models: [String: String], of worker: Int) {
    let known = refusedModels
    details[worker].refusedModels = models
    for (name, reason) in models.sorted(by: { $0.key < $1.key }) where known[name] == nil {
      actions.append(.warning("base model \(name) is not served: \(reason)"))
    }
  }

  /// Base models that some worker cannot serve, so that nobody can count on them, with the reasons.
  package var refusedModels: [String: String] {
    var models: [String: String] = [:]
    for worker in workers.indices where workers[worker].isConnected {
      models.merge(details[worker].refusedModels) { first, _ in first }
    }
    return models
  }

  private mutating func addWorker(
    _ hello: WorkerHello, _ connection: ConnectionID, _ now: UInt64
  ) -> Int {
    let place: Int
    if let free = freeWorkers.popLast() {
      workers[free] = WorkerRecord(hello, connection, now: now)
      details[free] = WorkerDetails(hello)
      place = free
    } else {
      workers.append(WorkerRecord(hello, connection, now: now))
      details.append(WorkerDetails(hello))
      place = workers.count - 1
    }
    workers[place].room = hello.room.bounded
    workers[place].isSupervised = rules.supervisedWorkers.contains(hello.name)
    workerNames[hello.name] = place
    if hello.isKeeper { keeper = place }
    return place
  }

  /// A worker says that it owns a stream.
  private mutating func claim(
    _ owned: OwnedStream, _ worker: Int, isBack: Bool, _ now: UInt64
  ) {
    let session = String(owned.stream.prefix { $0 != ":" })
    guard isPlausible(owned) else {
      actions.append(
        .note(
          "worker \(details[worker].name) claims a stream as it cannot have it: epoch "
            + "\(owned.epoch), seq \(owned.nextSeq) of \(owned.stream)"))
      return command(.close(stream: owned.stream, epoch: owned.epoch), to: worker)
    }
    let place: Int
    if let known = streamIndex[owned.stream] {
      place = known
    } else if endedSessions.contains(session) {
      // Not only closed: what it left on the disk goes, too.
      command(.sessionEnded(session), to: worker)
      return command(.close(stream: owned.stream, epoch: owned.epoch), to: worker)
    } else if orderedStreams >= RouterLimits.streams {
      return command(.close(stream: owned.stream, epoch: owned.epoch), to: worker)
    } else {
      place = addStream(
        owned.stream, ordering: .ordered, session: sessionPlace(session, now), now: now)
    }
    if streams[place].worker == worker, !isBack { return }
    guard owned.epoch >= streams[place].epoch else {
      return command(.close(stream: owned.stream, epoch: owned.epoch), to: worker)
    }
    if let other = streams[place].worker, other != worker {
      refuseAll(place, Self.ownerIsGone)
      drainAll(of: other)
    }
    streams[place].epoch = owned.epoch
    setOwner(of: place, .open(worker))
    settleOpening(place, nextSeq: owned.boundedNextSeq, now)
  }

  /// What a worker owned before and does not own now: a new process lost it, the old one closed it.
  private mutating func dropUnclaimed(
    _ before: [Int], _ hello: WorkerHello, _ worker: Int, _ isSameProcess: Bool
  ) {
    let claimed = Set(hello.streams.map(\.stream))
    for place in before
    where streams[place].worker == worker && !claimed.contains(streams[place].name) {
      if isSameProcess { forgetClosed(place) } else { lose(place) }
    }
  }

  // MARK: Going

  static var ownerIsGone: RPCError {
    RPCError(.unavailable, "the stream's owner is gone", retryAfterMilliseconds: 100)
  }

  /// A worker's connection is gone.
  package mutating func lost(worker connection: ConnectionID, now: UInt64) {
    guard let worker = workerPlaces[connection] else { return }
    detach(worker, now)
  }

  /// A worker process has ended.
  /// - Parameter crashed: by itself, not by a kill from outside: what it worked on is suspected.
  package mutating func workerEnded(_ name: String, crashed: Bool, now: UInt64) {
    guard let worker = workerNames[name], !workers[worker].isKeeper else { return }
    end(worker: worker, crashed: crashed, now)
  }

  /// Nothing reaches a worker any more; it may come back with the streams that it owns.
  mutating func detach(_ worker: Int, _ now: UInt64) {
    guard workers[worker].isConnected else { return }
    disconnect(worker, now, models: Self.ownerIsGone, crashed: false)
    if workers[worker].isKeeper { return }
    drainPool()
    serveSuspects()
  }

  /// - Parameter models: what the requests of its models are answered.
  private mutating func disconnect(
    _ worker: Int, _ now: UInt64, models error: RPCError, crashed: Bool
  ) {
    workerPlaces[workers[worker].connection] = nil
    workers[worker].isConnected = false
    workers[worker].isReserved = false
    details[worker].lostSince = now
    details[worker].lastFlight = []
    let alone = details[worker].alone
    for place in details[worker].streams {
      for (seq, request) in streams[place].requests.inFlight.entries.map({ ($0.seq, $0.value) })
      where request.room != nil {
        details[worker].lastFlight.append(key(place, seq))
      }
      // While it is only being opened nothing of it has run: another worker may open it.
      let isOpening = streams[place].owner == .opening(worker)
      refuseAll(place, isOpening ? Self.ownerIsGone : error)
      streams[place].isQueued = false
      if isOpening { setOwner(of: place, .none) }
    }
    details[worker].alone = alone
    refuseVisitors(of: worker, crashed: crashed)
    for room in [Method.Room.training, .control] {
      for (item, tenant) in details[worker][room].removeAll() {
        tenants[tenant].waiting -= 1
        guard let place = place(of: item), streams[place].ordering == .independent else { continue }
        refuseHeldNow(item.seq, place: place, Self.workerIsGone)
      }
    }
    workers[worker].used = WorkerRoom(trainingTokens: 0, decodeTokens: 0, controlRequests: 0)
    workers[worker].inFlight = 0
    workers[worker].bytes = 0
    workers[worker].waiting = 0
    workers[worker].waitingCost = 0
  }

  static var workerIsGone: RPCError {
    RPCError(.unavailable, "the worker is gone", retryAfterMilliseconds: 50)
  }

  /// Independent requests run elsewhere when their clients send them again.
  private mutating func refuseVisitors(of worker: Int, crashed: Bool) {
    let visitors = details[worker].visitors
    details[worker].visitors = []
    for visitor in visitors {
      guard let place = place(of: visitor) else { continue }
      if streams[place].home == worker { streams[place].home = nil }
      for (seq, request) in streams[place].requests.takeInFlight(at: worker) {
        details[worker].lastFlight.append(key(place, seq))
        giveUp(request)
        if isPooled(place, request.room ?? .control) {
          let tenant = sessions[request.session].tenant
          pool.correct(tenant, by: -Double(request.cost) * tenants[tenant].costFactor)
        }
        let isLastCrash =
          crashed && details[worker].alone == key(place, seq)
          && suspects.crashes(of: key(place, seq)) == SuspectTable.maximumCrashes - 1
        answer(
          isLastCrash ? Self.condemned : Self.workerIsGone, stream: clientName(place), seq: seq,
          to: request.connection)
      }
    }
  }

  /// A worker will not come back as the process that it was.
  mutating func end(worker: Int, crashed: Bool, _ now: UInt64) {
    // Whoever ended a worker that hung killed it from outside, but what it hung at was there.
    let crashed = crashed || details[worker].pulse.stall == .hanging
    let alone = details[worker].alone
    if workers[worker].isConnected {
      let error = rules.recoversModels ? Self.ownerIsGone : Self.modelIsLost
      disconnect(worker, now, models: error, crashed: crashed)
    }
    if crashed { suspect(details[worker].lastFlight, alone: alone, now) }
    for place in details[worker].streams { lose(place) }
    workerNames[details[worker].name] = nil
    details[worker].name = ""
    details[worker].pulse = Pulse()
    details[worker].alone = nil
    details[worker].lastFlight = []
    freeWorkers.append(worker)
    drainPool()
    serveSuspects()
  }

  /// A model is gone with its worker; nobody makes it anew behind its client's back.
  private mutating func lose(_ place: Int) {
    setOwner(of: place, .gone)
    guard !rules.recoversModels else { return }
    // A late owner that still believes in it is of an older epoch.
    streams[place].epoch += 1
    refuseAll(place, Self.modelIsLost)
  }

  /// Workers that were away for too long have ended, for all that can be known.
  mutating func endLostWorkers(_ now: UInt64) {
    for worker in workers.indices
    where !workers[worker].isKeeper && !workers[worker].isSupervised {
      if workers[worker].isConnected {
        guard now >= workers[worker].lastHeard + rules.workerTimeoutMilliseconds else { continue }
        detach(worker, now)
      } else if !details[worker].name.isEmpty,
        now >= details[worker].lostSince + rules.recoveryMilliseconds
      {
        end(worker: worker, crashed: false, now)
      }
    }
  }
}
