package import Wire

/// Answers and control messages from workers.
extension RouterState {
  // MARK: Answers

  /// A response arrived; `peek` is read during the call only.
  package mutating func response(
    _ peek: ResponsePeek, _ parcel: Parcel, from connection: ConnectionID, now: UInt64
  ) {
    guard let worker = workerPlaces[connection] else {
      actions.append(.command(.registerAgain, to: connection))
      return actions.append(.drop(parcel))
    }
    workers[worker].lastHeard = now
    var found: Int? = workers[worker].lastStream
    if let last = found, !streams[last].name.hasBytes(peek.stream) {
      // A method of this value would copy it here, with all its tables' reference counts.
      found = streamIndex[Self.key(peek.stream, ofKeeper: workers[worker].isKeeper)]
    }
    guard let place = found,
      streams[place].ordering == .independent || streams[place].worker == worker,
      peek.epoch >= streams[place].epoch
    else {
      // A stream that is gone, or a late word of an owner that was replaced.
      counters.staleAnswers += 1
      return actions.append(.drop(parcel))
    }
    workers[worker].lastStream = place
    guard peek.event == .final else {
      guard let request = streams[place].requests.inFlight[peek.seq], request.worker == worker
      else { return actions.append(.drop(parcel)) }
      return deliver(parcel, place, to: request.connection)
    }
    guard let (request, isLast) = streams[place].requests.answered(peek.seq, by: worker) else {
      counters.staleAnswers += 1
      return actions.append(.drop(parcel))
    }
    counters.answers += 1
    if request.isAbandoned, peek.code == .cancelled {
      // It was given up with its client's connection, not by the client: it may come back for it, or
      // have been silent only.
      let error = RPCError(.unavailable, "given up meanwhile; send the request again")
      answer(error, stream: clientName(place), seq: peek.seq, to: request.connection)
      actions.append(.drop(parcel))
    } else {
      deliver(parcel, place, to: request.connection)
    }
    guard isLast else { return }
    // A lease begins when the last work ends.
    sessions[request.session].lastUse = now
    settle(request, peek, place: place)
  }

  private static func key(_ bytes: UnsafeRawBufferPointer, ofKeeper: Bool) -> String {
    let name = String(decoding: bytes, as: UTF8.self)
    return ofKeeper ? StreamRecord.keeperMark + name : name
  }

  private mutating func deliver(_ parcel: Parcel, _ place: Int, to client: ConnectionID) {
    actions.append(
      streams[place].isUnnamed
        ? .deliverUnnamed(parcel, to: client) : .deliver(parcel, to: client))
  }

  private mutating func settle(_ request: InFlight, _ peek: ResponsePeek, place: Int) {
    let tenant = sessions[request.session].tenant
    giveBack(request.charge)
    counters.inFlight -= 1
    let worker = request.worker
    workers[worker].bytes = max(0, workers[worker].bytes - request.charge.bytes)
    workers[worker].answers &+= 1
    // A repeat was no new turn of its stream, whatever the owner says of it: a late copy of
    // something long acknowledged must not turn the stream back.
    suspects.answered(key(place, peek.seq))
    guard let room = request.room else { return }
    if streams[place].ordering == .ordered, !peek.code.consumesSeq {
      // The client sends it again, and what is behind it must wait for that.
      streams[place].requests.next = min(streams[place].requests.next, peek.seq)
    }
    workers[worker].giveBack(room, request.cost)
    correctCost(of: request, tenant, room, peek, place: place)
    if workers[worker].isReserved {
      reservedWorkerAnswered(worker, key(place, peek.seq))
    } else if isPooled(place, room) {
      drainPool()
    } else {
      drainQueue(room, of: worker)
    }
    if streams[place].isForKeeper, sessions[request.session].hasEnded,
      streams[place].requests.isIdle
    {
      removeStream(place)
    }
  }

