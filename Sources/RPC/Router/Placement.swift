internal import Wire

/// Which worker a stream or a request is given to.
extension RouterState {
  /// Where a request of an independent stream goes.
  enum Choice {
    /// At once, to this worker.
    case worker(Int)
    /// Into the queue of this worker.
    case queue(Int)
    /// Into the queue for any worker.
    case pool
    /// It is a suspect: to a worker of its own, once there is one.
    case alone
  }

  // MARK: Ordered streams

  /// Sees to it that the stream has an owner or is on the way to one.
  /// - Throws: UNAVAILABLE while nobody can say; DATA_LOSS when its worker has ended.
  mutating func findOwner(_ place: Int, _ peek: RequestPeek, _ now: UInt64) throws(RPCError) {
    switch streams[place].owner {
    case .open(let worker):
      // The owner may come back with its records.
      guard workers[worker].isConnected else { throw ownerIsAway(place) }
      return
    case .opening(let worker):
      // Its word may be lost; it says it again.
      if now >= streams[place].askedToOpen + RouterLimits.openingMilliseconds {
        askToOpen(place, worker, now)
      }
      return
    case .gone:
      guard rules.recoversModels else { throw Self.modelIsLost }
    case .none:
      guard !isRecovering(now) else { throw ownerIsAway(place) }
      // Without answers nothing has run, so the request that creates the stream must be coming;
      // unless it has run before this router was started, or its owner was lost (the answer of seq 0
      // alone cannot be told from none).
      if peek.seq > 0, peek.acked == 0, !rules.recoversModels { return }
    }
    guard let worker = chooseOwner() else { throw ownerIsAway(place) }
    if rules.recoversModels {
      // Counted over all streams: this one may have been here before, and been forgotten.
      lastEpoch = max(lastEpoch, rules.firstEpoch, streams[place].epoch) + 1
      streams[place].epoch = lastEpoch
    } else {
      streams[place].epoch += 1
    }
    setOwner(of: place, .opening(worker))
    askToOpen(place, worker, now)
  }

  mutating func askToOpen(_ place: Int, _ worker: Int, _ now: UInt64) {
    streams[place].askedToOpen = now
    command(.open(stream: streams[place].name, epoch: streams[place].epoch), to: worker)
  }

  static var modelIsLost: RPCError {
    RPCError(
      .dataLoss,
      "the worker that held this model has ended; load a saved state into a new model")
  }

  private mutating func ownerIsAway(_ place: Int) -> RPCError {
    if streams[place].isUnowned { removeStream(place) }
    return RPCError(
      .unavailable, "the stream's owner is not there yet", retryAfterMilliseconds: 100)
  }

  /// The worker for a new model: one that has memory left, and of those the one with the least to
  /// do. A model counts as much as a full room of work that is waiting or under way.
  private func chooseOwner() -> Int? {
    var best: (worker: Int, isFull: Bool, load: Double)?
    for worker in workers.indices where workers[worker].isConnected && !workers[worker].isKeeper {
      let isFull = details[worker].isOutOfMemory
      let load = load(of: worker)
      if let best {
        guard !isFull || best.isFull else { continue }
        if isFull == best.isFull {
          guard load <= best.load else { continue }
          if load == best.load, details[worker].name > details[best.worker].name { continue }
        }
      }
      best = (worker, isFull, load)
    }
    return best?.worker
  }

  private func load(of worker: Int) -> Double {
    let record = workers[worker]
    let tokens = Double(
      record.used.trainingTokens + record.used.decodeTokens + record.waitingCost)
    return Double(record.streams) + tokens / Double(max(1, record.room.trainingTokens))
  }

  // MARK: Independent streams

  /// Where a request goes: to the worker of the stream's last one, which has the weights and the
  /// prefixes, unless that has no room and another one has.
  /// - Throws: UNAVAILABLE if no worker is there; INTERNAL for a request that crashed too many.
  mutating func choosePlace(
    for request: HeldRequest, seq: UInt64, place: Int
  ) throws(RPCError) -> Choice {
    if streams[place].isForKeeper {
      guard let keeper, workers[keeper].isConnected else { throw Self.noWorker }
      return hasRoom(keeper, request.load) ? .worker(keeper) : .queue(keeper)
    }
    if let error = condemnation(of: key(place, seq)) { throw error }
    if isSuspect(place, seq) { return .alone }
    guard let home = home(of: place) else { throw Self.noWorker }
    if request.room == .decode, !pool.isEmpty { return .pool }
    if hasRoom(home, request.load) { return .worker(home) }
    if let other = roomiest(for: request.load) { return .worker(other) }
    return request.room == .decode ? .pool : .queue(home)
  }

  static var noWorker: RPCError {
    RPCError(.unavailable, "no worker is there yet", retryAfterMilliseconds: 100)
  }

  static var condemned: RPCError {
    RPCError(
      .internal, "the request crashed its worker \(SuspectTable.maximumCrashes) times alone")
  }

  /// The worker of the stream's last request; for a new one the worker that its name says, so that
  /// a sampling session finds its worker again after the router has forgotten it.
  func home(of place: Int) -> Int? {
    if let home = streams[place].home, workers[home].isConnected { return home }
    var best: (worker: Int, rank: UInt64)?
    for worker in workers.indices where workers[worker].isConnected && !workers[worker].isKeeper {
      let rank = Self.rank(streams[place].name, details[worker].name)
      if best.map({ rank > $0.rank }) ?? true { best = (worker, rank) }
    }
    return best?.worker
  }

  /// Of the workers that a request fits the one that has the most room left; nothing of its class
  /// must wait before it there.
  private func roomiest(for load: Load) -> Int? {
    var best: (worker: Int, left: UInt64)?
    for worker in workers.indices where !workers[worker].isKeeper && fits(worker, load) {
      guard load.room == .decode || details[worker][load.room].isEmpty else { continue }
      let left = workers[worker].left(load.room)
      if best.map({ left > $0.left }) ?? true { best = (worker, left) }
    }
    return best?.worker
  }

  /// The worker for the first request of the pool, nil if none has room.
  func workerForPool(_ place: Int, _ load: Load) -> Int? {
    guard let home = home(of: place) else { return nil }
    return fits(home, load) ? home : roomiest(for: load)
  }

  /// Rendezvous hashing (FNV-1a over both names): each stream ranks the workers in an order of its
  /// own, and a worker that comes or goes moves only the streams that rank it first.
  private static func rank(_ stream: String, _ worker: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in stream.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    for byte in worker.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    // The last bytes reach the high bits too late without this.
    hash ^= hash >> 32
    return hash &* 0xd6e8_feb8_6659_fd93
  }

  // MARK: Room

  /// Whether a worker can be given a request of this size.
  func fits(_ worker: Int, _ load: Load) -> Bool {
    workers[worker].isConnected && !workers[worker].isReserved && workers[worker].fits(load)
  }

  /// Whether a request may go now: it fits, and nothing of its class waits before it.
  func hasRoom(_ worker: Int, _ load: Load) -> Bool {
    guard fits(worker, load) else { return false }
    if load.room == .decode { return pool.isEmpty }
    return workers[worker].waiting == 0 || details[worker][load.room].isEmpty
  }
}
