internal import Wire

/// Sends the typed requests of one stream in the order of the calls.
final class StreamSender: Sendable {
  let stream: String
  let transport: any Transport
  let timeout: Duration?
  private let queue = SubmissionQueue()

  init(_ stream: String, transport: any Transport, timeout: Duration?) {
    self.stream = stream
    self.transport = transport
    self.timeout = timeout
  }

  /// One request, one response.
  func send<Request: WireMessage, Response: WireMessage>(
    _ method: Method, _ request: Request, as response: Response.Type, promptTokens: Int = 0,
    newTokens: Int = 0
  ) -> Pending<Response> {
    let answer = send([call(method, request, promptTokens, newTokens)])[0]
    return Pending(from: answer) { try Response.decode($0.payload) }
  }

  /// The same with what the header says.
  func sendForAnswer<Request: WireMessage>(
    _ method: Method, _ request: Request, promptTokens: Int = 0, newTokens: Int = 0,
    onPartial: (@Sendable (Payload, Int) -> Void)? = nil
  ) -> Pending<Answer> {
    var call = call(method, request, promptTokens, newTokens)
    call.onPartial = onPartial
    return send([call])[0]
  }

  /// Requests that follow one another directly; with `.hold` later ones wait for `release`.
  func send(
    _ calls: [OutgoingCall], then after: SubmissionQueue.After = .next
  ) -> [Pending<Answer>] {
    let answers = calls.map { _ in Pending<Answer>() }
    queue.submit { [transport] in
      for (call, answer) in zip(calls, answers) { transport.send(call).forward(to: answer) }
      return after
    }
    return answers
  }

  /// Sends the last requests of the call that holds the stream.
  func release(sending calls: [OutgoingCall]) -> [Pending<Answer>] {
    var answers: [Pending<Answer>] = []
    queue.release { answers = calls.map { transport.send($0) } }
    return answers
  }

  /// A call of this stream.
  func call(
    _ method: Method, _ request: some WireMessage, _ promptTokens: Int = 0, _ newTokens: Int = 0
  ) -> OutgoingCall {
    OutgoingCall(
      method, stream: stream, payload: request.encode(), promptTokens: promptTokens,
      newTokens: newTokens, timeout: timeout)
  }
}
