internal import Logging
internal import Wire

/// Which streams are here: what the router says of them, opening and forgetting.
extension ServiceState {
  func obey(_ message: Result<RouterMessage, WireError>) {
    switch message {
    case .success(.welcome), .success(.heartbeat): break
    case .success(.registerAgain): sayHello()
    case .success(.refused(let reason)): refusal = RPCError(.failedPrecondition, reason)
    case .success(.open(let stream, let epoch)): open(stream, epoch: epoch)
    case .success(.close(let stream, let epoch)):
      // It may come behind an `open` at a higher epoch, which counts.
      if let entry = streams[stream], max(entry.epoch, entry.opening ?? 0) <= epoch {
        forget(entry)
      }
    case .success(.cancel(let stream, let seq)):
      streams[stream]?.calls[seq]?.set()
    case .success(.verify(let stream, let seq, let epoch)):
      verify(stream, seq: seq, epoch: epoch)
    case .success(.sessionEnded(let session)):
      for entry in streams.values where entry.name.hasPrefix("\(session):") { forget(entry) }
      configuration.sessionEnded(session)
    case .failure(let error):
      logger.warning("a control message from the router was not readable: \(error)")
    }
  }

  private func open(_ stream: String, epoch: UInt64) {
    var entry = entry(named: stream)
    guard let journal = configuration.journal else {
      entry.epoch = max(entry.epoch, epoch)
      entry.log = entry.log ?? StreamLog()
      return sayOpened(entry)
    }
    if entry.log != nil {
      // Asked again: its first word may be lost.
      if epoch <= entry.epoch { return sayOpened(entry) }
      // Somebody else may have owned it since: only the journal knows what has run.
      forget(entry)
      entry = self.entry(named: stream)
    }
    if let before = entry.opening, before >= epoch { return }
    entry.opening = epoch
    journal.open(stream, epoch: epoch) { [control] result in
      control.outbox.push(.opened(stream, epoch: epoch, result))
    }
  }

  private func sayOpened(_ entry: StreamEntry) {
    let nextSeq = entry.log?.nextSeq ?? 0
    send(.opened(OwnedStream(stream: entry.name, nextSeq: nextSeq, epoch: entry.epoch)))
  }

  func opened(_ stream: String, epoch: UInt64, _ result: OpenedLog) {
    guard let entry = streams[stream], let opening = entry.opening else {
      // It was closed meanwhile: what was made for it is not needed.
      if streams[stream]?.log == nil { release(stream) }
      return
    }
    // It is being opened anew.
    guard opening == epoch else { return }
    entry.opening = nil
    entry.epoch = epoch
    switch result {
    case .log(let log):
      entry.log = log
      sayOpened(entry)
    case .unavailable(let error):
      logger.error("stream \(entry.name) cannot be opened: \(error)")
      sayClosed(stream, epoch: epoch, error)
      forget(entry)
      release(stream)
    }
  }

  private func sayClosed(_ stream: String, epoch: UInt64, _ error: RPCError?) {
    send(
      .closed(
        OwnedStream(stream: stream, epoch: epoch), code: error?.code ?? .ok,
        message: error?.message ?? ""))
  }

  /// Whoever runs the stream says that it is no longer owned here.
  func closed(_ stream: String, epoch: UInt64?, _ error: RPCError?) {
    guard let entry = streams[stream], entry.log != nil else { return }
    // Said of an owner before: it has been opened anew.
    guard epoch == nil || entry.epoch == epoch else { return }
    sayClosed(stream, epoch: entry.epoch, error)
    forget(entry)
  }

  func forget(_ entry: StreamEntry) {
    for flag in entry.calls.values { flag.set() }
    if entry.log != nil || entry.opening != nil { release(entry.name) }
    entry.log = nil
    entry.opening = nil
    streams[entry.name] = nil
    if lastEntry === entry { lastEntry = nil }
  }

  private func release(_ stream: String) {
    configuration.closeStream(stream)
    configuration.journal?.closed(stream)
  }

  /// The router has a request for a stream that is not here: it believes in an owner that is gone.
  func refuseUnowned(_ entry: StreamEntry) {
    sayClosed(
      entry.name, epoch: 0,
      RPCError(.unavailable, "stream \(entry.name) is not at this worker"))
  }

  // MARK: Asking

  /// The router was asked for a request that it believes to be here. While it runs here its answer
  /// will come by itself; everything else is said again.
  /// - Parameter epoch: 0 for a stream whose requests are independent.
  private func verify(_ stream: String, seq: UInt64, epoch: UInt64) {
    let entry = streams[stream]
    guard epoch > 0 else {
      guard entry?.calls[seq] == nil else { return noteAsked(stream, seq, "is running") }
      noteAsked(stream, seq, "is not here")
      let error = RPCError(.unavailable, "seq \(seq) was not received; send it again")
      return sendFinal(entry ?? self.entry(named: stream), seq, 0, Outcome(error: error))
    }
    guard let entry, let log = entry.log else {
      guard entry?.opening == nil else {
        return noteAsked(stream, seq, "its stream is being opened")
      }
      noteAsked(stream, seq, "its stream is not here")
      return refuseUnowned(entry ?? self.entry(named: stream))
    }
    switch log.status(of: seq) {
    case .run, .alreadyRunning: noteAsked(stream, seq, "is running; seq \(log.nextSeq) is next")
    case .replay(let outcome):
      noteAsked(stream, seq, "was answered")
      sendFinal(entry, seq, 0, outcome)
    case .refuse(let error):
      noteAsked(stream, seq, error.description)
      sendFinal(entry, seq, 0, Outcome(error: error))
    }
  }

  /// For the day when an answer is missed: what is known of it here.
  private func noteAsked(_ stream: String, _ seq: UInt64, _ what: String) {
    guard now >= nextLine else { return }
    nextLine = now + 1_000_000
    logger.notice("asked for seq \(seq) of \(stream): \(what)")
  }
}
