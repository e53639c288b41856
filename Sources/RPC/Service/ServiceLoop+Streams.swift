internal import Logging
internal import Wire

/// Which streams are here: what the router says of them, opening and forgetting.
extension ServiceLoop {
  func obey(_ message: Result<RouterMessage, WireError>) throws {
    switch message {
    case .success(.welcome), .success(.heartbeat): break
    case .success(.registerAgain): try sayHello()
    case .success(.refused(let reason)): throw RPCError(.failedPrecondition, reason)
    case .success(.open(let stream, let epoch)): try open(stream, epoch: epoch)
    case .success(.close(let stream, let epoch)):
      if let entry = streams[stream], entry.epoch <= epoch { forget(entry) }
    case .success(.cancel(let stream, let seq)):
      streams[stream]?.calls[seq]?.set()
    case .success(.sessionEnded(let session)):
      for entry in streams.values where entry.name.hasPrefix("\(session):") { forget(entry) }
      configuration.sessionEnded(session)
    case .failure(let error):
      logger.warning("a control message from the router was not readable: \(error)")
    }
  }

  private func open(_ stream: String, epoch: UInt64) throws {
    let entry = entry(named: stream)
    guard entry.log == nil, let journal = configuration.journal else {
      return try opened(entry, epoch: epoch, .log(entry.log ?? StreamLog()))
    }
    if let before = entry.opening, before >= epoch { return }
    entry.opening = epoch
    journal.open(stream, epoch: epoch) { [control] result in
      control.outbox.push(.opened(stream, epoch: epoch, result))
    }
  }

  func opened(_ entry: StreamEntry, epoch: UInt64, _ result: OpenedLog) throws {
    entry.opening = nil
    entry.epoch = max(entry.epoch, epoch)
    switch result {
    case .log(let log):
      entry.log = log
      try send(
        .opened(OwnedStream(stream: entry.name, nextSeq: log.nextSeq, epoch: entry.epoch)))
    case .unavailable(let error):
      logger.error("stream \(entry.name) cannot be opened: \(error)")
      try send(
        .closed(
          OwnedStream(stream: entry.name, epoch: entry.epoch), code: error.code,
          message: error.message))
      forget(entry)
    }
  }

  func forget(_ entry: StreamEntry) {
    for flag in entry.calls.values { flag.set() }
    if entry.log != nil || entry.opening != nil {
      configuration.closeStream(entry.name)
      configuration.journal?.closed(entry.name)
    }
    entry.log = nil
    entry.opening = nil
    streams[entry.name] = nil
    if lastEntry === entry { lastEntry = nil }
  }
}
