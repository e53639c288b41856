internal import Wire

/// How much a session may have outstanding, and who yields when it is too much.
extension RouterState {
  func isOver(_ request: HeldRequest) -> Bool {
    let requests = sessions[request.session].requests
    let limit = request.session == 0 ? RouterLimits.anonymousRequests : rules.windowRequests
    return requests >= limit
      || requests > 0 && sessions[request.session].bytes + request.bytes > rules.windowBytes
      || heldBytes + request.bytes > RouterLimits.heldBytes
  }

  func checkWindow(_ request: HeldRequest) throws(RPCError) {
    if isOver(request) { throw Self.windowIsFull }
  }

  static var windowIsFull: RPCError {
    RPCError(.resourceExhausted, "the session's window is full", retryAfterMilliseconds: 20)
  }

  /// Over the limit the highest seqs go first, so that the lost one that everything waits for is
  /// always let in: a full window cannot livelock.
  mutating func makeRoom(
    for request: HeldRequest, seq: UInt64, place: Int
  ) throws(RPCError) {
    while isOver(request) {
      guard let highest = streams[place].requests.held.last, highest > seq else {
        throw Self.windowIsFull
      }
      refuseHeldNow(highest, place: place, Self.windowIsFull)
    }
  }

  /// The stream's name as its client wrote it.
  func clientName(_ place: Int) -> String { streams[place].isUnnamed ? "" : streams[place].name }

  /// Takes a held request out of the buffer and off its session's account.
  mutating func takeHeld(_ seq: UInt64, place: Int) -> HeldRequest? {
    guard let request = takeHeldForDispatch(seq, place: place) else { return nil }
    discharge(request.session, bytes: request.bytes)
    return request
  }

  /// Takes a held request out of the buffer; it stays on its session's account.
  mutating func takeHeldForDispatch(_ seq: UInt64, place: Int) -> HeldRequest? {
    guard let request = streams[place].requests.takeHeld(seq) else { return nil }
    heldBytes -= request.bytes
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
  }

  /// A request at a worker will not be answered: it is off all accounts.
  mutating func giveUp(_ request: InFlight) {
    discharge(request.session, bytes: request.bytes)
    counters.inFlight -= 1
    guard let room = request.room else { return }
    tenants[sessions[request.session].tenant].inFlight -= 1
    if workers[request.worker].isConnected { workers[request.worker].giveBack(room, request.cost) }
  }
}
