package import Wire

/// How a channel behaves.
package struct ClientConfiguration: Sendable {
  /// The router's endpoint for clients.
  package var endpoint: String
  /// Name and version of the client software, for the router's log.
  package var clientName = "tinsmith-swift"
  /// Requests outstanding at once until the router grants a window.
  package var initialWindowRequests = 64
  /// Bytes outstanding at once until the router grants a window.
  package var initialWindowBytes = 64 << 20
  /// Encoded bytes kept in this process; beyond it values wait un-encoded and `ready` suspends.
  package var encodedBytes = 256 << 20
  /// After so long without a word from the router the channel asks for one ...
  package var heartbeatMilliseconds: UInt64 = 2000
  /// A session is kept alive this often, however much else is said.
  package var leaseHeartbeatMilliseconds: UInt64 = 10_000
  /// ... and after so long it opens a new connection and sends again what has no answer.
  package var silenceMilliseconds: UInt64 = 6000
  /// A request of which nothing was heard for so long is asked for, and less and less often again.
  package var askMilliseconds: UInt64 = 30_000
  /// How long UNAVAILABLE and its like are waited out for a request without a time-out, from the first
  /// of them on, and how long a service that says nothing at all.
  package var patienceMilliseconds: UInt64 = 300_000
  /// The first and the longest wait before a request is sent again, where the router names none.
  package var backoffMilliseconds: (first: UInt64, longest: UInt64) = (10, 1000)

  package init(endpoint: String) { self.endpoint = endpoint }
}

/// What may be said about one call.
package struct CallOptions: Sendable {
  /// After it the answer is no longer wanted: the call fails with DEADLINE_EXCEEDED.
  package var timeout: Duration?
  /// Prompt or training tokens of the request.
  package var costPromptTokens: UInt64 = 0
  /// The most tokens that the request may generate.
  package var costNewTokens: UInt64 = 0
  /// Bits of the header.
  package var flags = RequestHeader.Flags()
  /// For logs; 0 for none.
  package var traceID: UInt64 = 0

  package init() {}
}
