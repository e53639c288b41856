internal import Wire

/// What time alone brings about.
extension RouterState {
  /// To be called every few tens of milliseconds.
  package mutating func tick(now: UInt64) {
    for (worker, record) in workers
    where now >= record.lastHeard + rules.workerTimeoutMilliseconds && !record.isKeeper {
      lost(worker: worker, now: now)
    }
    if timedRequests > 0 { expire(now) }
    if heldBytes > 0, now >= nextGapScan {
      nextGapScan = now + min(1000, rules.gapMilliseconds)
      refuseGaps(now)
    }
  }

  private mutating func expire(_ now: UInt64) {
    let error = RPCError(.deadlineExceeded, "the time-out passed before the request ran")
    for place in streams.indices {
      let due = streams[place].requests.held.filter {
        $0.value.deadline > 0 && $0.value.deadline <= now
      }
      for seq in due.keys { refuseHeld(seq, place: place, error) }
    }
  }

  /// Requests wait only so long for the seq before them: its client may have died.
  private mutating func refuseGaps(_ now: UInt64) {
    for place in streams.indices where !streams[place].requests.held.isEmpty {
      guard streams[place].ordering == .ordered, !streams[place].isQueued else { continue }
      let next = streams[place].requests.next
      guard streams[place].requests.held[next] == nil || streams[place].worker == nil else {
        continue
      }
      let due = streams[place].requests.held.filter {
        now >= $0.value.arrived + rules.gapMilliseconds
      }
      for seq in due.keys.sorted() {
        guard let request = takeHeld(seq, place: place) else { continue }
        answer(
          gapError(place), stream: clientName(place), seq: seq, traceID: request.traceID,
          to: request.connection)
        dropParcels(request)
      }
      if streams[place].owner == .none, streams[place].requests.isIdle { removeStream(place) }
    }
  }

  private func gapError(_ place: Int) -> RPCError {
    guard streams[place].owner == .none || streams[place].requests.next == 0 else {
      return RPCError(
        .unavailable, "seq \(streams[place].requests.next) has not arrived",
        retryAfterMilliseconds: 1000)
    }
    // Its client has no answer of this stream and does not create it.
    return RPCError(.notFound, "the stream was never created (its seq 0)", field: "stream")
  }

  /// To be called every few seconds: forgets what nobody has used for long.
  package mutating func sweep(now: UInt64) {
    for place in streams.indices
    where streams[place].ordering == .independent && streams[place].requests.isIdle
      && now >= streams[place].lastUse + RouterLimits.idleMilliseconds
      && streamIndex[streams[place].key] == place
    {
      removeStream(place)
    }
    forgetIdleConnections(now)
  }

  mutating func forgetIdleConnections(_ now: UInt64) {
    let limit =
      connections.count >= RouterLimits.connections
      ? RouterLimits.idleMilliseconds / 60 : RouterLimits.idleMilliseconds
    connections = connections.filter { now < $0.value.lastUse + limit }
  }

  /// A client's connection is gone; its session and its requests are not.
  package mutating func lost(client: ConnectionID) { connections[client] = nil }
}
