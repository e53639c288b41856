internal import Wire
internal import ZeroMQ

/// What becomes of a request whose session and stream are known.
extension RouterState {
  mutating func admit(
    _ peek: RequestPeek, _ parcel: Parcel, _ charge: Charge, cost: UInt64,
    _ excess: ReceivedMessage.Excess?, place: Int, _ client: ConnectionID, _ now: UInt64
  ) throws(RPCError) {
    streams[place].lastUse = now
    let refusal = excess.map(Self.tooLarge) ?? permanentRefusal(peek, place, bytes: charge.bytes)
    if let method = peek.method, method.route == .future {
      if let refusal { throw refusal }
      return try future(method, peek, parcel, charge, place: place, client, now)
    }
    var request = HeldRequest(
      parcel, charge, connection: client, room: room(of: peek.method),
      cost: max(1, min(cost, Limits.maxCost)),
      acked: peek.acked, traceID: peek.traceID, arrived: now)
    if peek.timeoutMilliseconds > 0 { request.deadline = now + UInt64(peek.timeoutMilliseconds) }
    request.method = peek.method
    if streams[place].ordering == .independent {
      if let refusal { throw refusal }
      return try admitIndependent(peek, request, place: place, now)
    }
    if let refusal {
      // The seq is the owner's to use up, so the refusal takes the request's turn.
      request.refusal = refusal
      request.parcel = nil
      request.charge.bytes = 0
      request.room = .control
      request.cost = 1
    }
    try admitOrdered(peek, request, parcel, place: place, now)
    if refusal != nil { actions.append(.drop(parcel)) }
  }

  /// Requests of the catalog may take long, so the keeper is given few at once, out of the room
  /// that it does not use for training; the tenants that wait take turns.
  private func room(of method: Method?) -> Method.Room {
    guard let method else { return .control }
    return method.isOfCatalog ? .training : method.room
  }

  /// The one check that every request passes, whatever its method.
  private func permanentRefusal(
    _ peek: RequestPeek, _ place: Int, bytes: Int
  ) -> RPCError? {
    guard bytes <= Limits.maxMessageTotalBytes else {
      return RPCError(
        .invalidArgument,
        "more than \(Limits.maxMessageTotalBytes) bytes or \(Limits.maxAttachments) attachments")
    }
    guard let method = peek.method else {
      return RPCError(.unimplemented, "method \(peek.methodNumber)", field: "method")
    }
    guard method.route != .future else { return nil }
    guard method.route != .keeper || bytes <= RouterLimits.keeperRequestBytes else {
      return RPCError(
        .invalidArgument,
        "\(bytes) bytes, at most \(RouterLimits.keeperRequestBytes) for \(method.fullName)")
    }
    guard method.ordering == streams[place].ordering else { return Self.wrongStream(method) }
    guard !method.createsStream || peek.seq == 0 else {
      return RPCError(.invalidArgument, "\(method.fullName) is seq 0 of its stream", field: "seq")
    }
    return condemnation(of: key(place, peek.seq))
  }

  // MARK: Independent streams

  private mutating func admitIndependent(
    _ peek: RequestPeek, _ request: HeldRequest, place: Int, _ now: UInt64
  ) throws(RPCError) {
    let seq = peek.seq
    let running = streams[place].requests.inFlight[seq]
    if running != nil || streams[place].requests.held.contains(seq) {
      moveConnection(place, seq, to: request.connection)
      if let parcel = request.parcel { actions.append(.drop(parcel)) }
      if let running { verify(seq, place: place, at: running.worker) }
      return
    }
    if let refusal = windowRefusal(request.charge) ?? shareRefusal(request.charge, isHeld: false) {
      throw refusal
    }
    let choice = try choosePlace(for: request, seq: seq, place: place)
    switch choice {
    case .worker: break
    default: if let refusal = shareRefusal(request.charge, isHeld: true) { throw refusal }
    }
    switch choice {
    case .worker(let worker):
      take(request.charge)
      chargeTenant(request, place: place, worker)
      dispatch(request, seq: seq, place: place, to: worker, isRepeat: false)
    case .queue(let worker):
      hold(request, seq: seq, place: place)
      append(place, seq: seq, request.room, to: worker)
      watchDeadline(request, place, seq)
    case .pool:
      hold(request, seq: seq, place: place)
      pool.append(
        key(place, seq), tenant: sessions[request.session].tenant, session: request.charge.turn)
      tenants[sessions[request.session].tenant].waiting += 1
      watchDeadline(request, place, seq)
      // It may be its turn at once, and fit where the one before it did not.
      drainPool()
    case .alone:
      hold(request, seq: seq, place: place)
      waitingSuspects.append(key(place, seq))
      watchDeadline(request, place, seq)
      serveSuspects()
    }
  }

