internal import Wire

/// Suspects run alone: at a worker with nothing else, and nothing else goes there meanwhile.
extension RouterState {
  /// Gives waiting suspects workers of their own: idle ones, or else one that is kept free for them
  /// from now on.
  mutating func serveSuspects() {
    while let item = waitingSuspects.first {
      guard let place = place(of: item), let load = streams[place].requests.load(ofHeld: item.seq)
      else {
        waitingSuspects.removeFirst()
        continue
      }
      guard let worker = idleWorker ?? reservedWorker ?? reserveWorker(),
        workers[worker].inFlight == 0, details[worker].alone == nil,
        let request = takeHeldForDispatch(item.seq, place: place)
      else { return }
      waitingSuspects.removeFirst()
      workers[worker].isReserved = true
      details[worker].alone = item
      let tenant = sessions[request.session].tenant
      let cost = Double(load.cost) * tenants[tenant].costFactor
      if isPooled(place, load.room) {
        pool.charge(tenant, cost)
      } else {
        details[worker][load.room].charge(tenant, cost)
      }
      dispatch(request, seq: item.seq, place: place, to: worker, isRepeat: false)
    }
    releaseReserved()
  }

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

  /// No suspect waits: a worker that is kept free without one takes others again.
  private mutating func releaseReserved() {
    guard let worker = reservedWorker else { return }
    workers[worker].isReserved = false
    drainQueue(.training, of: worker)
    drainQueue(.control, of: worker)
    drainPool()
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
