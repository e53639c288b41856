package import Wire
package import ZeroMQ

/// Requests from clients.
extension RouterState {
  /// A message whose header could not be read. It has no key that could be trusted, so the answer
  /// names none: seq 0 of the empty stream, on the same connection.
  package mutating func unreadable(_ reason: String, from client: ConnectionID) {
    counters.unreadable += 1
    answer(RPCError(.invalidArgument, reason, field: "header"), stream: "", seq: 0, to: client)
  }

  /// A request arrived; `peek` is read during the call only.
  /// - Parameters:
  ///   - bytes: of all its frames.
  ///   - cost: in tokens, as `CostPeek` reads it.
  ///   - excess: why only its header is here: it is to be refused.
  package mutating func request(
    _ peek: RequestPeek, _ parcel: Parcel, bytes: Int, cost: UInt64,
    excess: ReceivedMessage.Excess? = nil, from client: ConnectionID, now: UInt64
  ) {
    counters.requests += 1
    do throws(RPCError) {
      guard peek.version == RequestHeader.currentVersion else {
        throw RPCError(
          .unimplemented,
          "protocol version \(peek.version); this service speaks \(RequestHeader.currentVersion)",
          field: "protocol_version")
      }
      try Self.checkOptions(of: peek)
      let connection = try connectionPlace(client, now)
      let session = try session(of: peek, connection, now)
      let place = try stream(of: peek, session: session, connection, now)
      if streams[place].ordering == .ordered { try Self.checkNumbers(of: peek) }
      // What is too large is not here.
      var charge = Charge(session: session, bytes: excess == nil ? bytes : 0)
      if session == 0 {
        charge.payer = Int32(connection)
        charge.payerGeneration = connections[connection].generation
      }
      try admit(peek, parcel, charge, cost: cost, excess, place: place, client, now)
    } catch {
      answer(
        error, stream: String(decoding: peek.stream, as: UTF8.self), seq: peek.seq,
        traceID: peek.traceID, to: client)
      actions.append(.drop(parcel))
    }
  }

  /// An option is never ignored in silence.
  private static func checkOptions(of peek: RequestPeek) throws(RPCError) {
    guard peek.unknownField == 0, peek.repeatedField == 0 else {
      throw RPCError(
        .invalidArgument,
        peek.unknownField != 0
          ? "has a field \(peek.unknownField), which this service does not know"
          : "has field \(peek.repeatedField) more than once", field: "header")
    }
    let flags = peek.flags
    guard flags != [] else { return }
    guard flags.isSubset(of: [.stream, .applyPartial]) else {
      throw RPCError(
        .invalidArgument,
        flags.isSubset(of: .all)
          ? "a flag for routers only" : "\(flags.rawValue) has a bit that is no flag",
        field: "flags")
    }
    guard let method = peek.method else { return }
    guard !flags.contains(.stream) || method == .samplingSample else {
      throw RPCError(.invalidArgument, "\(method) has no events to stream", field: "flags")
    }
    guard !flags.contains(.applyPartial) || method == .trainingOptimStep else {
      throw RPCError(.invalidArgument, "\(method) applies no gradients", field: "flags")
    }
  }

  /// Seqs of streams in order are counted on from; those of others are only names.
  private static func checkNumbers(of peek: RequestPeek) throws(RPCError) {
    let largest = max(peek.seq, peek.acked)
    guard largest > Limits.maxOrderedSeq else { return }
    throw RPCError(
      .invalidArgument, "\(largest), at most \(Limits.maxOrderedSeq) allowed",
      field: peek.seq == largest ? "seq" : "acked")
  }

  // MARK: Who asks

