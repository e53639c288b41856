internal import DequeModule
package import Wire

/// One stream of requests: a model, a sampling session, or the control calls of a channel.
///
/// Submitting is not `async`: the seq is taken when `submit` is called, so the order of a stream is
/// the order of the calls, whatever happens to the tasks that wait.
///
/// `@unchecked Sendable`: the fields of the first group are guarded by the outbox's lock, those of
/// the second belong to the channel's I/O thread.
package final class StreamHandle: @unchecked Sendable {
  /// The stream's name on the wire.
  package let name: String
  let outbox: Outbox<ChannelEvent>
  private let backpressure: Backpressure

  // Guarded by the outbox's lock.
  @exclusivity(unchecked) private var nextSeq: UInt64
  @exclusivity(unchecked) private var failure: RPCError?

  // MARK: Of the I/O thread

  /// Calls without a final answer; the first has the seq `firstOpen`.
  @exclusivity(unchecked) var open: Deque<ClientCall?> = []
  @exclusivity(unchecked) var firstOpen: UInt64
  /// Calls that are too far ahead of it to be sent.
  @exclusivity(unchecked) var ahead: Deque<ClientCall> = []
  @exclusivity(unchecked) var epoch: UInt64 = 0
  @exclusivity(unchecked) var isRegistered = false
  /// Set when a seq can never be used up: nothing of the stream is sent any more.
  @exclusivity(unchecked) var brokenBy: RPCError?

  init(
    name: String, firstSeq: UInt64, outbox: Outbox<ChannelEvent>, backpressure: Backpressure
  ) {
    self.name = name
    self.outbox = outbox
    self.backpressure = backpressure
    nextSeq = firstSeq
    firstOpen = firstSeq
  }

  /// Hands a request to the channel and returns at once.
  package func submit<Request: WireMessage, Response: WireMessage>(
    _ method: Method, _ request: Request, _ response: Response.Type = Response.self,
    options: CallOptions = CallOptions()
  ) -> Pending<Response> {
    // Over the limit the value waits as it is; the I/O thread encodes it when its turn comes.
    let payload = backpressure.hasRoom ? request.encode() : nil
    let bytes = payload?.byteCount ?? 0
    backpressure.add(bytes)
    let (call, refusal) = outbox.withQueue { queue -> (ClientCall, RPCError?) in
      let call = ClientCall(method: method, seq: nextSeq, stream: self, options: options)
      if let failure = self.failure { return (call, failure) }
      call.payload = payload
      call.bytes = bytes
      if payload == nil { call.encode = { request.encode() } }
      nextSeq += 1
      queue.append(.submit(call))
      return (call, nil)
    }
    if let refusal {
      backpressure.remove(bytes)
      call.resolve(.failure(refusal))
    }
    return Pending(call: call)
  }

  /// Submits and waits.
  /// - Throws: `RPCError`.
  package func call<Request: WireMessage, Response: WireMessage>(
    _ method: Method, _ request: Request, _ response: Response.Type = Response.self,
    options: CallOptions = CallOptions()
  ) async throws -> Response {
    try await submit(method, request, Response.self, options: options).value()
  }

  /// From now on every submission fails with this error.
  func fail(_ error: RPCError) {
    outbox.withQueue { _ in if failure == nil { failure = error } }
  }

  // MARK: Of the I/O thread

  /// Every answer up to it was received; 0 for none.
  var acked: UInt64 { firstOpen == 0 ? 0 : firstOpen - 1 }

  /// Whether the answer of a request could push an older one's out of what the service keeps.
  func isTooFarAhead(_ seq: UInt64) -> Bool {
    seq >= firstOpen && seq - firstOpen >= ChannelLimits.seqsAhead
  }

  /// Adds a call, in the order of seqs.
  func append(_ call: ClientCall) { open.append(call) }

  func openCall(_ seq: UInt64) -> ClientCall? {
    guard seq >= firstOpen, seq - firstOpen < UInt64(open.count) else { return nil }
    return open[Int(seq - firstOpen)]
  }

  /// The call has its final answer.
  func close(_ seq: UInt64) {
    guard seq >= firstOpen, seq - firstOpen < UInt64(open.count) else { return }
    open[Int(seq - firstOpen)] = nil
    while let first = open.first, first == nil {
      open.removeFirst()
      firstOpen += 1
    }
  }
}
