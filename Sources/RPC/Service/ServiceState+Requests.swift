internal import Synchronization
internal import Wire

/// What happens to one request: the stream's log decides, a handler works, the outcome is sent.
extension ServiceState {
  func perform(
    _ facts: RequestFacts, _ entry: StreamEntry, _ payload: Payload
  ) {
    guard let method = facts.method else {
      let error = RPCError(.unimplemented, "method \(facts.methodNumber)")
      return sendFinal(entry, facts.seq, facts.traceID, Outcome(error: error))
    }
    if method == .futuresAwait {
      guard let verdict = entry.log?.await(seq: facts.seq, acked: facts.acked) else {
        return refuseUnowned(entry)
      }
      return act(on: verdict, method, facts, entry, payload)
    }
    guard method.ordering == .ordered else {
      return start(method, facts, entry, payload)
    }
    let digest = facts.refusal == nil ? PayloadDigest(payload) : nil
    let verdict = entry.log?.begin(seq: facts.seq, digest: digest, acked: facts.acked)
    guard let verdict else { return refuseUnowned(entry) }
    if let journal = configuration.journal, case .run = verdict {
      journal.admitted(
        AdmittedRequest(
          stream: entry.name, epoch: entry.epoch, seq: facts.seq, acked: facts.acked,
          method: method, flags: facts.flags, sessionToken: entry.token, digest: digest,
          payload: payload))
    }
    act(on: verdict, method, facts, entry, payload)
  }

  private func act(
    on verdict: StreamLog.Verdict, _ method: Method, _ facts: RequestFacts, _ entry: StreamEntry,
    _ payload: Payload
  ) {
    switch verdict {
    case .run: start(method, facts, entry, payload)
    case .replay(let outcome): sendFinal(entry, facts.seq, facts.traceID, outcome)
    case .alreadyRunning: break
    case .refuse(let error):
      sendFinal(entry, facts.seq, facts.traceID, Outcome(error: error))
    }
  }

  private func start(
    _ method: Method, _ facts: RequestFacts, _ entry: StreamEntry, _ payload: Payload
  ) {
    let call = Call(
      method: method, entry: entry, facts: facts, received: now, journal: configuration.journal,
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

  /// The stream that a request was begun for; nil if that is forgotten, also when the stream is here
  /// again: its log knows of the request, or of its client's repeat.
  private func entry(of key: ReplyEvent.Key) -> StreamEntry? {
    guard let entry = knownEntry(key.stream), entry.generation == key.generation else { return nil }
    return entry
  }

  /// Something that a handler said.
  func handle(_ event: ReplyEvent) {
    let key = event.key
    guard let entry = entry(of: key) else { return }
    switch event.kind {
    case .accepted:
      send(header(entry, key.seq, key.traceID, .accepted), .empty)
    case .partial(let payload, let offset):
      var header = header(entry, key.seq, key.traceID, .partial)
      header.partialOffset = offset
      send(header, payload)
    case .forgotten:
      let outcome = Outcome(error: RPCError(.internal, "the service gave no answer"))
      guard key.isOrdered, let journal = configuration.journal else {
        return finish(key, outcome)
      }
      settle(key, outcome, ran: true, in: journal)
    }
  }

  /// The loop itself has decided what became of a request: that is recorded before it is told.
  private func settle(
    _ key: ReplyEvent.Key, _ outcome: Outcome, ran: Bool, in journal: any StreamJournal
  ) {
    journal.finished(key.stream, epoch: key.epoch, seq: key.seq, outcome, ran: ran) { [control] in
      control.outbox.push(.settled(key, outcome))
    }
  }

  /// A handler is done with a request.
  func finish(_ key: ReplyEvent.Key, _ outcome: Outcome) {
    guard let entry = entry(of: key) else { return }
    if key.isOrdered, !outcome.code.consumesSeq, let journal = configuration.journal,
      let settled = entry.log?.settled(seq: key.seq, outcome), settled.code.consumesSeq
    {
      return settle(key, settled, ran: false, in: journal)
    }
    entry.unfinished -= 1
    if !entry.calls.isEmpty { entry.calls[key.seq] = nil }
    guard key.isOrdered, entry.log != nil else {
      return sendFinal(entry, key.seq, key.traceID, outcome)
    }
    guard
      case .answer(let recorded, let times)? = entry.log?.finish(seq: key.seq, outcome: outcome)
    else { return }
    for _ in 0..<times { sendFinal(entry, key.seq, key.traceID, recorded) }
  }

  func sendFinal(
    _ entry: StreamEntry, _ seq: UInt64, _ traceID: UInt64, _ outcome: Outcome
  ) {
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
    send(header, outcome.payload)
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
