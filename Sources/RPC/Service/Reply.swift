package import Wire

/// What a handler may know about the request besides its body. Copies are cheap and may be kept.
package struct CallContext: Sendable {
  let call: Call

  /// The method.
  package var method: Method { call.method }
  /// The request's stream; with `seq` its key.
  package var stream: String { call.stream }
  /// The request's seq.
  package var seq: UInt64 { call.seq }
  /// The session that the stream belongs to: what stands before the first colon.
  package var session: Substring { call.stream.prefix { $0 != ":" } }
  /// The tenant that the work is for, from the session token, which the router has checked.
  package var tenant: Substring { SessionAuthority.tenant(in: call.sessionToken) }
  /// The session token, empty for calls without one.
  package var sessionToken: String { call.sessionToken }
  /// Bits of the header.
  package var flags: RequestHeader.Flags { call.flags }
  /// For logs; 0 for none.
  package var traceID: UInt64 { call.traceID }
  /// `Monotonic.microseconds()` of the arrival.
  package var received: UInt64 { call.received }
  /// `Monotonic.microseconds()` after which nobody wants the answer; nil for no limit.
  package var deadline: UInt64? { call.deadline }

  /// The client asked for the request to be given up. A handler looks at it between pieces of
  /// work and then fails with CANCELLED; a finished request is not undone.
  package var isCancelled: Bool { call.cancelFlag.isSet }

  /// Whether the deadline has passed.
  package var isExpired: Bool { deadline.map { Monotonic.microseconds() >= $0 } ?? false }
}

/// The one answer to a request. It can be completed from any thread; only the first completion
/// counts, and a reply that is dropped uncompleted answers INTERNAL.
package struct Reply<Response: WireMessage>: Sendable {
  let call: Call

  /// Says that the request is durable: its client may forget the bytes.
  package func accepted() { call.accepted() }

  /// Sends a piece ahead, best effort; the final answer must hold everything again.
  /// - Parameter offset: generated tokens of the sequence before this piece.
  package func partial(_ response: Response, offset: UInt64) {
    call.partial(response.encode(), offset: offset)
  }

  /// Answers OK.
  package func finish(_ response: Response, info: ReplyInfo = ReplyInfo()) {
    call.finish(Outcome(payload: response.encode(), info: info))
  }

  /// Answers with an error. On an ordered stream its code must consume the seq, unless nothing of
  /// the stream was started behind this request.
  package func fail(_ error: RPCError, info: ReplyInfo = ReplyInfo()) {
    call.finish(Outcome(error: error, info: info))
  }

  /// The same reply for another response type (a method table stores them as payloads).
  func typed<Other: WireMessage>(_ type: Other.Type) -> Reply<Other> { Reply<Other>(call: call) }
}

/// A payload is its own message: for handlers and clients that move bytes only.
extension Payload: WireMessage {
  package static func decode(_ payload: Payload) throws(WireError) -> Payload { payload }
  package func encode(inlineLimit: Int) -> Payload { self }
}
