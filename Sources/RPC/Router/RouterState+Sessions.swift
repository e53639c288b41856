internal import DequeModule
internal import Wire

/// Sessions, their leases, and the connections that speak for them.
extension RouterState {
  // MARK: Connections

  mutating func connectionPlace(
    _ client: ConnectionID, _ now: UInt64
  ) throws(RPCError) -> Int {
    if let known = connectionPlaces[client] {
      connections[known].lastUse = now
      return known
    }
    if connectionPlaces.count >= RouterLimits.connections { forgetSomeConnections(now) }
    guard connectionPlaces.count < RouterLimits.connections else {
      throw RPCError(.resourceExhausted, "too many connections", retryAfterMilliseconds: 1000)
    }
    let place: Int
    if let free = freeConnections.popLast() {
      let generation = connections[free].generation
      connections[free] = ConnectionRecord(id: client, generation: generation, lastUse: now)
      place = free
    } else {
      connections.append(ConnectionRecord(id: client, lastUse: now))
      place = connections.count - 1
    }
    connectionPlaces[client] = place
    silentConnections.append(
      place, generation: connections[place].generation, due: now + rules.silenceMilliseconds)
    silentConnections.clean(live: connectionPlaces.count) { [connections] in
      connections[$0.place].generation == $0.generation
    }
    return place
  }

  private mutating func removeConnection(_ place: Int) {
    connectionPlaces[connections[place].id] = nil
    connections[place].generation &+= 1
    connections[place].token = ""
    freeConnections.append(place)
  }

  /// The table is full: the longest known ones that are silent yield.
  private mutating func forgetSomeConnections(_ now: UInt64) {
    for _ in 0..<64 {
      guard let entry = silentConnections.popFirst() else { return }
      guard connections[entry.place].generation == entry.generation else { continue }
      let due = connections[entry.place].lastUse + RouterLimits.idleMilliseconds / 60
      if now >= due {
        removeConnection(entry.place)
      } else {
        silentConnections.append(
          entry.place, generation: entry.generation,
          due: connections[entry.place].lastUse + rules.silenceMilliseconds)
      }
    }
  }

  mutating func lookForSilentConnections(_ now: UInt64) {
    while let entry = silentConnections.popDue(now) {
      guard connections[entry.place].generation == entry.generation else { continue }
      let lastUse = connections[entry.place].lastUse
      var due = lastUse + rules.silenceMilliseconds
      if now >= due {
        abandonRequests(of: connections[entry.place], isThere: true)
        due = lastUse + RouterLimits.idleMilliseconds
        if now >= due {
          removeConnection(entry.place)
          continue
        }
      }
      silentConnections.append(entry.place, generation: entry.generation, due: due)
    }
  }

  /// A client's connection is gone; its session is not. Nobody waits for its sampling any more;
  /// what it sent to models runs on.
  package mutating func lost(client: ConnectionID) {
    guard let place = connectionPlaces[client] else { return }
    abandonRequests(of: connections[place], isThere: false)
    removeConnection(place)
  }

  /// Gives up independent requests whose answers would go to a connection that is gone or silent.
  /// - Parameter isThere: it may only be silent, so what is given up is answered.
  private mutating func abandonRequests(of client: ConnectionRecord, isThere: Bool) {
    guard client.session != 0, sessions[client.session].generation == client.sessionGeneration
    else { return }
    for place in sessions[client.session].streams
    where streams[place].ordering == .independent && !streams[place].requests.isIdle
      && !streams[place].isForKeeper
    {
      abandonRequests(place, of: client.id, isThere: isThere)
    }
  }

  private mutating func abandonRequests(
    _ place: Int, of client: ConnectionID, isThere: Bool
  ) {
    for entry in streams[place].requests.inFlight.entries
    where entry.value.connection == client && !entry.value.isAbandoned {
      streams[place].requests.updateInFlight(entry.seq) { $0.isAbandoned = true }
      command(.cancel(stream: streams[place].name, seq: entry.seq), to: entry.value.worker)
    }
    for seq in streams[place].requests.held.seqs
    where streams[place].requests.held[seq]?.connection == client {
      if isThere {
        refuseHeldNow(seq, place: place, Self.givenUp)
      } else if let request = takeHeld(seq, place: place) {
        dropParcels(request)
      }
    }
  }

  private static var givenUp: RPCError {
    RPCError(.unavailable, "given up: nothing was heard of this connection; send it again")
  }

  // MARK: Sessions

