internal import Wire

/// Which worker a stream is given to, and the dispatch of its requests.
extension RouterState {
  /// Sees to it that the stream has an owner or is on the way to one.
  /// - Throws: UNAVAILABLE while nobody can say.
  mutating func findOwner(_ place: Int, _ peek: RequestPeek, _ now: UInt64) throws(RPCError) {
    switch streams[place].owner {
    case .open, .opening: return
    case .lost(let since):
      // The owner may come back with its records; another one starts from the journal only.
      guard now >= since + rules.recoveryMilliseconds else { throw ownerIsAway(place) }
    case .none:
      if streams[place].ordering == .ordered {
        guard !isRecovering(now) else { throw ownerIsAway(place) }
        // Without answers nothing has run, so the request that creates the stream must be coming.
        if peek.seq > 0, peek.acked == 0 { return }
      }
    }
    guard let method = peek.method, let worker = choose(method, for: streams[place].name)
    else {
      throw ownerIsAway(place)
    }
    if streams[place].ordering == .independent {
      own(place, by: worker)
      return
    }
    streams[place].epoch += 1
    streams[place].owner = .opening(worker)
    actions.append(
      .command(.open(stream: streams[place].name, epoch: streams[place].epoch), to: worker))
  }

  private mutating func ownerIsAway(_ place: Int) -> RPCError {
    if streams[place].requests.isIdle, streams[place].owner == .none { removeStream(place) }
    return RPCError(
      .unavailable, "the stream's owner is not there yet", retryAfterMilliseconds: 100)
  }

  /// Models go to the worker with the fewest streams. Other streams go where their name says, so
  /// that a sampling session finds its worker again after the router has forgotten it. The keeper
  /// has what only it answers.
  private func choose(_ method: Method, for stream: String) -> ConnectionID? {
    let wantsKeeper = method.route == .keeper
    let candidates = workers.filter { $0.value.isKeeper == wantsKeeper }.map { id, record in
      (id: id, streams: record.streams, name: queues[id]?.name ?? "")
    }
    if method.ordering == .ordered {
      return candidates.min { ($0.streams, $0.name) < ($1.streams, $1.name) }?.id
    }
    return candidates.max { Self.rank(stream, $0.name) < Self.rank(stream, $1.name) }?.id
  }

  /// Rendezvous hashing (FNV-1a over both names): each stream ranks the workers in an order of its
  /// own, and a worker that comes or goes moves only the streams that rank it first.
  private static func rank(_ stream: String, _ worker: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in stream.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    for byte in worker.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    // The last bytes reach the high bits too late without this.
    hash ^= hash >> 32
    return hash &* 0xd6e8_feb8_6659_fd93
  }

  mutating func own(_ place: Int, by worker: ConnectionID) {
    streams[place].owner = .open(worker)
    workers[worker]?.streams += 1
  }

  // MARK: Dispatch

  /// Sends the requests of an ordered stream that are next and fit.
  mutating func advance(_ place: Int) {
    guard streams[place].ordering == .ordered, let worker = streams[place].worker,
      !streams[place].isQueued
    else { return }
    while let head = streams[place].requests.held[streams[place].requests.next] {
      let seq = streams[place].requests.next
      guard hasRoom(worker, head.room, head.cost) else {
        streams[place].isQueued = true
        return append(place, seq: seq, head.room, to: worker)
      }
      streams[place].requests.next += 1
      dispatchHeld(seq, place: place, to: worker)
    }
  }

  /// Sends a request of an independent stream, or queues it for room.
  mutating func enqueue(_ place: Int, seq: UInt64, _ room: Method.Room) {
    guard let worker = streams[place].worker else { return }
    let cost = streams[place].requests.held[seq]?.cost ?? 0
    if hasRoom(worker, room, cost) {
      dispatchHeld(seq, place: place, to: worker)
    } else {
      append(place, seq: seq, room, to: worker)
    }
  }

