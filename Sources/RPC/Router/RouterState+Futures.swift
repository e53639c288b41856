internal import Wire

/// `Futures.Await` and `Futures.Cancel`: they name the key of another request.
extension RouterState {
  /// Neither has an answer of its own: the named request's answer says what became of it.
  mutating func future(
    _ method: Method, _ peek: RequestPeek, _ parcel: Parcel, bytes: Int, place: Int,
    _ client: ConnectionID, _ now: UInt64
  ) throws(RPCError) {
    if method == .futuresCancel {
      cancel(peek.seq, place: place)
      return actions.append(.drop(parcel))
    }
    try awaitAnswer(peek, parcel, bytes: bytes, place: place, client, now)
  }

  private mutating func cancel(_ seq: UInt64, place: Int) {
    if let running = streams[place].requests.inFlight[seq] {
      return command(.cancel(stream: streams[place].name, seq: seq), to: running.worker)
    }
    refuseHeld(seq, place: place, RPCError(.cancelled, "cancelled before it ran"))
  }

  /// A held request will not run. In an ordered stream its seq is used up at its turn.
  mutating func refuseHeld(_ seq: UInt64, place: Int, _ error: RPCError) {
    guard streams[place].ordering == .ordered else {
      return refuseHeldNow(seq, place: place, error)
    }
    guard let request = streams[place].requests.held[seq], request.refusal == nil else { return }
    dropParcels(request)
    heldBytes -= request.bytes
    discharge(request.session, bytes: request.bytes)
    charge(request.session, bytes: 0)
    if request.deadline > 0 { timedRequests -= 1 }
    streams[place].requests.updateHeld(seq) { held in
      held.refusal = error
      held.parcel = nil
      held.copies = []
      held.deadline = 0
      held.bytes = 0
      held.cost = 1
    }
  }

  private mutating func awaitAnswer(
    _ peek: RequestPeek, _ parcel: Parcel, bytes: Int, place: Int, _ client: ConnectionID,
    _ now: UInt64
  ) throws(RPCError) {
    let seq = peek.seq
    if streams[place].requests.inFlight.contains(seq)
      || streams[place].requests.held.contains(seq)
    {
      moveConnection(place, seq, to: client)
      return actions.append(.drop(parcel))
    }
    if streams[place].owner == .gone, !rules.recoversModels { throw Self.modelIsLost }
    guard let worker = streams[place].worker, workers[worker].isConnected else {
      throw RPCError(
        .unavailable, "seq \(seq) is not here; send the request again",
        retryAfterMilliseconds: 50)
    }
    let session = streams[place].session
    charge(session, bytes: bytes)
    counters.inFlight += 1
    streams[place].requests.dispatched(
      InFlight(
        connection: client, session: session, worker: worker, room: nil, cost: 0, bytes: bytes,
        copies: 1),
      seq: seq)
    actions.append(.forward(parcel, to: workers[worker].connection))
  }
}
