internal import Wire

/// How much a session may have outstanding, and who yields when it is too much.
extension RouterState {
  /// The refusal of what exceeds its session's window. Connections without a session share one.
  func windowRefusal(_ charge: Charge) -> RPCError? {
    guard charge.session > 0 else { return anonymousRefusal(charge) }
    let requests = sessions[charge.session].outstanding.requests
    guard requests < rules.windowRequests,
      requests == 0
        || charge.bytes <= rules.windowBytes - sessions[charge.session].outstanding.bytes
    else { return Self.windowIsFull }
    return nil
  }

  private func anonymousRefusal(_ charge: Charge) -> RPCError? {
    let own = connections[Int(charge.payer)].outstanding
    let all = sessions[0].outstanding
    guard
      Share.allows(
        1, holder: own.requests, tenant: 0, all: all.requests, of: RouterLimits.anonymousRequests),
      Share.allows(
        charge.bytes, holder: own.bytes, tenant: 0, all: all.bytes, of: RouterLimits.anonymousBytes)
    else {
      return RPCError(
        .resourceExhausted,
        "\(own.requests) requests of this connection, \(all.requests) of all without a session are "
          + "outstanding, of at most \(RouterLimits.anonymousRequests)", retryAfterMilliseconds: 20)
    }
    return nil
  }

  /// The refusal of what exceeds the shares of its session and tenant in what all have.
  /// - Parameter isHeld: its bytes are to wait in the router.
  func shareRefusal(_ charge: Charge, isHeld: Bool) -> RPCError? {
    let tenant = sessions[charge.session].tenant
    guard
      Share.allows(
        1, holder: sessions[charge.session].outstanding.requests,
        tenant: tenants[tenant].outstanding.requests, all: outstanding.requests,
        of: RouterLimits.requests)
    else {
      return Self.shareIsFull(
        "requests", tenants[tenant].outstanding.requests, outstanding.requests,
        RouterLimits.requests)
    }
    guard
      !isHeld
        || Share.allows(
          charge.bytes, holder: sessions[charge.session].heldBytes,
          tenant: tenants[tenant].heldBytes, all: heldBytes, of: RouterLimits.heldBytes)
    else {
      return Self.shareIsFull(
        "bytes that wait", tenants[tenant].heldBytes, heldBytes, RouterLimits.heldBytes)
    }
    return nil
  }

  private static func shareIsFull(
    _ what: String, _ own: Int, _ all: Int, _ limit: Int
  ) -> RPCError {
    RPCError(
      .resourceExhausted, "\(own) \(what) of this tenant, \(all) of all, of at most \(limit)",
      retryAfterMilliseconds: 50)
  }

  static var windowIsFull: RPCError {
    RPCError(.resourceExhausted, "the session's window is full", retryAfterMilliseconds: 20)
  }

  /// A repeat of something answered costs its worker nothing but its bytes.
  func checkRepeat(_ charge: Charge, at worker: Int) throws(RPCError) {
    if let refusal = windowRefusal(charge) ?? shareRefusal(charge, isHeld: false) { throw refusal }
    guard
      workers[worker].bytes == 0
        || charge.bytes <= 2 * RouterLimits.workerBytes - workers[worker].bytes
    else {
      throw RPCError(
        .resourceExhausted,
        "\(workers[worker].bytes) bytes are on their way to the worker, of at most "
          + "\(2 * RouterLimits.workerBytes)", retryAfterMilliseconds: 100)
    }
  }

  /// Puts a copy of a request on its accounts, if they have room for it. The copy may as well be
  /// dropped: the answer comes once for all.
  mutating func takeCopy(_ charge: Charge, isHeld: Bool) -> Bool {
    let session = charge.session
    let tenant = sessions[session].tenant
    guard charge.bytes <= rules.windowBytes - sessions[session].outstanding.bytes,
      !isHeld
        || Share.allows(
          charge.bytes, holder: sessions[session].heldBytes, tenant: tenants[tenant].heldBytes,
          all: heldBytes, of: RouterLimits.heldBytes)
    else { return false }
    take(charge, requests: 0)
    if isHeld { takeHeld(charge) }
    return true
  }

  /// Over the limit the highest seqs go first, so that the lost one that everything waits for is
  /// always let in: a full window cannot livelock. The next one of its stream may exceed the window
  /// (as one for each stream), but not what all share.
  mutating func makeRoom(
    for charge: Charge, seq: UInt64, place: Int, isNext: Bool
  ) throws(RPCError) {
    while let refusal = (isNext ? nil : windowRefusal(charge)) ?? shareRefusal(charge, isHeld: true)
    {
      guard let highest = streams[place].requests.held.last, highest > seq else { throw refusal }
      refuseHeldNow(highest, place: place, refusal)
    }
  }

  /// The stream's name as its client wrote it.
  func clientName(_ place: Int) -> String { streams[place].isUnnamed ? "" : streams[place].name }

  /// Takes a held request out of the buffer and off its session's account.
  mutating func takeHeld(_ seq: UInt64, place: Int) -> HeldRequest? {
    guard let request = takeHeldForDispatch(seq, place: place) else { return nil }
    giveBack(request.charge)
    return request
  }

  /// Takes a held request out of the buffer; it stays on its session's account.
  mutating func takeHeldForDispatch(_ seq: UInt64, place: Int) -> HeldRequest? {
    guard let request = streams[place].requests.takeHeld(seq) else { return nil }
    giveBackHeld(request.charge)
    counters.held -= 1
    if request.deadline > 0 { timedRequests -= 1 }
    return request
  }

  /// Takes a held request out and answers it here.
  mutating func refuseHeldNow(_ seq: UInt64, place: Int, _ error: RPCError) {
    guard let request = takeHeld(seq, place: place) else { return }
    answer(
      error, stream: clientName(place), seq: seq, traceID: request.traceID,
      to: request.connection)
    dropParcels(request)
  }

  mutating func dropParcels(_ request: HeldRequest) {
    if let parcel = request.parcel { actions.append(.drop(parcel)) }
    for copy in request.copies { actions.append(.drop(copy)) }
  }

  /// Nothing of the stream will be answered here. The room that comes back is for the caller to
  /// give away (`drainAll`).
  mutating func refuseAll(_ place: Int, _ error: RPCError) {
    for (seq, request) in streams[place].requests.takeAllInFlight() {
      giveUp(request)
      if details[request.worker].alone == key(place, seq) {
        details[request.worker].alone = nil
        workers[request.worker].isReserved = false
      }
      answer(error, stream: clientName(place), seq: seq, to: request.connection)
    }
    for seq in streams[place].requests.held.seqs {
      refuseHeldNow(seq, place: place, error)
    }
    refuseQuestions(place, error)
  }

  /// A request at a worker will not be answered: it is off all accounts.
  mutating func giveUp(_ request: InFlight) {
    let tenant = sessions[request.session].tenant
    giveBack(request.charge)
    counters.inFlight -= 1
    workers[request.worker].bytes = max(0, workers[request.worker].bytes - request.charge.bytes)
    guard let room = request.room else { return }
    tenants[tenant].inFlight -= 1
    if workers[request.worker].isConnected { workers[request.worker].giveBack(room, request.cost) }
  }
}
