internal import Wire
internal import ZeroMQ

/// What a connection may send, before and after its session is known.
extension RouterState {
  /// Whether a request comes from a session that is alive, whose header is all that is here yet.
  func belongsToSession(_ peek: RequestPeek) -> Bool {
    guard !peek.token.isEmpty,
      let grant = authority.grant(of: String(decoding: peek.token, as: UTF8.self))
    else { return false }
    return directory.weight(of: grant.tenant) != nil && !endedSessions.contains(grant.session)
  }

  /// Whether a connection has shown the token of a session that is alive.
  func belongsToSession(_ client: ConnectionID) -> Bool {
    guard let place = connectionPlaces[client] else { return false }
    let session = connections[place].session
    return session != 0 && sessions[session].generation == connections[place].sessionGeneration
      && !sessions[session].hasEnded
  }

  /// The refusal of a message of which only the header was kept.
  static func tooLarge(_ excess: ReceivedMessage.Excess) -> RPCError {
    switch excess {
    case .parts:
      RPCError(.invalidArgument, "more than \(Limits.maxAttachments) attachments")
    case .bytes, .firstPart:
      RPCError(.invalidArgument, "more than \(Limits.maxMessageTotalBytes) bytes in all frames")
    case .untrusted:
      RPCError(
        .invalidArgument,
        "more than \(ListenerLimits.clients.untrustedMessage) bytes in a request without a session")
    }
  }
}