  private mutating func append(
    _ place: Int, seq: UInt64, _ room: Method.Room, to worker: ConnectionID
  ) {
    let item = FairQueue.Item(stream: place, generation: streams[place].generation, seq: seq)
    queues[worker]?[room].append(item)
    workers[worker]?.waiting += 1
  }

  /// Whether a request may go now: it fits, and nothing of its class waits before it.
  private func hasRoom(_ worker: ConnectionID, _ room: Method.Room, _ cost: UInt64) -> Bool {
    guard let record = workers[worker], record.fits(room, cost) else { return false }
    return record.waiting == 0 || queues[worker]?[room].isEmpty ?? true
  }

  private mutating func removeFirst(_ room: Method.Room, of worker: ConnectionID) {
    queues[worker]?[room].removeFirst()
    workers[worker]?.waiting -= 1
  }

  /// Room came back: the next ones in the queue.
  mutating func drainQueue(_ room: Method.Room, of worker: ConnectionID) {
    guard workers[worker]?.waiting ?? 0 > 0 else { return }
    while let item = queues[worker]?[room].first {
      guard let cost = costIfCurrent(item, worker) else {
        removeFirst(room, of: worker)
        continue
      }
      guard workers[worker]?.fits(room, cost) ?? false else { return }
      removeFirst(room, of: worker)
      let isOrdered = streams[item.stream].ordering == .ordered
      if isOrdered {
        streams[item.stream].isQueued = false
        streams[item.stream].requests.next = item.seq + 1
      }
      dispatchHeld(item.seq, place: item.stream, to: worker)
      if isOrdered { advance(item.stream) }
    }
  }

  /// The cost of a queued request, nil if it is not what should go next any more: evicted,
  /// cancelled, moved, or an earlier seq of its stream must run again.
  private mutating func costIfCurrent(
    _ item: FairQueue.Item, _ worker: ConnectionID
  ) -> UInt64? {
    guard streams[item.stream].generation == item.generation else { return nil }
    let isOrdered = streams[item.stream].ordering == .ordered
    if let held = streams[item.stream].requests.held[item.seq],
      streams[item.stream].worker == worker,
      !isOrdered || streams[item.stream].requests.next == item.seq
    {
      return held.cost
    }
    if isOrdered, streams[item.stream].isQueued {
      streams[item.stream].isQueued = false
      advance(item.stream)
    }
    return nil
  }

  private mutating func dispatchHeld(_ seq: UInt64, place: Int, to worker: ConnectionID) {
    guard let request = streams[place].requests.takeHeld(seq) else { return }
    heldBytes -= request.bytes
    if request.deadline > 0 { timedRequests -= 1 }
    dispatch(request, seq: seq, place: place, to: worker, isRepeat: false)
  }

  /// Hands a request that is on its session's account to a worker.
  mutating func dispatch(
    _ request: HeldRequest, seq: UInt64, place: Int, to worker: ConnectionID, isRepeat: Bool
  ) {
    if !isRepeat { workers[worker]?.take(request.room, request.cost) }
    streams[place].requests.dispatched(
      InFlight(
        connection: request.connection, session: request.session,
        room: isRepeat ? nil : request.room, cost: request.cost, bytes: request.bytes,
        copies: 1 + request.copies.count),
      seq: seq)
    if let refusal = request.refusal {
      var header = RequestHeader(
        method: .trainingGetInfo, stream: streams[place].name, seq: seq, acked: request.acked,
        traceID: request.traceID, flags: .tombstone)
      header.refusalCode = refusal.code
      header.refusalMessage = refusal.message
      header.epoch = streams[place].epoch
      return actions.append(.tombstone(header, to: worker))
    }
    guard let parcel = request.parcel else { return }
    actions.append(
      streams[place].isUnnamed
        ? .forwardRenamed(parcel, stream: streams[place].name, to: worker)
        : .forward(parcel, to: worker))
    for copy in request.copies { actions.append(.forward(copy, to: worker)) }
  }
}
