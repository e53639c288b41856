internal import DequeModule
internal import Wire

/// Sessions that have ended and whose tokens are refused: the last ones, so that the memory is
/// bounded. What an older token can do is open a session that has nothing.
struct EndedSessions {
  private var ids: Set<String> = []
  private var order = Deque<String>()

  var count: Int { ids.count }

  func contains(_ id: String) -> Bool { ids.contains(id) }

  mutating func insert(_ id: String) {
    guard ids.insert(id).inserted else { return }
    order.append(id)
    if order.count > RouterLimits.endedSessions, let oldest = order.popFirst() {
      ids.remove(oldest)
    }
  }
}

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
        abandonRequests(of: connections[entry.place])
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
    abandonRequests(of: connections[place])
    removeConnection(place)
  }

  /// Gives up independent requests whose answers would go to a connection that is gone or silent.
  private mutating func abandonRequests(of client: ConnectionRecord) {
    guard client.session != 0, sessions[client.session].generation == client.sessionGeneration
    else { return }
    for place in sessions[client.session].streams
    where streams[place].ordering == .independent && !streams[place].requests.isIdle
      && !streams[place].isForKeeper
    {
      abandonRequests(place, of: client.id)
    }
  }

  private mutating func abandonRequests(_ place: Int, of client: ConnectionID) {
    for entry in streams[place].requests.inFlight.entries
    where entry.value.connection == client && !entry.value.isAbandoned {
      streams[place].requests.updateInFlight(entry.seq) { $0.isAbandoned = true }
      command(.cancel(stream: streams[place].name, seq: entry.seq), to: entry.value.worker)
    }
    for seq in streams[place].requests.held.seqs
    where streams[place].requests.held[seq]?.connection == client {
      if let request = takeHeld(seq, place: place) { dropParcels(request) }
    }
  }

  // MARK: Sessions

  /// The session of a token that was not seen on this connection.
  mutating func admitSession(
    _ token: String, _ now: UInt64
  ) throws(RPCError) -> Int {
    guard let grant = authority.grant(of: token), let weight = directory.weight(of: grant.tenant)
    else {
      throw RPCError(.unauthenticated, "the session token is not valid", field: "session_token")
    }
    if sessionIndex[grant.session] == nil {
      guard !endedSessions.contains(grant.session) else { throw Self.ended }
      guard sessionIndex.count < RouterLimits.sessions else {
        throw RPCError(
          .resourceExhausted, "more than \(RouterLimits.sessions) sessions",
          retryAfterMilliseconds: 1000)
      }
    }
    let place = sessionPlace(grant.session, now)
    let tenant = tenants.place(of: grant.tenant, weight: weight)
    if sessions[place].tenant != tenant {
      tenants[sessions[place].tenant].sessions -= 1
      tenants[tenant].sessions += 1
      sessions[place].tenant = tenant
    }
    return place
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
    leases.append(
      place, generation: sessions[place].generation, due: now + rules.leaseMilliseconds)
    return place
  }

  /// Sessions without a word for a whole lease end, unless work is under way.
  mutating func endExpiredSessions(_ now: UInt64) {
    while let entry = leases.popDue(now) {
      let place = entry.place
      guard sessions[place].generation == entry.generation, !sessions[place].hasEnded else {
        continue
      }
      if sessions[place].requests > 0 { sessions[place].lastUse = now }
      let due = sessions[place].lastUse + rules.leaseMilliseconds
      if now >= due {
        end(session: sessions[place].id, now)
      } else {
        leases.append(place, generation: entry.generation, due: due)
      }
    }
  }

  /// A session ends: its streams are forgotten here and freed at the workers.
  mutating func end(session id: String, _ now: UInt64) {
    endedSessions.insert(id)
    if let session = sessionIndex.removeValue(forKey: id) {
      sessions[session].hasEnded = true
      let tenant = sessions[session].tenant
      tenants[tenant].sessions -= 1
      if tenant != 0, tenants[tenant].sessions == 0 {
        idleTenants.append(
          tenant, generation: tenants[tenant].generation, due: now + RouterLimits.idleMilliseconds)
      }
      // The keeper's own answer to Finish is still to come; the session goes with it.
      for place in sessions[session].streams where !streams[place].isForKeeper {
        refuseAll(place, Self.ended)
        removeStream(place)
      }
      if sessions[session].streams.isEmpty { freeSession(session) }
    }
    for worker in workers.indices where workers[worker].isConnected && !workers[worker].isKeeper {
      command(.sessionEnded(id), to: worker)
      drainAll(of: worker)
    }
  }

  /// The last stream of an ended session is gone.
  mutating func freeSession(_ place: Int) {
    // A freed place says `hasEnded` no more, so it is freed once.
    guard sessions[place].hasEnded else { return }
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
      guard tenants[entry.place].waiting == 0, tenants[entry.place].inFlight == 0 else {
        idleTenants.append(
          entry.place, generation: entry.generation, due: now + RouterLimits.idleMilliseconds)
        continue
      }
      tenants.remove(entry.place)
    }
  }
}
