package import Wire

/// Requests from clients.
extension RouterState {
  /// A message whose header could not be read. It has no key that could be trusted, so the answer
  /// names none: seq 0 of the empty stream, on the same connection.
  package mutating func unreadable(_ reason: String, from client: ConnectionID) {
    counters.unreadable += 1
    answer(RPCError(.invalidArgument, reason, field: "header"), stream: "", seq: 0, to: client)
  }

  /// A request arrived; `peek` is read during the call only.
  /// - Parameter bytes: of all its frames; `Int.max` if there were more frames than allowed.
  package mutating func request(
    _ peek: RequestPeek, _ parcel: Parcel, bytes: Int, from client: ConnectionID, now: UInt64
  ) {
    counters.requests += 1
    do throws(RPCError) {
      guard peek.version == RequestHeader.currentVersion else {
        throw RPCError(
          .unimplemented,
          "protocol version \(peek.version); this service speaks \(RequestHeader.currentVersion)",
          field: "protocol_version")
      }
      guard !peek.flags.contains(.tombstone) else {
        throw RPCError(.invalidArgument, "a flag for routers only", field: "flags")
      }
      let session = try session(of: peek, client, now)
      let place = try stream(of: peek, session: session, client, now)
      try admit(peek, parcel, bytes: bytes, place: place, session: session, client, now)
    } catch {
      answer(
        error, stream: String(decoding: peek.stream, as: UTF8.self), seq: peek.seq,
        traceID: peek.traceID, to: client)
      actions.append(.drop(parcel))
    }
  }

  // MARK: Who asks

  private mutating func session(
    of peek: RequestPeek, _ client: ConnectionID, _ now: UInt64
  ) throws(RPCError) -> Int {
    if connections[client] == nil {
      if connections.count >= RouterLimits.connections { forgetIdleConnections(now) }
      connections[client] = ConnectionRecord(lastUse: now)
    }
    guard peek.method?.needsSession ?? true else { return 0 }
    if let known = connections[client], !known.token.isEmpty, known.token.hasBytes(peek.token) {
      guard !sessions[known.session].hasEnded else { throw Self.ended }
      return known.session
    }
    guard !peek.token.isEmpty else {
      throw RPCError(.unauthenticated, "no session token", field: "session_token")
    }
    let token = String(decoding: peek.token, as: UTF8.self)
    guard let grant = authority.grant(of: token), let weight = directory.weight(of: grant.tenant)
    else {
      throw RPCError(.unauthenticated, "the session token is not valid", field: "session_token")
    }
    let place = sessionPlace(grant.session)
    sessions[place].tenant = tenants.place(of: grant.tenant, weight: weight)
    guard !sessions[place].hasEnded else { throw Self.ended }
    connections[client]?.token = token
    connections[client]?.session = place
    return place
  }

  private static var ended: RPCError { RPCError(.unauthenticated, "the session has ended") }

  mutating func sessionPlace(_ id: String) -> Int {
    if let known = sessionIndex[id] { return known }
    sessions.append(SessionRecord(id: id))
    sessionIndex[id] = sessions.count - 1
    return sessions.count - 1
  }

  // MARK: Which stream

  private mutating func stream(
    of peek: RequestPeek, session: Int, _ client: ConnectionID, _ now: UInt64
  ) throws(RPCError) -> Int {
    if let last = connections[client]?.lastStream, last != 0,
      streams[last].name.hasBytes(peek.stream), streams[last].session == session,
      streams[last].isForKeeper == (peek.method?.route == .keeper)
    {
      connections[client]?.lastUse = now
      return last
    }
    let place = try findStream(of: peek, session: session, client, now)
    connections[client]?.lastStream = place
    return place
  }

  private mutating func findStream(
    of peek: RequestPeek, session: Int, _ client: ConnectionID, _ now: UInt64
  ) throws(RPCError) -> Int {
    let isUnnamed = peek.stream.isEmpty
    let name = try isUnnamed ? "@\(client.number)" : checkedName(peek, session: session)
    let isForKeeper = peek.method?.route == .keeper
    if let known = streamIndex[isForKeeper ? StreamRecord.keeperMark + name : name] {
      guard streams[known].session == session || isUnnamed else {
        throw RPCError(.permissionDenied, "the stream is another session's", field: "stream")
      }
      return known
    }
    guard let method = peek.method else {
      throw RPCError(.unimplemented, "method \(peek.methodNumber)", field: "method")
    }
    guard method.route != .future else {
      throw RPCError(
        .unavailable, "nothing is known of this stream; send the request again",
        retryAfterMilliseconds: isRecovering(now) ? 100 : 0)
    }
    let limit =
      session == 0 ? RouterLimits.anonymousStreams : RouterLimits.streamsPerSession
    guard streamIndex.count < RouterLimits.streams, sessions[session].streams < limit else {
      throw RPCError(.resourceExhausted, "too many streams", retryAfterMilliseconds: 1000)
    }
    let place = addStream(
      name, forKeeper: isForKeeper, ordering: method.ordering, session: session, now: now)
    streams[place].isUnnamed = isUnnamed
    return place
  }

  private func checkedName(_ peek: RequestPeek, session: Int) throws(RPCError) -> String {
    guard let name = String(validating: peek.stream, as: UTF8.self), !name.hasPrefix("@"),
      !name.unicodeScalars.contains(where: { $0.value < 0x20 })
    else {
      throw RPCError(.invalidArgument, "not a stream name", field: "stream")
    }
    if session == 0 {
      guard !name.contains(":") else {
        throw RPCError(
          .unauthenticated, "a stream of a session needs its token", field: "session_token")
      }
      return name
    }
    let id = sessions[session].id
    guard name == id || (name.hasPrefix(id) && name.dropFirst(id.count).hasPrefix(":")) else {
      throw RPCError(
        .permissionDenied, "streams of session \(id) start with \"\(id):\"", field: "stream")
    }
    return name
  }

