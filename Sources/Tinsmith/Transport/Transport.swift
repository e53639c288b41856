package import Wire

/// What the clients need of a connection; tests put a fake in its place.
package protocol Transport: Sendable {
  /// Sends a request and returns at once. Requests of one stream get their seqs, from 0, in the
  /// order of these calls.
  func send(_ call: OutgoingCall) -> Pending<Answer>

  /// The token of the session, which every later request carries.
  func use(token: String)

  /// Suspends while too many bytes wait to be sent.
  func ready() async

  /// Ends the connection; what is outstanding fails.
  func close()
}

/// A request on its way out.
package struct OutgoingCall: Sendable {
  /// The method.
  package var method: Method
  /// The stream that the request belongs to; may be empty for methods without one.
  package var stream: String
  /// The encoded request.
  package var payload: Payload
  /// Tokens that go in, for the router's bookkeeping.
  package var promptTokens: Int
  /// The most tokens that may come out.
  package var newTokens: Int
  /// How long the answer is wanted; nil for ever.
  package var timeout: Duration?
  /// Asks for pieces of the answer ahead, with the tokens before each; they come in order and may be
  /// missing.
  package var onPartial: (@Sendable (Payload, _ offset: Int) -> Void)?
  /// Applies gradients after a pass that failed.
  package var appliesPartial = false

  package init(
    _ method: Method, stream: String = "", payload: Payload, promptTokens: Int = 0,
    newTokens: Int = 0, timeout: Duration? = nil
  ) {
    self.method = method
    self.stream = stream
    self.payload = payload
    self.promptTokens = promptTokens
    self.newTokens = newTokens
    self.timeout = timeout
  }
}

/// What came back: the body, and what the header says about the run.
package struct Answer: Sendable {
  /// The encoded response.
  package var payload: Payload
  /// Prompt tokens that the service had in its cache.
  package var cacheHitTokens: Int

  package init(payload: Payload, cacheHitTokens: Int = 0) {
    self.payload = payload
    self.cacheHitTokens = cacheHitTokens
  }
}
