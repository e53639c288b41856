internal import Synchronization
internal import Wire

/// What happens to one request: the stream's log decides, a handler works, the outcome is sent.
extension ServiceLoop {
  func perform(
    _ facts: RequestFacts, _ entry: StreamEntry, _ payload: Payload
  ) throws {
    guard let method = facts.method else {
      let error = RPCError(.unimplemented, "method \(facts.methodNumber)")
      return try sendFinal(entry, facts.seq, facts.traceID, Outcome(error: error))
    }
    if method == .futuresAwait {
      guard let verdict = entry.log?.await(seq: facts.seq, acked: facts.acked) else {
        return try refuseUnowned(facts, entry)
      }
      return try act(on: verdict, method, facts, entry, payload)
    }
    guard method.ordering == .ordered else {
      return start(method, facts, entry, payload)
    }
    let digest = facts.refusal == nil ? PayloadDigest(payload) : nil
    let verdict = entry.log?.begin(seq: facts.seq, digest: digest, acked: facts.acked)
    guard let verdict else { return try refuseUnowned(facts, entry) }
    if let journal = configuration.journal, case .run = verdict {
      journal.admitted(
        AdmittedRequest(
          stream: entry.name, seq: facts.seq, acked: facts.acked, method: method,
          flags: facts.flags, sessionToken: entry.token, digest: digest, payload: payload))
    }
    try act(on: verdict, method, facts, entry, payload)
  }

  private func act(
    on verdict: StreamLog.Verdict, _ method: Method, _ facts: RequestFacts, _ entry: StreamEntry,
    _ payload: Payload
  ) throws {
    switch verdict {
    case .run: start(method, facts, entry, payload)
    case .replay(let outcome): try sendFinal(entry, facts.seq, facts.traceID, outcome)
    case .alreadyRunning: break
    case .refuse(let error):
      try sendFinal(entry, facts.seq, facts.traceID, Outcome(error: error))
    }
  }

  private func refuseUnowned(_ facts: RequestFacts, _ entry: StreamEntry) throws {
    let error = RPCError(
      .unavailable, "stream \(entry.name) is not at this worker", retryAfterMilliseconds: 50)
    try sendFinal(entry, facts.seq, facts.traceID, Outcome(error: error))
  }

  private func start(
    _ method: Method, _ facts: RequestFacts, _ entry: StreamEntry, _ payload: Payload
  ) {
    let call = Call(
      method: method, stream: entry.name, facts: facts, sessionToken: entry.token,
      received: Monotonic.microseconds(), journal: configuration.journal,
      outbox: control.outbox)
    entry.unfinished += 1
    if let refusal = facts.refusal {
      configuration.requestRefused(entry.name, method)
      return call.finish(Outcome(error: refusal))
    }
    guard let handler = methods.handler(of: method) else {
      call.finish(
        Outcome(error: RPCError(.unimplemented, "\(method.fullName) is not served here")))
      return
    }
    handler(payload, CallContext(call: call), Reply(call: call))
    // What has an outcome cannot be cancelled; what has not gets it in a later turn.
    if !call.isFinished { entry.calls[facts.seq] = call.cancelFlag }
  }

  /// Something that a handler said.
  func handle(_ event: ReplyEvent) throws {
    let key = event.key
    guard let entry = knownEntry(key.stream) else { return }
    switch event.kind {
    case .accepted:
      try send(header(entry, key.seq, key.traceID, .accepted), .empty)
    case .partial(let payload, let offset):
      var header = header(entry, key.seq, key.traceID, .partial)
      header.partialOffset = offset
      try send(header, payload)
    case .forgotten:
      let outcome = Outcome(error: RPCError(.internal, "the service gave no answer"))
      guard key.isOrdered, let journal = configuration.journal else {
        return try finish(key, outcome)
      }
      journal.finished(key.stream, seq: key.seq, outcome, ran: true) { [control] in
        control.outbox.push(.settled(key, outcome))
      }
    }
  }

  /// A handler is done with a request.
  func finish(_ key: ReplyEvent.Key, _ outcome: Outcome) throws {
    guard let entry = knownEntry(key.stream) else { return }
    // Fewer than none: the stream was forgotten and has come back meanwhile.
    entry.unfinished = max(0, entry.unfinished - 1)
    if !entry.calls.isEmpty { entry.calls[key.seq] = nil }
    guard key.isOrdered, entry.log != nil else {
      return try sendFinal(entry, key.seq, key.traceID, outcome)
    }
    guard
      case .answer(let recorded, let times)? = entry.log?.finish(seq: key.seq, outcome: outcome)
    else { return }
    for _ in 0..<times { try sendFinal(entry, key.seq, key.traceID, recorded) }
  }

  func sendFinal(
    _ entry: StreamEntry, _ seq: UInt64, _ traceID: UInt64, _ outcome: Outcome
  ) throws {
    var header = header(entry, seq, traceID, .final)
    if let error = outcome.error {
      header.code = error.code
      header.message = error.message
      header.field = error.field
      header.retryAfterMilliseconds = error.retryAfterMilliseconds
    }
    header.queueMicroseconds = outcome.info.queueMicroseconds
    header.computeMicroseconds = outcome.info.computeMicroseconds
    header.cacheHitTokens = outcome.info.cacheHitTokens
    header.costPromptTokens = outcome.info.costPromptTokens
    header.costNewTokens = outcome.info.costNewTokens
    try send(header, outcome.payload)
  }

  private func header(
    _ entry: StreamEntry, _ seq: UInt64, _ traceID: UInt64, _ event: Event
  ) -> ResponseHeader {
    var header = ResponseHeader(
      stream: entry.name, seq: seq, epoch: entry.epoch, event: event, traceID: traceID)
    if configuration.isKeeper {
      // Every client talks to the keeper first, and so learns its window.
      header.windowRequests = UInt32(RouterLimits.windowRequests)
      header.windowBytes = UInt64(RouterLimits.windowBytes)
    }
    return header
  }
}
