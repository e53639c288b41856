internal import DequeModule
internal import Logging
internal import Wire

/// What time alone brings about: heartbeats, questions, time-outs, resending, a new connection.
extension ChannelState {
  func tick() {
    guard now >= nextTick else { return }
    nextTick = now + (timed.isEmpty ? 500 : 20)
    silence += min(now - lastTick, ChannelLimits.longestTurn)
    lastTick = now
    if !timed.isEmpty { expire() }
    if !resting.isEmpty { wakeResting() }
    if now >= nextLook { lookForWaiting() }
    let quiet = now - lastReceived
    if quiet >= configuration.silenceMilliseconds, outstanding.requests > 0 || isWaiting {
      reconnect()
    } else if now - lastHeartbeat
      >= (quiet >= configuration.heartbeatMilliseconds
        ? configuration.heartbeatMilliseconds : configuration.leaseHeartbeatMilliseconds)
    {
      beat()
    }
    nextTick = min(nextTick, now + configuration.heartbeatMilliseconds)
  }

  /// The router said something.
  func heard() {
    lastReceived = now
    silence = 0
  }

  /// A heartbeat was sent after the last word from the router.
  private var isWaiting: Bool { lastHeartbeat > lastReceived }

  private func beat() {
    lastHeartbeat = now
    heartbeats += 1
    let header = RequestHeader(
      method: token.isEmpty ? .adminPing : .sessionsHeartbeat, seq: heartbeats,
      clientName: configuration.clientName, clientIncarnation: incarnation, sessionToken: token)
    // One that is lost is followed by another one.
    _ = pipe.send(header, .empty)
  }

  // MARK: Asking

  /// Calls of which nothing was heard for long are asked for: a message may be lost that only one
  /// side knows of, and nothing else would ever bring it back.
  private func lookForWaiting() {
    nextLook = now + min(1000, configuration.askMilliseconds)
    var due: [ClientCall] = []
    for stream in streams.values {
      for case let call? in stream.open {
        guard case .sent = call.phase else { continue }
        if now >= call.lastWord + max(call.askWait, configuration.askMilliseconds) {
          due.append(call)
        }
        // What is behind it in order waits for it.
        if call.method.ordering == .ordered { break }
      }
    }
    due.sort { $0.order < $1.order }
    for call in due { ask(for: call) }
    if let oldest = due.first, !oldest.isNoted { note(oldest) }
    if silence >= configuration.patienceMilliseconds { giveUp() }
  }

  private func ask(for call: ClientCall) {
    // Nothing can be asked about what belongs to no session: the call is repeated.
    let isNamed = call.stream.name.contains(":")
    let isTaken = pipe.send(
      header(isNamed ? .futuresAwait : call.method, call),
      isNamed ? .empty : call.payload ?? .empty)
    guard isTaken else { return }
    call.lastWord = now
    call.askWait = min(
      ChannelLimits.longestAsk, 2 * max(call.askWait, configuration.askMilliseconds))
  }

  private func note(_ call: ClientCall) {
    call.isNoted = true
    let said =
      call.refusal.map { "the service said last: \($0)" } ?? "the service has not refused it"
    logger.warning(
      """
      no answer for \((now - call.submitted) / 1000) s: \(call.method.fullName), seq \(call.seq) of \
      "\(call.stream.name)"; \(said); asking for it
      """)
  }

  /// Nothing at all was heard for as long as the service is waited for.
  private func giveUp() {
    let error = RPCError(
      .unavailable,
      "nothing was heard of \(configuration.endpoint) for \(silence / 1000) s")
    for stream in streams.values {
      for case let call? in stream.open
      where now - call.submitted >= configuration.patienceMilliseconds {
        guard call.method.ordering == .independent else {
          fail(stream, error)
          break
        }
        drop(call)
        close(call, .failure(error))
      }
    }
  }

  /// Takes a call out of the lists of what is to be sent.
  private func drop(_ call: ClientCall) {
    queue.removeAll { $0 === call }
    returning.removeAll { $0 === call }
    resting.removeAll { $0 === call }
  }

  // MARK: Times of calls

  private func expire() {
    timed.removeAll { call in
      if case .answered = call.phase { return true }
      guard let deadline = call.deadline, now >= deadline else { return false }
      // The wait ends here; the call itself stays until its seq is answered.
      call.resolve(.failure(Self.late(call.refusal)))
      return true
    }
  }

  /// - Parameter refusal: what the service said last.
  static func late(_ refusal: RPCError?) -> RPCError {
    let reason = refusal.map { "; the service said last: \($0)" } ?? ""
    return RPCError(.deadlineExceeded, "no answer within the time-out\(reason)")
  }

  private func wakeResting() {
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
  private func requeue(_ calls: [ClientCall]) {
    guard !calls.isEmpty else { return }
    for call in calls { call.phase = .queued }
    returning.append(contentsOf: calls.filter(\.hasPlace))
    returning.sort { $0.order < $1.order }
    queue.append(contentsOf: calls.filter { !$0.hasPlace })
    queue.sort { $0.order < $1.order }
  }

  /// The connection is lost: a new one takes over everything that has no answer.
  func reconnect() {
    logger.notice("the connection to the router is lost; connecting again")
    pipe.reconnect()
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
    release()
  }
}
