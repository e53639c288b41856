package import Wire

/// Answers and control messages from workers, and what follows when one is gone.
extension RouterState {
  // MARK: Answers

  /// A response arrived; `peek` is read during the call only.
  package mutating func response(
    _ peek: ResponsePeek, _ parcel: Parcel, from worker: ConnectionID, now: UInt64
  ) {
    guard let last = workers[worker]?.lastStream else {
      actions.append(.command(.registerAgain, to: worker))
      return actions.append(.drop(parcel))
    }
    workers[worker]?.lastHeard = now
    guard
      let place = streams[last].name.hasBytes(peek.stream)
        ? last : findStream(peek.stream, ofKeeper: workers[worker]?.isKeeper ?? false),
      streams[place].worker == worker, peek.epoch >= streams[place].epoch
    else {
      // A stream that is gone, or a late word of an owner that was replaced.
      counters.staleAnswers += 1
      return actions.append(.drop(parcel))
    }
    workers[worker]?.lastStream = place
    guard peek.event == .final else {
      guard let request = streams[place].requests.inFlight[peek.seq] else {
        return actions.append(.drop(parcel))
      }
      return deliver(parcel, place, to: request.connection)
    }
    guard let (request, isLast) = streams[place].requests.answered(peek.seq) else {
      counters.staleAnswers += 1
      return actions.append(.drop(parcel))
    }
    counters.answers += 1
    deliver(parcel, place, to: request.connection)
    if isLast { settle(request, peek, place: place, worker) }
  }

  private func findStream(_ bytes: UnsafeRawBufferPointer, ofKeeper: Bool) -> Int? {
    let name = String(decoding: bytes, as: UTF8.self)
    return streamIndex[ofKeeper ? StreamRecord.keeperMark + name : name]
  }

  private mutating func deliver(_ parcel: Parcel, _ place: Int, to client: ConnectionID) {
    actions.append(
      streams[place].isUnnamed
        ? .deliverUnnamed(parcel, to: client) : .deliver(parcel, to: client))
  }

  private mutating func settle(
    _ request: InFlight, _ peek: ResponsePeek, place: Int, _ worker: ConnectionID
  ) {
    discharge(request.session, bytes: request.bytes)
    // A repeat was no new turn of its stream, whatever the owner says of it: a late copy of
    // something long acknowledged must not turn the stream back.
    guard let room = request.room else { return }
    if streams[place].ordering == .ordered, !peek.code.consumesSeq {
      // The client sends it again, and what is behind it must wait for that.
      streams[place].requests.next = min(streams[place].requests.next, peek.seq)
    }
    workers[worker]?.giveBack(room, request.cost)
    drainQueue(room, of: worker)
  }

  // MARK: Control messages

  /// A control message arrived.
  package mutating func control(
    _ message: WorkerMessage, from worker: ConnectionID, now: UInt64
  ) {
    if case .hello(let hello) = message { return register(hello, worker, now) }
    guard workers[worker] != nil else {
      return actions.append(.command(.registerAgain, to: worker))
    }
    workers[worker]?.lastHeard = now
    switch message {
    case .hello: break
    case .heartbeat(let progress, let outstanding, let room, let stats):
      workers[worker]?.progress = progress
      workers[worker]?.room = room
      queues[worker]?.report(stats, outstanding: outstanding)
      actions.append(.command(.heartbeat, to: worker))
    case .opened(let stream): opened(stream, worker)
    case .closed(let stream): closed(stream, worker)
    case .sessionEnded(let session):
      if workers[worker]?.isKeeper == true { end(session: session) }
    case .goodbye: lost(worker: worker, now: now)
    }
  }

  private mutating func register(_ hello: WorkerHello, _ worker: ConnectionID, _ now: UInt64) {
    guard hello.protocolVersion == RequestHeader.currentVersion else { return }
    // The same worker on a new connection: what it was sent on the old one may be lost.
    for (old, record) in queues where record.name == hello.name && old != worker {
      lost(worker: old, now: now)
    }
    if workers[worker] == nil {
      workers[worker] = WorkerRecord(hello, now: now)
      queues[worker] = WorkerQueues(name: hello.name)
    } else {
      workers[worker]?.room = hello.room
    }
    if !hello.isKeeper { knownWorkers.insert(hello.name) }
    actions.append(.command(.welcome, to: worker))
    for owned in hello.streams { claim(owned, worker, now) }
  }

