internal import DequeModule
internal import Logging
internal import Wire
internal import ZeroMQ

/// What time alone brings about: heartbeats, time-outs, resending, a new connection.
extension ChannelLoop {
  func tick() throws {
    let now = Monotonic.milliseconds()
    guard now >= nextTick else { return }
    nextTick = now + (timed.isEmpty ? 500 : 20)
    if !timed.isEmpty { expire(now) }
    if !resting.isEmpty { wakeResting(now) }
    let silence = now - lastReceived
    if silence >= configuration.silenceMilliseconds, outstanding.requests > 0 || isWaiting(now) {
      try reconnect(now)
    } else if now - lastHeartbeat
      >= (silence >= configuration.heartbeatMilliseconds
        ? configuration.heartbeatMilliseconds : configuration.leaseHeartbeatMilliseconds)
    {
      try beat(now)
    }
    nextTick = min(nextTick, now + configuration.heartbeatMilliseconds)
  }

  /// A heartbeat was sent after the last word from the router.
  func isWaiting(_ now: UInt64) -> Bool { lastHeartbeat > lastReceived }

  func beat(_ now: UInt64) throws {
    lastHeartbeat = now
    heartbeats += 1
    let header = RequestHeader(
      method: token.isEmpty ? .adminPing : .sessionsHeartbeat, seq: heartbeats,
      clientName: configuration.clientName, clientIncarnation: incarnation, sessionToken: token)
    _ = try Frames.send(header, .empty, to: socket)
  }

  func expire(_ now: UInt64) {
    timed.removeAll { call in
      if case .answered = call.phase { return true }
      guard let deadline = call.deadline, now >= deadline else { return false }
      // The wait ends here; the call itself stays until its seq is answered.
      let reason = call.refusal.map { "; the service said last: \($0)" } ?? ""
      call.resolve(
        .failure(RPCError(.deadlineExceeded, "no answer within the time-out\(reason)")))
      return true
    }
  }

  func wakeResting(_ now: UInt64) {
    var due: [ClientCall] = []
    resting.removeAll { call in
      guard case .resting(let until) = call.phase else { return true }
      if until > now {
        nextTick = min(nextTick, until)
        return false
      }
      due.append(call)
      return true
    }
    requeue(due)
  }

  /// Puts calls back where they belong by the order of submission: older ones go first.
  func requeue(_ calls: [ClientCall]) {
    guard !calls.isEmpty else { return }
    for call in calls { call.phase = .queued }
    returning.append(contentsOf: calls.filter(\.hasPlace))
    returning.sort { $0.order < $1.order }
    queue.append(contentsOf: calls.filter { !$0.hasPlace })
    queue.sort { $0.order < $1.order }
  }

  /// The connection is lost: a new one takes over everything that has no answer.
  func reconnect(_ now: UInt64) throws {
    logger.notice("the connection to the router is lost; connecting again")
    socket = try Self.connect(configuration, context)
    breaks = try socket.disconnections()
    try poller.replace(at: 0, with: socket)
    try poller.replace(at: 2, with: breaks)
    lastReceived = now
    var unanswered = resting + Array(returning)
    resting = []
    returning = []
    for stream in streams.values {
      for case let call? in stream.open {
        if case .sent = call.phase { unanswered.append(call) }
      }
    }
    // From the oldest on, also those that would have rested: what is behind them waits for them.
    for call in unanswered { leaveWindow(call) }
    requeue(unanswered)
    try release()
  }
}
