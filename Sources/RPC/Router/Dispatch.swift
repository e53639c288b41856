internal import DequeModule
internal import Wire

/// The way of requests to workers: at once, or through the queues for room.
extension RouterState {
  // MARK: At once

  /// Charges a request that goes to its worker without having waited.
  mutating func chargeTenant(_ request: HeldRequest, place: Int, _ worker: Int) {
    let tenant = sessions[request.session].tenant
    let cost = Double(request.cost) * tenants[tenant].costFactor
    if isPooled(place, request.room) {
      pool.charge(tenant, cost)
    } else {
      details[worker][request.room].charge(tenant, cost)
    }
  }

  /// Sampling has one queue for all workers; all else waits at its worker.
  func isPooled(_ place: Int, _ room: Method.Room) -> Bool {
    room == .decode && streams[place].ordering == .independent
  }

  /// Sends the requests of an ordered stream that are next and fit.
  mutating func advance(_ place: Int) {
    guard let worker = streams[place].worker, !streams[place].isQueued,
      workers[worker].isConnected
    else { return }
    while let load = streams[place].requests.load(ofHeld: streams[place].requests.next) {
      let seq = streams[place].requests.next
      guard !isSuspect(place, seq) else {
        streams[place].isQueued = true
        waitingSuspects.append(key(place, seq))
        return serveSuspects()
      }
      guard hasRoom(worker, load) else {
        streams[place].isQueued = true
        return append(place, seq: seq, load.room, to: worker)
      }
      guard let request = takeHeldForDispatch(seq, place: place) else { return }
      streams[place].requests.next += 1
      chargeTenant(request, place: place, worker)
      dispatch(request, seq: seq, place: place, to: worker, isRepeat: false)
    }
  }

  // MARK: Queues of workers

  mutating func append(_ place: Int, seq: UInt64, _ room: Method.Room, to worker: Int) {
    guard
      let (charge, cost) = streams[place].requests.held.read(seq, { ($0.charge, $0.cost) })
    else { return }
    let tenant = sessions[charge.session].tenant
    details[worker][room].append(key(place, seq), tenant: tenant, session: charge.turn)
    workers[worker].waiting += 1
    workers[worker].waitingCost += cost
    tenants[tenant].waiting += 1
  }

  /// Room came back at a worker: the next ones in its queue.
  mutating func drainQueue(_ room: Method.Room, of worker: Int) {
    guard workers[worker].waiting > 0 else { return }
    while let (item, tenant) = details[worker][room].first {
      guard let load = loadIfCurrent(item, worker) else {
        details[worker][room].dropFirst()
        leftQueue(of: worker, tenant)
        if let place = place(of: item), streams[place].isQueued, isOwner(worker, of: place) {
          // An earlier seq of its stream must run first, or this one is gone.
          streams[place].isQueued = false
          advance(place)
        }
        continue
      }
      let place = Int(item.stream)
      guard streams[place].ordering == .independent || !isSuspect(place, item.seq) else {
        details[worker][room].dropFirst()
        leftQueue(of: worker, tenant)
        workers[worker].waitingCost -= min(load.cost, workers[worker].waitingCost)
        waitingSuspects.append(item)
        serveSuspects()
        continue
      }
      guard fits(worker, load), let request = takeHeldForDispatch(item.seq, place: place)
      else { return }
      details[worker][room].takeFirst(charging: Double(load.cost) * tenants[tenant].costFactor)
      leftQueue(of: worker, tenant)
      workers[worker].waitingCost -= min(load.cost, workers[worker].waitingCost)
      let isOrdered = streams[place].ordering == .ordered
      if isOrdered {
        streams[place].isQueued = false
        streams[place].requests.next = item.seq + 1
      }
      dispatch(request, seq: item.seq, place: place, to: worker, isRepeat: false)
      if isOrdered { advance(place) }
      details[worker][room].endTurn()
    }
    if workers[worker].waiting == 0 { workers[worker].waitingCost = 0 }
  }

  private mutating func leftQueue(of worker: Int, _ tenant: Int) {
    workers[worker].waiting -= 1
    tenants[tenant].waiting -= 1
  }

  private func isOwner(_ worker: Int, of place: Int) -> Bool {
    streams[place].ordering == .ordered && streams[place].worker == worker
  }