  /// The session of a token that was not seen on this connection.
  mutating func admitSession(
    _ token: String, _ connection: Int, _ now: UInt64
  ) throws(RPCError) -> Int {
    guard let grant = authority.grant(of: token), let weight = directory.weight(of: grant.tenant)
    else {
      throw RPCError(.unauthenticated, "the session token is not valid", field: "session_token")
    }
    let isNew = sessionIndex[grant.session] == nil
    guard !isNew || !endedSessions.contains(grant.session) else { throw Self.ended }
    let tenant = tenants.place(of: grant.tenant, weight: weight)
    if tenants[tenant].sessions == 0 { watchIdleTenant(tenant, now) }
    if isNew { try makeRoomForSession(of: tenant, connection, now) }
    let place = sessionPlace(grant.session, now)
    move(session: place, to: tenant)
    if isNew {
      sessions[place].opener = Int32(connection)
      sessions[place].openerGeneration = connections[connection].generation
      connections[connection].sessions += 1
    }
    return place
  }

  /// A session that a worker named first has its tenant with its first token.
  private mutating func move(session place: Int, to tenant: Int) {
    let old = sessions[place].tenant
    guard old != tenant else { return }
    let session = sessions[place]
    sessions[place].tenant = tenant
    tenants[old].sessions -= 1
    tenants[old].orderedStreams -= session.orderedStreams
    tenants[old].heldBytes -= session.heldBytes
    tenants[old].outstanding.giveBack(
      requests: session.outstanding.requests, bytes: session.outstanding.bytes)
    tenants[tenant].sessions += 1
    tenants[tenant].orderedStreams += session.orderedStreams
    tenants[tenant].heldBytes += session.heldBytes
    tenants[tenant].outstanding.take(
      requests: session.outstanding.requests, bytes: session.outstanding.bytes)
    tenants[tenant].sessionClock.append(
      place, generation: session.generation, seen: session.lastUse)
  }

  // MARK: Room for sessions

  /// One more session of a tenant: its share of the table, or the place of one that loses nothing.
  private mutating func makeRoomForSession(
    of tenant: Int, _ connection: Int, _ now: UInt64
  ) throws(RPCError) {
    let isWithin = Share.allows(
      1, holder: connections[connection].sessions, tenant: tenants[tenant].sessions,
      all: sessionIndex.count, of: RouterLimits.sessions)
    guard isWithin || forgetSession(of: tenant, now) else {
      throw RPCError(
        .resourceExhausted,
        "\(tenants[tenant].sessions) of at most \(RouterLimits.sessions) sessions are this "
          + "tenant's, and in use", retryAfterMilliseconds: 1000)
    }
  }

  /// Forgets one of a tenant's sessions that has nothing outstanding and no model, if there is one
  /// among those that are looked at: not lately used ones first.
  private mutating func forgetSession(of tenant: Int, _ now: UInt64) -> Bool {
    var candidate: Int?
    for _ in 0..<16 {
      guard var entry = tenants[tenant].sessionClock.popFirst() else { break }
      let place = Int(entry.place)
      guard sessions[place].generation == entry.generation, sessions[place].tenant == tenant else {
        continue
      }
      if sessions[place].isForgettable {
        if sessions[place].lastUse == entry.seen {
          // A better one: the one before it stays in the clock.
          candidate = place
          break
        }
        candidate = candidate ?? place
      }
      entry.seen = sessions[place].lastUse
      tenants[tenant].sessionClock.append(place, generation: entry.generation, seen: entry.seen)
    }
    guard let candidate else { return false }
    forget(session: candidate, now)
    return true
  }

  /// Forgets a session that has nothing; its token opens it again.
  private mutating func forget(session place: Int, _ now: UInt64) {
    hasForgottenSessions = true
    sessionIndex[sessions[place].id] = nil
    sessions[place].hasEnded = true
    leaveTenant(place, now)
    for stream in sessions[place].streams { removeStream(stream) }
    freeSession(place)
  }

  private mutating func leaveTenant(_ place: Int, _ now: UInt64) {
    let tenant = sessions[place].tenant
    tenants[tenant].sessions -= 1
    if tenant != 0, tenants[tenant].sessions == 0 { watchIdleTenant(tenant, now) }
    let opener = Int(sessions[place].opener)
    if opener >= 0, connections[opener].generation == sessions[place].openerGeneration {
      connections[opener].sessions -= 1
    }
    tenants[tenant].sessionClock.clean(sessions: tenants[tenant].sessions) { [sessions] in
      sessions[Int($0.place)].generation == $0.generation
        && sessions[Int($0.place)].tenant == tenant
    }
  }