  // MARK: What becomes of it

  private mutating func admit(
    _ peek: RequestPeek, _ parcel: Parcel, bytes: Int, place: Int, session: Int,
    _ client: ConnectionID, _ now: UInt64
  ) throws(RPCError) {
    streams[place].lastUse = now
    if let method = peek.method, method.route == .future {
      return try future(method, peek, parcel, bytes: bytes, place: place, client, now)
    }
    var request = HeldRequest(
      parcel: parcel, connection: client, session: session, room: peek.method?.room ?? .control,
      cost: 1, bytes: bytes, acked: peek.acked, traceID: peek.traceID, arrived: now, deadline: 0)
    request.cost = cost(of: peek, request.room)
    if peek.timeoutMilliseconds > 0 { request.deadline = now + UInt64(peek.timeoutMilliseconds) }
    let refusal = permanentRefusal(peek, place, bytes: bytes)
    if streams[place].ordering == .independent {
      if let refusal { throw refusal }
      return try admitIndependent(peek, request, place: place, now)
    }
    if let refusal {
      // The seq is the owner's to use up, so the refusal takes the request's turn.
      request.refusal = refusal
      request.parcel = nil
      request.bytes = 0
    }
    try admitOrdered(peek, request, parcel, place: place, now)
    if refusal != nil { actions.append(.drop(parcel)) }
  }

  private func cost(of peek: RequestPeek, _ room: Method.Room) -> UInt64 {
    switch room {
    case .training: max(1, peek.costPromptTokens)
    case .decode: max(1, peek.costPromptTokens &+ peek.costNewTokens)
    case .control: 1
    }
  }

  private func permanentRefusal(
    _ peek: RequestPeek, _ place: Int, bytes: Int
  ) -> RPCError? {
    guard bytes <= Limits.maxMessageTotalBytes else {
      return RPCError(
        .invalidArgument,
        "more than \(Limits.maxMessageTotalBytes) bytes or \(Limits.maxAttachments) attachments")
    }
    guard let method = peek.method else {
      return RPCError(.unimplemented, "method \(peek.methodNumber)", field: "method")
    }
    guard method.ordering == streams[place].ordering else {
      return RPCError(
        .invalidArgument, "\(method.fullName) does not belong into this stream", field: "stream")
    }
    guard !method.createsStream || peek.seq == 0 else {
      return RPCError(.invalidArgument, "\(method.fullName) is seq 0 of its stream", field: "seq")
    }
    return nil
  }

  private mutating func admitIndependent(
    _ peek: RequestPeek, _ request: HeldRequest, place: Int, _ now: UInt64
  ) throws(RPCError) {
    let seq = peek.seq
    if streams[place].requests.inFlight[seq] != nil || streams[place].requests.held[seq] != nil {
      moveConnection(place, seq, to: request.connection)
      if let parcel = request.parcel { actions.append(.drop(parcel)) }
      return
    }
    try checkWindow(request)
    try findOwner(place, peek, now)
    hold(request, seq: seq, place: place)
    enqueue(place, seq: seq, request.room)
  }

  private mutating func admitOrdered(
    _ peek: RequestPeek, _ request: HeldRequest, _ parcel: Parcel, place: Int, _ now: UInt64
  ) throws(RPCError) {
    let seq = peek.seq
    if let running = streams[place].requests.inFlight[seq], let worker = streams[place].worker {
      moveConnection(place, seq, to: request.connection)
      guard request.parcel != nil else { return }
      guard running.copies < RouterLimits.copies else { return actions.append(.drop(parcel)) }
      streams[place].requests.updateInFlight(seq) { $0.copies += 1 }
      return actions.append(.forward(parcel, to: worker))
    }
    if let held = streams[place].requests.held[seq] {
      moveConnection(place, seq, to: request.connection)
      guard request.parcel != nil else { return }
      guard held.copies.count + 1 < RouterLimits.copies, held.refusal == nil else {
        return actions.append(.drop(parcel))
      }
      return streams[place].requests.updateHeld(seq) { $0.copies.append(parcel) }
    }
    try findOwner(place, peek, now)
    let next = streams[place].requests.next
    if let worker = streams[place].worker, seq < next || request.claims(moreThan: next) {
      // Answered before: the owner has the answer, or knows why not.
      charge(request.session, bytes: request.bytes)
      return dispatch(request, seq: seq, place: place, to: worker, isRepeat: true)
    }
    if seq != streams[place].requests.next || streams[place].owner == .none {
      try makeRoom(for: request, seq: seq, place: place)
    }
    hold(request, seq: seq, place: place)
    advance(place)
  }

  private mutating func moveConnection(_ place: Int, _ seq: UInt64, to client: ConnectionID) {
    streams[place].requests.updateInFlight(seq) { $0.connection = client }
    streams[place].requests.updateHeld(seq) { $0.connection = client }
  }

  mutating func hold(_ request: HeldRequest, seq: UInt64, place: Int) {
    charge(request.session, bytes: request.bytes)
    heldBytes += request.bytes
    if request.deadline > 0 { timedRequests += 1 }
    streams[place].requests.hold(request, seq: seq)
  }
}
