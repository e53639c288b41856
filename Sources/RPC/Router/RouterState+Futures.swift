internal import DequeModule
internal import Wire

/// `Futures.Await` and `Futures.Cancel`: they name the key of another request.
extension RouterState {
  /// Neither has an answer of its own: the named request's answer says what became of it.
  mutating func future(
    _ method: Method, _ peek: RequestPeek, _ parcel: Parcel, _ charge: Charge, place: Int,
    _ client: ConnectionID, _ now: UInt64
  ) throws(RPCError) {
    if method == .futuresCancel {
      cancel(peek.seq, place: place)
      return actions.append(.drop(parcel))
    }
    try awaitAnswer(peek, parcel, charge, place: place, client, now)
  }

  /// Somebody asks for a request that has been here for long: what is known of it, for the log.
  private mutating func noteOld(_ seq: UInt64, place: Int, _ now: UInt64) {
    let age: (UInt64) -> UInt64? = { arrived in
      let age = now - min(now, arrived)
      return age >= RouterLimits.oldRequestMilliseconds ? age / 1000 : nil
    }
    let stream = streams[place].name
    if let running = streams[place].requests.inFlight[seq], let seconds = age(running.arrived) {
      let worker = running.worker
      actions.append(
        .note(
          "seq \(seq) of \(stream) is asked for after \(seconds) s: it is at worker "
            + "\(details[worker].name)\(workers[worker].isConnected ? "" : ", which is away"), "
            + "owner \(streams[place].owner), epoch \(streams[place].epoch), "
            + "\(running.copies) answers owed, progress \(workers[worker].progress)"))
    } else if let held = streams[place].requests.held[seq], let seconds = age(held.arrived) {
      actions.append(
        .note(
          "seq \(seq) of \(stream) is asked for after \(seconds) s: it waits here, next seq "
            + "\(streams[place].requests.next), owner \(streams[place].owner), epoch "
            + "\(streams[place].epoch), \(streams[place].isQueued ? "queued for room" : "not queued")"
        ))
    }
  }

  private mutating func cancel(_ seq: UInt64, place: Int) {
    if let running = streams[place].requests.inFlight[seq] {
      return command(.cancel(stream: streams[place].name, seq: seq), to: running.worker)
    }
    refuseHeld(seq, place: place, RPCError(.cancelled, "cancelled before it ran"))
  }

  /// A held request will not run. In an ordered stream its seq is used up at its turn.
  mutating func refuseHeld(_ seq: UInt64, place: Int, _ error: RPCError) {
    guard streams[place].ordering == .ordered else {
      return refuseHeldNow(seq, place: place, error)
    }
    guard let request = streams[place].requests.held[seq], request.refusal == nil else { return }
    dropParcels(request)
    giveBackHeld(request.charge)
    giveBack(request.charge, requests: 0)
    if request.deadline > 0 { timedRequests -= 1 }
    streams[place].requests.updateHeld(seq) { held in
      held.refusal = error
      held.parcel = nil
      held.copies = []
      held.deadline = 0
      held.charge.bytes = 0
      held.cost = 1
    }
  }

  private mutating func awaitAnswer(
    _ peek: RequestPeek, _ parcel: Parcel, _ charge: Charge, place: Int, _ client: ConnectionID,
    _ now: UInt64
  ) throws(RPCError) {
    let seq = peek.seq
    noteOld(seq, place: place, now)
    if seq == 0 { streams[place].isCreated = true }
    if let running = streams[place].requests.inFlight[seq] {
      moveConnection(place, seq, to: client)
      actions.append(.drop(parcel))
      return verify(seq, place: place, at: running.worker)
    }
    if streams[place].requests.held.contains(seq) {
      moveConnection(place, seq, to: client)
      actions.append(.drop(parcel))
      return lookAgain(place, now)
    }
    if streams[place].owner == .gone, !rules.recoversModels { throw Self.modelIsLost }
    if streams[place].ordering == .ordered, rules.recoversModels {
      try findOwner(place, peek, now)
    }
    let question = Question(
      seq: seq, parcel: parcel, charge: charge, connection: client, arrived: now)
    if case .opening = streams[place].owner { return try hold(question, place: place, now) }
    guard let worker = streams[place].worker, workers[worker].isConnected else {
      throw Self.notHere(seq)
    }
    try checkRepeat(charge, at: worker)
    take(charge)
    forward(question, place: place, to: worker, now)
  }

