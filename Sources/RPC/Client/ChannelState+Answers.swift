internal import DequeModule
internal import Logging
internal import Wire

/// What the router says, and what becomes of the calls it speaks of.
extension ChannelState {
  func read(_ frame: UnsafeRawBufferPointer) -> AnswerFacts? {
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
      return AnswerFacts(
        stream: stream, call: stream?.openCall(peek.seq), event: peek.event, epoch: peek.epoch,
        info: info,
        window: (Int(peek.windowRequests), Int(clamping: peek.windowBytes)),
        unusual: isUsual ? nil : UnusualAnswer(try ResponseHeader(decoding: frame)))
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

  func handle(_ facts: AnswerFacts, _ payload: Payload) {
    if facts.window.requests > 0 { window.requests = facts.window.requests }
    if facts.window.bytes > 0 { window.bytes = facts.window.bytes }
    guard let call = facts.call, let stream = facts.stream else { return }
    guard facts.epoch == 0 || facts.epoch >= stream.epoch else {
      // An owner that was replaced may still talk. Its answer does not count, but it may be all that
      // comes of what was sent last.
      guard facts.event == .final, case .sent = call.phase else { return }
      return failed(
        call,
        RPCError(
          .unavailable, "an owner of the stream that was replaced has answered",
          retryAfterMilliseconds: 100))
    }
    stream.epoch = max(stream.epoch, facts.epoch)
    switch facts.event {
    case .accepted:
      call.heard(now)
      // Only owners of ordered streams keep requests; any other worker must be sent it again.
      // The bytes are kept all the same: what is only promised may have to be sent again.
      if call.method.ordering == .ordered { call.isAccepted = true }
    case .partial:
      call.heard(now)
      call.hasPartial = true
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
    if error.code.isRetryable {
      // One that had been with the service is not refused for as long as it was there.
      let wasThere =
        call.isAccepted || call.hasPartial
        || now >= call.lastSent + configuration.askMilliseconds
      if wasThere || call.refusal == nil { call.refusedSince = now }
      call.isAccepted = false
      call.hasPartial = false
      // An ordered call is sent again also when nobody waits for it any more: without its seq
      // nothing behind it can run.
      let isOrdered = call.method.ordering == .ordered
      if !isOrdered, let deadline = call.deadline {
        return now < deadline ? rest(call, error) : close(call, .failure(Self.late(error)))
      }
      if now < call.refusedSince + configuration.patienceMilliseconds { return rest(call, error) }
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

  private func rest(_ call: ClientCall, _ error: RPCError) {
    // A call of an ordered stream keeps its place: were it given to one behind it, which waits for
    // this one, the window would be full of such and this one could never be sent again.
    if call.method.ordering == .independent { leaveWindow(call) }
    let (first, longest) = configuration.backoffMilliseconds
    let backoff = min(longest, first << UInt64(min(call.attempts - 1, 10)))
    let wait = max(UInt64(error.retryAfterMilliseconds), backoff)
    // Spread by up to a quarter, so that many clients do not come back at once.
    call.refusal = error
    call.phase = .resting(until: now + wait + spread(wait / 4))
    resting.append(call)
    nextTick = min(nextTick, now + wait)
  }

  func close(_ call: ClientCall, _ outcome: ClientCall.Outcome) {
    call.phase = .answered
    leaveWindow(call)
    call.stream.close(call.seq)
    if call.payload != nil { backpressure.remove(call.bytes) }
    call.payload = nil
    if !call.stream.ahead.isEmpty { followUp(call.stream) }
    call.resolve(outcome)
  }

  /// Calls of a stream that were too far ahead go on where they are not any more.
  private func followUp(_ stream: StreamHandle) {
    var isMoved = false
    while let next = stream.ahead.first, !stream.isTooFarAhead(next.seq) {
      queue.append(stream.ahead.removeFirst())
      isMoved = true
    }
    if isMoved { queue.sort { $0.order < $1.order } }
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
    stream.ahead = []
    queue.removeAll { $0.stream === stream }
    returning.removeAll { $0.stream === stream }
    resting.removeAll { $0.stream === stream }
  }
}

/// What a response header says, and of which call.
struct AnswerFacts {
  var stream: StreamHandle?
  var call: ClientCall?
  var event: Event
  var epoch: UInt64
  var info: ReplyInfo
  var window: (requests: Int, bytes: Int)
  /// Read in full only where something unusual is said.
  var unusual: UnusualAnswer?
}

/// The rest of a response header. An object, so that usual answers do not carry the room for it about.
final class UnusualAnswer {
  let header: ResponseHeader
  init(_ header: ResponseHeader) { self.header = header }
}
