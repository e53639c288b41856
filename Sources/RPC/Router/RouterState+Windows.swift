internal import Wire

/// How much a session may have outstanding, and who yields when it is too much.
extension RouterState {
  func isOver(_ request: HeldRequest) -> Bool {
    let session = sessions[request.session]
    let limit = request.session == 0 ? RouterLimits.anonymousRequests : rules.windowRequests
    return session.requests >= limit
      || session.requests > 0 && session.bytes + request.bytes > rules.windowBytes
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
      guard let highest = streams[place].requests.highestHeld, highest > seq,
        let evicted = takeHeld(highest, place: place)
      else { throw Self.windowIsFull }
      answer(
        Self.windowIsFull, stream: clientName(place), seq: highest, traceID: evicted.traceID,
        to: evicted.connection)
      dropParcels(evicted)
    }
  }

  /// The stream's name as its client wrote it.
  func clientName(_ place: Int) -> String { streams[place].isUnnamed ? "" : streams[place].name }

  /// Takes a held request out of the buffer and off its session's account.
  mutating func takeHeld(_ seq: UInt64, place: Int) -> HeldRequest? {
    guard let request = streams[place].requests.takeHeld(seq) else { return nil }
    discharge(request.session, bytes: request.bytes)
    heldBytes -= request.bytes
    if request.deadline > 0 { timedRequests -= 1 }
    return request
  }

  mutating func dropParcels(_ request: HeldRequest) {
    if let parcel = request.parcel { actions.append(.drop(parcel)) }
    for copy in request.copies { actions.append(.drop(copy)) }
  }
}