  private static func notHere(_ seq: UInt64) -> RPCError {
    RPCError(
      .unavailable, "seq \(seq) is not here; send the request again", retryAfterMilliseconds: 50)
  }

  // MARK: Questions to an owner

  /// The owner is on its way; it is asked when it is there.
  private mutating func hold(
    _ question: Question, place: Int, _ now: UInt64
  ) throws(RPCError) {
    if let refusal = windowRefusal(question.charge) ?? shareRefusal(question.charge, isHeld: true) {
      throw refusal
    }
    take(question.charge)
    takeHeld(question.charge)
    if let earlier = streams[place].questions.firstIndex(where: { $0.seq == question.seq }) {
      // Whoever asked last is answered.
      let old = streams[place].questions.remove(at: earlier)
      giveBackHeld(old.charge)
      giveBack(old.charge)
      actions.append(.drop(old.parcel))
    }
    streams[place].questions.append(question)
    watchGap(place, now)
  }

  /// The owner is there: what it has not run and nobody has sent is not anywhere.
  mutating func askQuestions(_ place: Int, _ worker: Int, _ now: UInt64) {
    for question in takeQuestions(place) {
      if streams[place].requests.inFlight.contains(question.seq)
        || streams[place].requests.held.contains(question.seq)
      {
        moveConnection(place, question.seq, to: question.connection)
        giveBack(question.charge)
        actions.append(.drop(question.parcel))
      } else {
        forward(question, place: place, to: worker, now)
      }
    }
  }

  /// - Parameter arrivedBefore: only those that came by then.
  mutating func refuseQuestions(
    _ place: Int, _ error: RPCError, arrivedBefore time: UInt64 = .max
  ) {
    for question in takeQuestions(place, arrivedBefore: time) {
      giveBack(question.charge)
      answer(error, stream: clientName(place), seq: question.seq, to: question.connection)
      actions.append(.drop(question.parcel))
    }
  }

  /// Takes questions off the stream and out of what waits here; they stay on the other accounts.
  private mutating func takeQuestions(
    _ place: Int, arrivedBefore time: UInt64 = .max
  ) -> [Question] {
    guard !streams[place].questions.isEmpty else { return [] }
    let taken = streams[place].questions.filter { $0.arrived <= time }
    streams[place].questions.removeAll { $0.arrived <= time }
    for question in taken { giveBackHeld(question.charge) }
    return taken
  }

  /// Passes a question, which is on its accounts, to the worker that may have the answer.
  private mutating func forward(
    _ question: Question, place: Int, to worker: Int, _ now: UInt64
  ) {
    let (seq, charge) = (question.seq, question.charge)
    counters.inFlight += 1
    workers[worker].bytes += charge.bytes
    streams[place].requests.dispatched(
      InFlight(
        connection: question.connection, charge: charge, worker: worker, room: nil, cost: 0,
        arrived: now, copies: 1),
      seq: seq)
    actions.append(.forward(question.parcel, to: workers[worker].connection))
  }

  // MARK: Looking again

  /// A request at a worker is asked for: the worker says again what it knows of it, unless it runs.
  /// One of the two may have lost what the other one said.
  mutating func verify(_ seq: UInt64, place: Int, at worker: Int) {
    command(
      .verify(
        stream: streams[place].name, seq: seq,
        epoch: streams[place].ordering == .ordered ? streams[place].epoch : 0),
      to: worker)
  }

  /// A request that waits here is asked for: what it waits for is looked at again. What is behind it
  /// at the worker may be all that keeps it waiting (of a suspect that runs alone, for instance).
  private mutating func lookAgain(_ place: Int, _ now: UInt64) {
    for entry in streams[place].requests.inFlight.entries {
      verify(entry.seq, place: place, at: entry.value.worker)
    }
    switch streams[place].owner {
    case .opening(let worker): askToOpen(place, worker, now)
    case .open(let worker):
      advance(place)
      drainAll(of: worker)
    case .none, .gone:
      drainPool()
      serveSuspects()
    }
  }
}