  private mutating func watchIdleTenant(_ tenant: Int, _ now: UInt64) {
    guard tenant != 0 else { return }
    idleTenants.append(
      tenant, generation: tenants[tenant].generation, due: now + RouterLimits.idleMilliseconds)
  }

  // MARK: Life of sessions

  /// The sessions that are alive; nil if some that are may have been forgotten to make room since
  /// this was asked last.
  package mutating func liveSessions() -> Set<String>? {
    defer { hasForgottenSessions = false }
    return hasForgottenSessions ? nil : Set(sessionIndex.keys)
  }

  static var ended: RPCError { RPCError(.unauthenticated, "the session has ended") }

  /// The place of a session, which is added if it is new: of the default tenant until its token is
  /// seen.
  mutating func sessionPlace(_ id: String, _ now: UInt64) -> Int {
    if let known = sessionIndex[id] { return known }
    let place: Int
    if let free = freeSessions.popLast() {
      let generation = sessions[free].generation
      sessions[free] = SessionRecord(id: id, generation: generation, lastUse: now)
      place = free
    } else {
      sessions.append(SessionRecord(id: id, lastUse: now))
      place = sessions.count - 1
    }
    sessionIndex[id] = place
    tenants[0].sessions += 1
    tenants[0].sessionClock.append(place, generation: sessions[place].generation, seen: now)
    tenants[0].sessionClock.clean(sessions: tenants[0].sessions) { [sessions] in
      sessions[Int($0.place)].generation == $0.generation && sessions[Int($0.place)].tenant == 0
    }
    leases.append(
      place, generation: sessions[place].generation, due: now + rules.leaseMilliseconds)
    leases.clean(live: sessionIndex.count) { [sessions] in
      sessions[$0.place].generation == $0.generation
    }
    return place
  }

  /// Sessions without a word for a whole lease end, unless work is under way.
  mutating func endExpiredSessions(_ now: UInt64) {
    while let entry = leases.popDue(now) {
      let place = entry.place
      guard sessions[place].generation == entry.generation, !sessions[place].hasEnded else {
        continue
      }
      if sessions[place].outstanding.requests > 0 { sessions[place].lastUse = now }
      let due = sessions[place].lastUse + rules.leaseMilliseconds
      if now >= due { actions.append(.sessionExpired(sessions[place].id)) }
      // Where its end cannot be recorded yet that is tried again.
      leases.append(
        place, generation: entry.generation, due: max(due, now + RouterLimits.endingMilliseconds))
    }
  }

  /// A session ends, of which a restart knows: its streams are forgotten here and freed at the workers.
  package mutating func end(session id: String, _ now: UInt64) {
    endedSessions.insert(SessionDigest(id))
    endings.append(id)
    if let session = sessionIndex.removeValue(forKey: id) {
      sessions[session].hasEnded = true
      leaveTenant(session, now)
      // The keeper's own answer to Finish is still to come; the session goes with it.
      for place in sessions[session].streams where !streams[place].isForKeeper {
        refuseAll(place, Self.ended)
        removeStream(place)
      }
      freeSession(session)
    }
    for worker in workers.indices where workers[worker].isConnected && !workers[worker].isKeeper {
      tellEndings(to: worker)
      drainAll(of: worker)
    }
  }

  /// Tells a worker of the sessions that ended and that it has not heard of: models of theirs may
  /// be there, or on its disk.
  mutating func tellEndings(to worker: Int) {
    for id in endings.since(details[worker].nextEnding) { command(.sessionEnded(id), to: worker) }
    details[worker].nextEnding = endings.next
  }

  /// Frees an ended session once its last stream and its last request are gone.
  mutating func freeSession(_ place: Int) {
    // A freed place says `hasEnded` no more, so it is freed once.
    guard sessions[place].hasEnded, sessions[place].streams.isEmpty,
      sessions[place].outstanding.requests == 0
    else { return }
    sessions[place].hasEnded = false
    sessions[place].generation &+= 1
    sessions[place].id = ""
    freeSessions.append(place)
  }

  mutating func forgetIdleTenants(_ now: UInt64) {
    while let entry = idleTenants.popDue(now) {
      guard tenants[entry.place].generation == entry.generation,
        tenants[entry.place].sessions == 0
      else { continue }
      guard tenants[entry.place].waiting == 0, tenants[entry.place].outstanding.requests == 0
      else {
        idleTenants.append(
          entry.place, generation: entry.generation, due: now + RouterLimits.idleMilliseconds)
        continue
      }
      tenants.remove(entry.place)
    }
  }
}
