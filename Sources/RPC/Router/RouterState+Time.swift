internal import DequeModule
internal import Wire

/// What time alone brings about.
extension RouterState {
  /// To be called every few tens of milliseconds.
  package mutating func tick(now: UInt64) {
    watchWorkers(now)
    endLostWorkers(now)
    refuseExpired(now)
    refuseGaps(now)
    lookForSilentConnections(now)
    endExpiredSessions(now)
    forgetIdleStreams(now)
    forgetIdleTenants(now)
    suspects.expire(now)
  }

  // MARK: Deadlines

  /// A request with a deadline is held.
  mutating func watchDeadline(_ request: HeldRequest, _ place: Int, _ seq: UInt64) {
    guard request.deadline > 0 else { return }
    deadlines.append(key(place, seq), due: request.deadline)
    // Most entries of a long list may be of requests that went on long ago.
    guard deadlines.count > 1024 + 2 * timedRequests else { return }
    deadlines.keep(isWaiting)
  }

  private func isWaiting(_ entry: DeadlineQueue.Entry) -> Bool {
    guard let place = place(of: entry.key) else { return false }
    return deadline(of: place, entry.key.seq) == entry.due
  }

  private func deadline(of place: Int, _ seq: UInt64) -> UInt64? {
    streams[place].requests.held.read(seq) { $0.deadline }
  }

  private mutating func refuseExpired(_ now: UInt64) {
    let error = RPCError(.deadlineExceeded, "the time-out passed before the request ran")
    while let entry = deadlines.popDue(now) {
      guard isWaiting(entry) else { continue }
      refuseHeld(entry.key.seq, place: Int(entry.key.stream), error)
    }
  }

  // MARK: Gaps

  /// A request of an ordered stream is held, perhaps for one that never comes.
  mutating func watchGap(_ place: Int, _ now: UInt64) {
    guard !streams[place].isGapWatched else { return }
    streams[place].isGapWatched = true
    gaps.append(
      place, generation: streams[place].generation, due: now + rules.gapMilliseconds)
  }

  /// Requests wait only so long for the seq before them: its client may have died.
  private mutating func refuseGaps(_ now: UInt64) {
    while let entry = gaps.popDue(now) {
      let place = entry.place
      guard streams[place].generation == entry.generation else { continue }
      streams[place].isGapWatched = false
      if isWaitingForGap(place) { refuseGap(place, now) }
      let arrivals =
        streams[place].requests.held.entries.map(\.value.arrived)
        + streams[place].questions.map(\.arrived)
      guard let oldest = arrivals.min() else {
        if streams[place].isUnowned { removeStream(place) }
        continue
      }
      streams[place].isGapWatched = true
      // Not before now: a held request that waits for room is looked at again.
      let due = max(oldest + rules.gapMilliseconds, now + min(1000, rules.gapMilliseconds))
      gaps.append(place, generation: entry.generation, due: due)
    }
  }

  private func isWaitingForGap(_ place: Int) -> Bool {
    let next = streams[place].requests.next
    return !streams[place].isQueued
      && (!streams[place].requests.held.contains(next) || streams[place].worker == nil)
  }

  private mutating func refuseGap(_ place: Int, _ now: UInt64) {
    let due = streams[place].requests.held.entries.filter {
      now >= $0.value.arrived + rules.gapMilliseconds
    }
    // As it is before the first of them is gone.
    let error = gapError(place, now)
    for entry in due { refuseHeldNow(entry.seq, place: place, error) }
    let isAsked = !streams[place].questions.isEmpty
    refuseQuestions(place, error, arrivedBefore: now - min(now, rules.gapMilliseconds))
    // Whoever was asked to open it may not have heard it, or not have been heard.
    if isAsked || !due.isEmpty, case .opening(let worker) = streams[place].owner,
      workers[worker].isConnected
    {
      askToOpen(place, worker, now)
    }
  }

  private func gapError(_ place: Int, _ now: UInt64) -> RPCError {
    if case .opening = streams[place].owner {
      return RPCError(
        .unavailable, "the model is being taken over", retryAfterMilliseconds: 1000)
    }
    // Whoever opens it may find anything in its journal.
    let next = streams[place].requests.next
    let isNew =
      streams[place].worker != nil && now < streams[place].askedToOpen + 3 * rules.gapMilliseconds
    let isCreated =
      streams[place].isCreated || next > 0 || streams[place].owner == .gone || isNew
    guard !isCreated else {
      return RPCError(
        .unavailable,
        streams[place].worker == nil
          ? "the stream's owner is not there yet" : "seq \(next) has not arrived",
        retryAfterMilliseconds: 1000)
    }
    // Its client has no answer of this stream and does not create it.
    return RPCError(.notFound, "the stream was never created (its seq 0)", field: "stream")
  }

  // MARK: Idle streams

  /// An independent stream is forgotten when nobody has used it for long.
  mutating func watchIdle(_ place: Int) {
    idleStreams.append(
      place, generation: streams[place].generation,
      due: streams[place].lastUse + RouterLimits.idleMilliseconds)
    idleStreams.clean(live: independentStreams) { [streams] in
      streams[$0.place].generation == $0.generation
    }
  }

  private mutating func forgetIdleStreams(_ now: UInt64) {
    while let entry = idleStreams.popDue(now) {
      let place = entry.place
      guard streams[place].generation == entry.generation else { continue }
      if !streams[place].requests.isIdle { streams[place].lastUse = now }
      if now >= streams[place].lastUse + RouterLimits.idleMilliseconds {
        removeStream(place)
      } else {
        watchIdle(place)
      }
    }
  }
}
