internal import Wire

/// A request that the router keeps until it may go to its worker.
struct HeldRequest {
  /// Nil for a refusal: the message is gone, its seq must still be used up.
  var parcel: Parcel?
  /// What the owner shall record instead of running the request.
  var refusal: RPCError?
  /// Repeats of the same key that arrived meanwhile: the owner compares their payloads.
  var copies: [Parcel] = []
  var connection: ConnectionID
  var session: Int
  var room: Method.Room
  var cost: UInt64
  var bytes: Int
  var acked: UInt64
  var traceID: UInt64
  var arrived: UInt64
  /// 0 for none.
  var deadline: UInt64

  /// Its client has answers that an owner whose next seq is `next` does not know of: the owner
  /// lost them and must say so.
  func claims(moreThan next: UInt64) -> Bool { acked > 0 && acked >= next }
}

/// A request that is at a worker.
struct InFlight {
  /// The connection that sent the key last: the answer goes there.
  var connection: ConnectionID
  var session: Int
  /// The place of its worker.
  var worker: Int
  /// Nil for repeats, which cost the worker nothing.
  var room: Method.Room?
  var cost: UInt64
  var bytes: Int
  /// How many answers the worker owes: it answers every copy.
  var copies: Int
  /// Its worker was told to give it up, because its client's connection was lost.
  var isAbandoned = false
  /// A client sent the key again after that.
  var isWantedAgain = false
}

/// The requests of one stream at the router: a reorder buffer and what is at the worker.
struct Ordering {
  /// The seq that is dispatched next, for streams whose requests run in order.
  var next: UInt64 = 0
  private(set) var held: [UInt64: HeldRequest] = [:]
  private(set) var inFlight: [UInt64: InFlight] = [:]

  var isIdle: Bool { held.isEmpty && inFlight.isEmpty }

  /// The highest seq that is held.
  var highestHeld: UInt64? { held.keys.max() }

  mutating func hold(_ request: HeldRequest, seq: UInt64) { held[seq] = request }

  mutating func takeHeld(_ seq: UInt64) -> HeldRequest? { held.removeValue(forKey: seq) }

  /// What a held request takes of its worker.
  func load(ofHeld seq: UInt64) -> (room: Method.Room, cost: UInt64)? {
    guard !held.isEmpty, let index = held.index(forKey: seq) else { return nil }
    return (held.values[index].room, held.values[index].cost)
  }

  /// Changes a held request in place.
  mutating func updateHeld(_ seq: UInt64, _ body: (inout HeldRequest) -> Void) {
    guard let index = held.index(forKey: seq) else { return }
    body(&held.values[index])
  }

  mutating func dispatched(_ request: InFlight, seq: UInt64) { inFlight[seq] = request }

  /// Changes a request at the worker in place.
  mutating func updateInFlight(_ seq: UInt64, _ body: (inout InFlight) -> Void) {
    guard let index = inFlight.index(forKey: seq) else { return }
    body(&inFlight.values[index])
  }

  /// One answer of a worker came.
  /// - Returns: the request, and whether this was the last answer that the worker owed; nil if
  ///   that worker owes none.
  mutating func answered(
    _ seq: UInt64, by worker: Int
  ) -> (request: InFlight, isLast: Bool)? {
    guard let index = inFlight.index(forKey: seq), inFlight.values[index].worker == worker else {
      return nil
    }
    inFlight.values[index].copies -= 1
    let request = inFlight.values[index]
    guard request.copies <= 0 else { return (request, false) }
    inFlight.remove(at: index)
    return (request, true)
  }

  /// Nothing that is at the worker will be answered. The seqs run again from the lowest one.
  mutating func takeInFlight(at worker: Int) -> [(seq: UInt64, request: InFlight)] {
    var taken: [(seq: UInt64, request: InFlight)] = []
    for (seq, request) in inFlight where request.worker == worker { taken.append((seq, request)) }
    taken.sort { $0.seq < $1.seq }
    for (seq, _) in taken { inFlight[seq] = nil }
    if let first = taken.first { next = min(next, first.seq) }
    return taken
  }

  /// As `takeInFlight(at:)`, wherever they are.
  mutating func takeAllInFlight() -> [(seq: UInt64, request: InFlight)] {
    let all = inFlight.map { (seq: $0.key, request: $0.value) }.sorted { $0.seq < $1.seq }
    inFlight.removeAll()
    if let first = all.first { next = min(next, first.seq) }
    return all
  }
}