  /// The load of a queued request, nil if it is not what should go next any more: evicted,
  /// cancelled, moved, or an earlier seq of its stream must run again.
  private func loadIfCurrent(_ item: RequestKey, _ worker: Int) -> Load? {
    guard let place = place(of: item), let load = streams[place].requests.load(ofHeld: item.seq)
    else { return nil }
    guard streams[place].ordering == .ordered else { return load }
    guard streams[place].worker == worker, streams[place].isQueued,
      streams[place].requests.next == item.seq
    else { return nil }
    return load
  }

  // MARK: The queue for sampling

  /// Room came back somewhere: the next ones of the queue for any worker. While the first one fits
  /// nowhere nothing overtakes it.
  mutating func drainPool() {
    while let (item, tenant) = pool.first {
      guard let place = place(of: item), let load = streams[place].requests.load(ofHeld: item.seq)
      else {
        pool.dropFirst()
        tenants[tenant].waiting -= 1
        continue
      }
      guard let worker = workerForPool(place, load),
        let request = takeHeldForDispatch(item.seq, place: place)
      else { return }
      pool.takeFirst(charging: Double(load.cost) * tenants[tenant].costFactor)
      pool.endTurn()
      tenants[tenant].waiting -= 1
      dispatch(request, seq: item.seq, place: place, to: worker, isRepeat: false)
    }
  }

  /// Something changed at a worker: whatever can go there goes.
  mutating func drainAll(of worker: Int) {
    drainQueue(.training, of: worker)
    drainQueue(.control, of: worker)
    drainPool()
    serveSuspects()
  }

  // MARK: To the worker

  /// Hands a request that is on its session's account to a worker.
  mutating func dispatch(
    _ request: HeldRequest, seq: UInt64, place: Int, to worker: Int, isRepeat: Bool
  ) {
    counters.inFlight += 1
    workers[worker].bytes += request.charge.bytes
    if !isRepeat {
      workers[worker].take(request.room, request.cost)
      tenants[sessions[request.session].tenant].inFlight += 1
    }
    if streams[place].ordering == .independent, streams[place].home != worker {
      moveHome(of: place, to: worker)
    }
    streams[place].requests.dispatched(
      InFlight(
        connection: request.connection, charge: request.charge, worker: worker,
        room: isRepeat ? nil : request.room, cost: request.cost, arrived: request.arrived,
        copies: 1 + request.copies.count),
      seq: seq)
    let connection = workers[worker].connection
    if let refusal = request.refusal {
      return actions.append(.tombstone(tombstone(refusal, request, seq, place), to: connection))
    }
    guard let parcel = request.parcel else { return }
    actions.append(
      streams[place].isUnnamed
        ? .forwardRenamed(parcel, stream: streams[place].name, to: connection)
        : .forward(parcel, to: connection))
    for copy in request.copies { actions.append(.forward(copy, to: connection)) }
  }

  private func tombstone(
    _ refusal: RPCError, _ request: HeldRequest, _ seq: UInt64, _ place: Int
  ) -> RequestHeader {
    // Whatever was asked for uses up a seq of a stream in order.
    let method = request.method.flatMap { $0.ordering == .ordered ? $0 : nil }
    var header = RequestHeader(
      method: method ?? .trainingGetInfo, stream: streams[place].name, seq: seq,
      acked: request.acked, traceID: request.traceID, flags: .tombstone)
    header.refusalCode = refusal.code
    header.refusalMessage = refusal.message
    header.refusalField = refusal.field
    header.epoch = streams[place].epoch
    return header
  }

  /// The worker's list of independent streams gets one more entry.
  private mutating func moveHome(of place: Int, to worker: Int) {
    streams[place].home = worker
    details[worker].visitors.append(key(place, 0))
    guard details[worker].visitors.count > details[worker].visitorsLimit else { return }
    var seen: Set<RequestKey> = []
    let kept = details[worker].visitors.filter { key in
      guard let place = self.place(of: key), seen.insert(key).inserted else { return false }
      return streams[place].home == worker
        || streams[place].requests.inFlight.entries.contains { $0.value.worker == worker }
    }
    details[worker].visitors = kept
    details[worker].visitorsLimit = max(64, 2 * kept.count)
  }
}
