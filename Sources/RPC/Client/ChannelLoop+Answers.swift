internal import DequeModule
internal import Logging
internal import Wire
internal import ZeroMQ

/// What the router says, and what becomes of the calls it speaks of.
extension ChannelLoop {
  struct Facts {
    var stream: StreamHandle?
    var call: ClientCall?
    var event: Event
    var epoch: UInt64
    var info: ReplyInfo
    var window: (requests: Int, bytes: Int)
    /// Read in full only where something unusual is said.
    var unusual: Unusual?
  }

  /// An object, so that usual answers do not carry the room for it about.
  final class Unusual {
    let header: ResponseHeader
    init(_ header: ResponseHeader) { self.header = header }
  }

  func receiveBatch() throws -> Int {
    var count = 0
    while count < Frames.perTurn {
      guard let (facts, more) = try socket.receive({ (read($0), $1) }) else { break }
      count += 1
      let received = try Frames.receivePayload(from: socket, more: more)
      if let facts, let received { handle(facts, received.payload) }
    }
    if count > 0 { lastReceived = Monotonic.milliseconds() }
    return count
  }

  func read(_ frame: UnsafeRawBufferPointer) -> Facts? {
    do throws(WireError) {
      let peek = try ResponsePeek(frame)
      let stream = stream(named: peek.stream)
      var info = ReplyInfo()
      info.queueMicroseconds = peek.queueMicroseconds
      info.computeMicroseconds = peek.computeMicroseconds
      info.cacheHitTokens = peek.cacheHitTokens
      info.costPromptTokens = peek.costPromptTokens
      info.costNewTokens = peek.costNewTokens
      let isUsual = peek.code == .ok && peek.event == .final
      return Facts(
        stream: stream, call: stream?.openCall(peek.seq), event: peek.event, epoch: peek.epoch,
        info: info,
        window: (Int(peek.windowRequests), Int(clamping: peek.windowBytes)),
        unusual: isUsual ? nil : Unusual(try ResponseHeader(decoding: frame)))
    } catch {
      logger.warning("a response header was not readable: \(error)")
      return nil
    }
  }

  func stream(named bytes: UnsafeRawBufferPointer) -> StreamHandle? {
    if let lastStream, lastStream.name.hasBytes(bytes) { return lastStream }
    guard let name = String(validating: bytes, as: UTF8.self) else { return nil }
    lastStream = streams[name]
    return lastStream
  }

  func handle(_ facts: Facts, _ payload: Payload) {
    if facts.window.requests > 0 { window.requests = facts.window.requests }
    if facts.window.bytes > 0 { window.bytes = facts.window.bytes }
    guard let call = facts.call, let stream = facts.stream else { return }
    // An owner that was replaced may still talk.
    guard facts.epoch == 0 || facts.epoch >= stream.epoch else { return }
    stream.epoch = max(stream.epoch, facts.epoch)
    switch facts.event {
    case .accepted:
      // Only owners of ordered streams keep requests; any other worker must be sent it again.
      guard call.method.ordering == .ordered, !call.isAccepted else { return }
      call.isAccepted = true
      if call.payload != nil { backpressure.remove(call.bytes) }
      call.payload = nil
    case .partial:
      call.partial(payload, offset: facts.unusual?.header.partialOffset ?? 0)
    case .final:
      guard case .sent = call.phase else { return }
      guard let header = facts.unusual?.header, header.code != .ok else {
        return close(call, .success(Answer(payload: payload, info: facts.info)))
      }
      failed(call, RPCError(header))
    }
  }

  func failed(_ call: ClientCall, _ error: RPCError) {
    let now = Monotonic.milliseconds()
    if error.code.isRetryable {
      // An ordered call is sent again also when nobody waits for it any more: without its seq
      // nothing behind it can run.
      var patience = call.submitted + configuration.patienceMilliseconds
      if call.method.ordering == .independent, let deadline = call.deadline { patience = deadline }
      if now < patience { return rest(call, error, now) }
    }
    if call.method.ordering == .ordered, !error.code.consumesSeq {
      // The seq was not used up and is not sent again: nothing behind it can ever run.
      return fail(call.stream, error)
    }
    close(call, .failure(error))
  }

  /// Its place in the window is free again.
  func leaveWindow(_ call: ClientCall) {
    guard call.hasPlace else { return }
    call.hasPlace = false
    outstanding.requests -= 1
    outstanding.bytes -= call.bytes
  }

  func rest(_ call: ClientCall, _ error: RPCError, _ now: UInt64) {
    // A call of an ordered stream keeps its place: were it given to one behind it, which waits for
    // this one, the window would be full of such and this one could never be sent again.
    if call.method.ordering == .independent { leaveWindow(call) }
    let (first, longest) = configuration.backoffMilliseconds
    let backoff = min(longest, first << UInt64(min(call.attempts - 1, 10)))
    let wait = max(UInt64(error.retryAfterMilliseconds), backoff)
    // Spread by up to a quarter, so that many clients do not come back at once.
    call.refusal = error
    call.phase = .resting(until: now + wait + UInt64.random(in: 0...wait / 4))
    resting.append(call)
    nextTick = min(nextTick, now + wait)
  }

  func close(_ call: ClientCall, _ outcome: ClientCall.Outcome) {
    call.phase = .answered
    leaveWindow(call)
    call.stream.close(call.seq)
    if call.payload != nil { backpressure.remove(call.bytes) }
    call.payload = nil
    call.resolve(outcome)
  }

  func fail(_ stream: StreamHandle, _ error: RPCError) {
    stream.fail(error)
    stream.brokenBy = error
    for case let call? in stream.open {
      leaveWindow(call)
      call.phase = .answered
      if call.payload != nil { backpressure.remove(call.bytes) }
      call.payload = nil
      call.resolve(.failure(error))
    }
    stream.open = []
    queue.removeAll { $0.stream === stream }
    returning.removeAll { $0.stream === stream }
    resting.removeAll { $0.stream === stream }
  }
}
