internal import Wire

/// Suspects run alone: at a worker with nothing else, and nothing else goes there meanwhile.
extension RouterState {
  /// A worker crashed with these requests.
  mutating func suspect(_ keys: [RequestKey], alone: RequestKey?, _ now: UInt64) {
    let there = keys.map { key in
      (key, tenant: place(of: key).map { sessions[streams[$0].session].tenant } ?? 0)
    }
    suspects.crashed(there, alone: alone, now: now)
  }

  /// Whether a request was at a worker that crashed, and has not been answered since.
  func isSuspect(_ place: Int, _ seq: UInt64) -> Bool {
    suspects.crashes(of: key(place, seq)) != nil
  }

  /// The refusal of a request that crashed too many workers alone.
  func condemnation(of key: RequestKey) -> RPCError? {
    guard let crashes = suspects.crashes(of: key) else { return nil }
    return crashes < SuspectTable.maximumCrashes ? nil : Self.condemned
  }

  /// Gives waiting suspects workers of their own: those of a model its owner, others idle ones, or
  /// else one that is kept free for them from now on.
  mutating func serveSuspects() {
    // What is done here leads here again: the loop that is at work sees to that.
    guard !isServingSuspects else { return }
    isServingSuspects = true
    defer { isServingSuspects = false }
    while let item = waitingSuspects.first {
      guard let place = place(of: item), streams[place].requests.held.contains(item.seq) else {
        waitingSuspects.removeFirst()
        // It was evicted or refused, but its stream still waits for it here.
        if let place = self.place(of: item), streams[place].ordering == .ordered {
          streams[place].isQueued = false
          advance(place)
        }
        continue
      }
      let isOrdered = streams[place].ordering == .ordered
      guard !isOrdered || streams[place].requests.next == item.seq else {
        // An earlier seq of its stream must run first.
        waitingSuspects.removeFirst()
        streams[place].isQueued = false
        advance(place)
        continue
      }
      guard let worker = isOrdered ? reserveOwner(of: place) : anyReserved(),
        workers[worker].inFlight == 0, details[worker].alone == nil,
        let request = takeHeldForDispatch(item.seq, place: place)
      else { return }
      waitingSuspects.removeFirst()
      workers[worker].isReserved = true
      details[worker].alone = item
      chargeTenant(request, place: place, worker)
      if isOrdered {
        streams[place].isQueued = false
        streams[place].requests.next = item.seq + 1
      }
      dispatch(request, seq: item.seq, place: place, to: worker, isRepeat: false)
      if isOrdered { advance(place) }
    }
    releaseReserved()
  }

  private mutating func reserveOwner(of place: Int) -> Int? {
    guard let worker = streams[place].worker, workers[worker].isConnected else { return nil }
    workers[worker].isReserved = true
    return worker
  }

  private mutating func anyReserved() -> Int? { idleWorker ?? reservedWorker ?? reserveWorker() }

  private var idleWorker: Int? {
    workers.indices.first {
      workers[$0].isConnected && !workers[$0].isKeeper && !workers[$0].isReserved
        && workers[$0].inFlight == 0
    }
  }

  /// The worker that is kept free, but has no suspect yet.
  private var reservedWorker: Int? {
    workers.indices.first { workers[$0].isReserved && details[$0].alone == nil }
  }

  /// Keeps the worker with the least to do free.
  private mutating func reserveWorker() -> Int? {
    let candidates = workers.indices.filter {
      workers[$0].isConnected && !workers[$0].isKeeper && !workers[$0].isReserved
    }
    guard let worker = candidates.min(by: { workers[$0].inFlight < workers[$1].inFlight }) else {
      return nil
    }
    workers[worker].isReserved = true
    return worker
  }

  /// No suspect waits: workers that are kept free without one take others again.
  private mutating func releaseReserved() {
    while let worker = reservedWorker, waitingSuspects.isEmpty {
      workers[worker].isReserved = false
      drainQueue(.training, of: worker)
      drainQueue(.control, of: worker)
      drainPool()
    }
  }

  /// A worker that is kept free, or runs a suspect, gave an answer.
  mutating func reservedWorkerAnswered(_ worker: Int, _ key: RequestKey) {
    guard details[worker].alone == key else { return serveSuspects() }
    details[worker].alone = nil
    workers[worker].isReserved = false
    // Those that waited meanwhile come before the next suspect.
    drainAll(of: worker)
  }
}