  // MARK: Ordered streams

  private mutating func admitOrdered(
    _ peek: RequestPeek, _ request: HeldRequest, _ parcel: Parcel, place: Int, _ now: UInt64
  ) throws(RPCError) {
    let seq = peek.seq
    if seq == 0 { streams[place].isCreated = true }
    if let running = streams[place].requests.inFlight[seq], streams[place].worker != nil {
      return repeatRunning(running, request, parcel, seq: seq, place: place)
    }
    if let held = streams[place].requests.held[seq] {
      moveConnection(place, seq, to: request.connection)
      guard request.parcel != nil else { return }
      guard held.copies.count + 1 < RouterLimits.copies, held.refusal == nil,
        takeCopy(request.charge, isHeld: true)
      else { return actions.append(.drop(parcel)) }
      return streams[place].requests.updateHeld(seq) {
        $0.copies.append(parcel)
        $0.charge.bytes += request.charge.bytes
      }
    }
    try findOwner(place, peek, now)
    let next = streams[place].requests.next
    if let worker = streams[place].worker {
      if seq < next || request.claims(moreThan: next) {
        // Answered before: the owner has the answer, or knows why not.
        try checkRepeat(request.charge, at: worker)
        take(request.charge)
        return dispatch(request, seq: seq, place: place, to: worker, isRepeat: true)
      }
      if seq == next, !streams[place].isQueued, !isSuspect(place, seq),
        hasRoom(worker, request.load)
      {
        if let refusal = shareRefusal(request.charge, isHeld: false) { throw refusal }
        take(request.charge)
        chargeTenant(request, place: place, worker)
        streams[place].requests.next += 1
        dispatch(request, seq: seq, place: place, to: worker, isRepeat: false)
        return advance(place)
      }
    }
    let isNext = seq == next && streams[place].owner != .none
    try makeRoom(for: request.charge, seq: seq, place: place, isNext: isNext)
    hold(request, seq: seq, place: place)
    watchDeadline(request, place, seq)
    watchGap(place, now)
    advance(place)
    guard let worker = streams[place].worker, streams[place].isQueued else { return }
    // As above.
    drainQueue(.training, of: worker)
    drainQueue(.control, of: worker)
  }

  private mutating func repeatRunning(
    _ running: InFlight, _ request: HeldRequest, _ parcel: Parcel, seq: UInt64, place: Int
  ) {
    moveConnection(place, seq, to: request.connection)
    guard request.parcel != nil else { return }
    guard running.copies < RouterLimits.copies, takeCopy(request.charge, isHeld: false) else {
      actions.append(.drop(parcel))
      return verify(seq, place: place, at: running.worker)
    }
    workers[running.worker].bytes += request.charge.bytes
    streams[place].requests.updateInFlight(seq) {
      $0.copies += 1
      $0.charge.bytes += request.charge.bytes
    }
    actions.append(.forward(parcel, to: workers[running.worker].connection))
  }

  mutating func moveConnection(_ place: Int, _ seq: UInt64, to client: ConnectionID) {
    streams[place].requests.updateInFlight(seq) { $0.connection = client }
    streams[place].requests.updateHeld(seq) { $0.connection = client }
  }

  mutating func hold(_ request: HeldRequest, seq: UInt64, place: Int) {
    take(request.charge)
    takeHeld(request.charge)
    counters.held += 1
    if request.deadline > 0 { timedRequests += 1 }
    streams[place].requests.hold(request, seq: seq)
  }
}