  /// The tenant is charged what the request really cost; nothing if it did not run.
  private mutating func correctCost(
    of request: InFlight, _ tenant: Int, _ room: Method.Room, _ peek: ResponsePeek, place: Int
  ) {
    tenants[tenant].inFlight -= 1
    guard room != .control else { return }
    let told =
      min(peek.costPromptTokens, Limits.maxCost)
      + (room == .decode ? min(peek.costNewTokens, Limits.maxCost) : 0)
    let actual = peek.code.consumesSeq ? (told > 0 ? told : request.cost) : 0
    tenants[tenant].servedTokens &+= actual
    guard actual != request.cost else { return }
    let difference = (Double(actual) - Double(request.cost)) * tenants[tenant].costFactor
    if isPooled(place, room) {
      pool.correct(tenant, by: difference)
    } else {
      details[request.worker][room].correct(tenant, by: difference)
    }
  }

  // MARK: Control messages

  /// A control message arrived.
  package mutating func control(
    _ message: WorkerMessage, from connection: ConnectionID, now: UInt64
  ) {
    if case .hello(let hello) = message { return register(hello, connection, now) }
    guard let worker = workerPlaces[connection] else {
      return actions.append(.command(.registerAgain, to: connection))
    }
    workers[worker].lastHeard = now
    switch message {
    case .hello: break
    case .heartbeat(let progress, let outstanding, let room, let stats):
      workers[worker].progress = progress
      details[worker].report(stats, outstanding: outstanding)
      if workers[worker].room != room.bounded {
        workers[worker].room = room.bounded
        drainAll(of: worker)
      }
      command(.heartbeat, to: worker)
    case .opened(let stream): opened(stream, worker, now)
    case .closed(let stream, let code, let message): closed(stream, code, message, worker)
    case .sessionEnded(let session):
      if workers[worker].isKeeper { end(session: session, now) }
    case .goodbye:
      details[worker].hasSaidGoodbye = true
      detach(worker, now)
    }
  }

  private mutating func opened(_ owned: OwnedStream, _ worker: Int, _ now: UInt64) {
    guard let place = streamIndex[owned.stream], streams[place].owner == .opening(worker),
      owned.epoch >= streams[place].epoch
    else {
      // It may say again what is known; else nobody will ever send it a request of the stream.
      let known = streamIndex[owned.stream].map { streams[$0] }
      guard known?.worker != worker || known?.epoch != owned.epoch else { return }
      return command(.close(stream: owned.stream, epoch: owned.epoch), to: worker)
    }
    guard isPlausible(owned) else {
      actions.append(
        .note("worker \(details[worker].name) opened \(owned.stream) as it cannot be"))
      command(.close(stream: owned.stream, epoch: owned.epoch), to: worker)
      forgetClosed(place)
      return drainAll(of: worker)
    }
    streams[place].epoch = owned.epoch
    setOwner(of: place, .open(worker))
    settleOpening(place, nextSeq: owned.boundedNextSeq, now)
  }

  /// The owner is known, and with it what has run: below it are repeats, which it answers.
  mutating func settleOpening(_ place: Int, nextSeq: UInt64, _ now: UInt64) {
    streams[place].requests.next = nextSeq
    streams[place].isQueued = false
    guard let worker = streams[place].worker else { return }
    for seq in streams[place].requests.held.seqs {
      guard let held = streams[place].requests.held[seq],
        seq < nextSeq || held.claims(moreThan: nextSeq),
        let request = takeHeldForDispatch(seq, place: place)
      else { continue }
      dispatch(request, seq: seq, place: place, to: worker, isRepeat: true)
    }
    advance(place)
    askQuestions(place, worker, now)
  }

  private mutating func closed(
    _ owned: OwnedStream, _ code: StatusCode, _ message: String, _ worker: Int
  ) {
    guard let place = streamIndex[owned.stream] else { return }
    // It may also say so instead of opening it.
    let isOpening = streams[place].owner == .opening(worker) && owned.epoch >= streams[place].epoch
    guard streams[place].worker == worker || isOpening else { return }
    if code == .ok {
      forgetClosed(place)
    } else {
      // Nothing of it is lost: what is sent again may find it better.
      forgetClosed(
        place,
        RPCError(
          code.consumesSeq ? .unavailable : code, message, retryAfterMilliseconds: 500))
    }
    drainAll(of: worker)
  }

  /// Its owner does not have the stream any more.
  mutating func forgetClosed(
    _ place: Int,
    _ error: RPCError = RPCError(
      .unavailable, "the stream was closed", retryAfterMilliseconds: 50)
  ) {
    refuseAll(place, error)
    removeStream(place)
  }
}