  private mutating func session(
    of peek: RequestPeek, _ connection: Int, _ now: UInt64
  ) throws(RPCError) -> Int {
    guard peek.method?.needsSession ?? true else { return 0 }
    let known = connections[connection].session
    if known != 0, sessions[known].generation == connections[connection].sessionGeneration,
      connections[connection].token.hasBytes(peek.token)
    {
      guard !sessions[known].hasEnded else { throw Self.ended }
      sessions[known].lastUse = now
      return known
    }
    guard !peek.token.isEmpty else {
      throw RPCError(.unauthenticated, "no session token", field: "session_token")
    }
    let token = String(decoding: peek.token, as: UTF8.self)
    let place = try admitSession(token, connection, now)
    connections[connection].token = token
    connections[connection].session = place
    connections[connection].sessionGeneration = sessions[place].generation
    sessions[place].lastUse = now
    return place
  }

  // MARK: Which stream

  private mutating func stream(
    of peek: RequestPeek, session: Int, _ connection: Int, _ now: UInt64
  ) throws(RPCError) -> Int {
    let last = connections[connection].lastStream
    if last != 0, streams[last].name.hasBytes(peek.stream), streams[last].session == session,
      streams[last].isForKeeper == (peek.method?.route == .keeper)
        || streams[last].ordering == .ordered
    {
      return last
    }
    let place = try findStream(of: peek, session: session, connections[connection].id, now)
    connections[connection].lastStream = place
    return place
  }

  private mutating func findStream(
    of peek: RequestPeek, session: Int, _ client: ConnectionID, _ now: UInt64
  ) throws(RPCError) -> Int {
    let isUnnamed = peek.stream.isEmpty
    let name = try isUnnamed ? "@\(client.number)" : checkedName(peek, session: session)
    let isOfModel = !isUnnamed && isModelStream(name, of: session)
    let isForKeeper = peek.method?.route == .keeper && !isOfModel
    if let known = streamIndex[isForKeeper ? StreamRecord.keeperMark + name : name] {
      guard streams[known].session == session || isUnnamed else {
        throw RPCError(.permissionDenied, "the stream is another session's", field: "stream")
      }
      return known
    }
    guard let method = peek.method else {
      throw RPCError(.unimplemented, "method \(peek.methodNumber)", field: "method")
    }
    // The records of a model may have the answer that is asked for.
    guard method.route != .future || (method == .futuresAwait && isOfModel && rules.recoversModels)
    else {
      throw RPCError(
        .unavailable, "nothing is known of this stream; send the request again",
        retryAfterMilliseconds: isRecovering(now) ? 100 : 0)
    }
    guard isOfModel || method.ordering == .independent else { throw Self.wrongStream(method) }
    if isOfModel {
      try Self.checkNumbers(of: peek)
      try makeRoomForModel(name, session: session)
    } else {
      makeRoomForStream(of: session, now)
    }
    // The nameless stream of a connection is nobody's, whoever uses it first.
    let place = addStream(
      name, forKeeper: isForKeeper, ordering: isOfModel ? .ordered : .independent,
      session: isUnnamed ? 0 : session, now: now)
    streams[place].isUnnamed = isUnnamed
    return place
  }

  /// Whether a name is that of a model of the session, whose requests are in order. The name alone
  /// decides, so no request makes a stream another one's kind, and every router says the same.
  private func isModelStream(_ name: String, of session: Int) -> Bool {
    session != 0
      && name.utf8.dropFirst(sessions[session].id.utf8.count).starts(with: ":train:".utf8)
  }

  static func wrongStream(_ method: Method) -> RPCError {
    RPCError(
      .invalidArgument,
      method.ordering == .ordered
        ? "\(method.fullName) belongs into the stream of a model, SESSION:train:NUMBER"
        : "\(method.fullName) does not belong into the stream of a model", field: "stream")
  }

  private func checkedName(_ peek: RequestPeek, session: Int) throws(RPCError) -> String {
    guard let name = String(validating: peek.stream, as: UTF8.self), !name.hasPrefix("@"),
      !name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control })
    else {
      throw RPCError(.invalidArgument, "not a stream name", field: "stream")
    }
    if session == 0 {
      guard !name.contains(":") else {
        throw RPCError(
          .invalidArgument,
          "\(peek.method?.fullName ?? "this method") belongs to no session: leave its stream empty",
          field: "stream")
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
}