  /// A worker says that it owns a stream.
  private mutating func claim(_ owned: OwnedStream, _ worker: ConnectionID, _ now: UInt64) {
    let session = sessionPlace(String(owned.stream.prefix { $0 != ":" }))
    let place =
      streamIndex[owned.stream]
      ?? addStream(owned.stream, ordering: .ordered, session: session, now: now)
    if streams[place].worker == worker { return }
    guard owned.epoch >= streams[place].epoch else {
      return actions.append(
        .command(.close(stream: owned.stream, epoch: owned.epoch), to: worker))
    }
    if let other = streams[place].worker { lostStream(place, of: other, now) }
    streams[place].epoch = owned.epoch
    own(place, by: worker)
    settleOpening(place, nextSeq: owned.nextSeq)
  }

  private mutating func opened(_ owned: OwnedStream, _ worker: ConnectionID) {
    guard let place = streamIndex[owned.stream], streams[place].owner == .opening(worker),
      owned.epoch >= streams[place].epoch
    else { return }
    streams[place].epoch = owned.epoch
    own(place, by: worker)
    settleOpening(place, nextSeq: owned.nextSeq)
  }

  /// The owner is known, and with it what has run: below it are repeats, which it answers.
  private mutating func settleOpening(_ place: Int, nextSeq: UInt64) {
    streams[place].requests.next = nextSeq
    streams[place].isQueued = false
    guard let worker = streams[place].worker else { return }
    for seq in streams[place].requests.held.keys.sorted() {
      guard let held = streams[place].requests.held[seq],
        seq < nextSeq || held.claims(moreThan: nextSeq)
      else { continue }
      guard let request = streams[place].requests.takeHeld(seq) else { continue }
      heldBytes -= request.bytes
      if request.deadline > 0 { timedRequests -= 1 }
      dispatch(request, seq: seq, place: place, to: worker, isRepeat: true)
    }
    advance(place)
  }

  private mutating func closed(_ owned: OwnedStream, _ worker: ConnectionID) {
    guard let place = streamIndex[owned.stream], streams[place].worker == worker else { return }
    refuseAll(place, RPCError(.unavailable, "the stream was closed", retryAfterMilliseconds: 50))
    removeStream(place)
  }

  /// A session's lease ran out; it never ends with work under way.
  /// - Returns: whether it ended.
  package mutating func expire(session id: String) -> Bool {
    if let place = sessionIndex[id], sessions[place].requests > 0 { return false }
    end(session: id)
    return true
  }

  private mutating func end(session id: String) {
    let session = sessionPlace(id)
    sessions[session].hasEnded = true
    for place in streams.indices where streams[place].session == session && place > 0 {
      // The keeper's own answer to Finish is still to come.
      if streams[place].isForKeeper { continue }
      guard streamIndex[streams[place].key] == place else { continue }
      refuseAll(place, RPCError(.unauthenticated, "the session has ended"))
      removeStream(place)
    }
    for (worker, record) in workers where !record.isKeeper {
      actions.append(.command(.sessionEnded(id), to: worker))
    }
  }

  // MARK: Losing a worker

  /// A worker's connection is gone or said goodbye.
  package mutating func lost(worker: ConnectionID, now: UInt64) {
    guard workers.removeValue(forKey: worker) != nil else { return }
    queues[worker] = nil
    for place in streams.indices {
      switch streams[place].owner {
      case .open(worker), .opening(worker): lostStream(place, of: worker, now)
      default: break
      }
    }
  }

  private mutating func lostStream(_ place: Int, of worker: ConnectionID, _ now: UInt64) {
    workers[worker]?.streams -= 1
    if streams[place].ordering == .ordered {
      refuseAll(
        place, RPCError(.unavailable, "the stream's owner is gone", retryAfterMilliseconds: 100))
      streams[place].owner = .lost(since: now)
      streams[place].isQueued = false
    } else {
      // Any worker serves it: the client sends again.
      refuseAll(
        place, RPCError(.unavailable, "the worker is gone", retryAfterMilliseconds: 50))
      removeStream(place)
    }
  }

  private mutating func refuseInFlight(_ place: Int, _ error: RPCError) {
    for (seq, request) in streams[place].requests.takeAllInFlight() {
      discharge(request.session, bytes: request.bytes)
      if let room = request.room, let worker = streams[place].worker {
        workers[worker]?.giveBack(room, request.cost)
      }
      answer(error, stream: clientName(place), seq: seq, to: request.connection)
    }
  }

  /// Nothing of the stream will be answered here.
  mutating func refuseAll(_ place: Int, _ error: RPCError) {
    refuseInFlight(place, error)
    for seq in streams[place].requests.held.keys.sorted() {
      guard let request = takeHeld(seq, place: place) else { continue }
      answer(
        error, stream: clientName(place), seq: seq, traceID: request.traceID,
        to: request.connection)
      dropParcels(request)
    }
  }
}
