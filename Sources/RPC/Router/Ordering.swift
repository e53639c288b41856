internal import DequeModule
internal import Wire

/// A request that the router keeps until it may go to its worker.
struct HeldRequest {
  /// Nil for a refusal: the message is gone, its seq must still be used up.
  var parcel: Parcel?
  /// In a box: few have one, and all would be as large as it.
  private var refusalBox: RefusalBox?
  /// Nil for one that this version does not know.
  var method: Method?
  /// Repeats of the same key that arrived meanwhile: the owner compares their payloads.
  var copies: [Parcel] = []
  var connection: ConnectionID
  /// Its bytes are those of its copies, too.
  var charge: Charge
  var room: Method.Room
  var cost: UInt64
  var acked: UInt64
  var traceID: UInt64
  var arrived: UInt64
  /// 0 for none.
  var deadline: UInt64

  init(
    _ parcel: Parcel, _ charge: Charge, connection: ConnectionID, room: Method.Room, cost: UInt64,
    acked: UInt64, traceID: UInt64, arrived: UInt64
  ) {
    self.parcel = parcel
    self.charge = charge
    self.connection = connection
    self.room = room
    self.cost = cost
    self.acked = acked
    self.traceID = traceID
    self.arrived = arrived
    deadline = 0
  }

  var session: Int { charge.session }
  var load: Load { Load(room: room, cost: cost, bytes: charge.bytes) }

  /// What the owner shall record instead of running the request.
  var refusal: RPCError? {
    get { refusalBox?.error }
    set { refusalBox = newValue.map(RefusalBox.init) }
  }

  /// Its client has answers that an owner whose next seq is `next` does not know of: the owner
  /// lost them and must say so.
  func claims(moreThan next: UInt64) -> Bool { acked > 0 && acked >= next }
}

private final class RefusalBox: Sendable {
  let error: RPCError
  init(_ error: RPCError) { self.error = error }
}

/// What a request takes of its worker.
struct Load {
  var room: Method.Room
  var cost: UInt64
  var bytes: Int
}

/// A request that is at a worker.
struct InFlight {
  /// The connection that sent the key last: the answer goes there.
  var connection: ConnectionID
  var charge: Charge
  /// The place of its worker.
  var worker: Int
  /// Nil for repeats, which cost the worker nothing.
  var room: Method.Room?
  var cost: UInt64
  /// When it came to the router.
  var arrived: UInt64
  /// How many answers the worker owes: it answers every copy.
  var copies: Int
  /// Its worker was told to give it up, because its client's connection was lost.
  var isAbandoned = false

  var session: Int { charge.session }
}

/// The requests of one stream at the router: a reorder buffer and what is at the worker.
struct Ordering {
  /// The seq that is dispatched next, for streams whose requests run in order.
  var next: UInt64 = 0
  private(set) var held = SeqTable<HeldRequest>()
  private(set) var inFlight = SeqTable<InFlight>()

  var isIdle: Bool { held.isEmpty && inFlight.isEmpty }

  mutating func hold(_ request: HeldRequest, seq: UInt64) { held.insert(request, seq) }

  mutating func takeHeld(_ seq: UInt64) -> HeldRequest? { held.remove(seq) }

  /// What a held request takes of its worker.
  func load(ofHeld seq: UInt64) -> Load? { held.read(seq) { $0.load } }

  /// Changes a held request in place.
  mutating func updateHeld(_ seq: UInt64, _ body: (inout HeldRequest) -> Void) {
    held.update(seq, body)
  }

  mutating func dispatched(_ request: InFlight, seq: UInt64) { inFlight.insert(request, seq) }

  /// Changes a request at the worker in place.
  mutating func updateInFlight(_ seq: UInt64, _ body: (inout InFlight) -> Void) {
    inFlight.update(seq, body)
  }

  /// One answer of a worker came.
  /// - Returns: the request, and whether this was the last answer that the worker owed; nil if
  ///   that worker owes none.
  mutating func answered(
    _ seq: UInt64, by worker: Int
  ) -> (request: InFlight, isLast: Bool)? {
    guard var request = inFlight[seq], request.worker == worker else { return nil }
    request.copies -= 1
    if request.copies > 0 {
      inFlight.insert(request, seq)
    } else {
      _ = inFlight.remove(seq)
    }
    return (request, request.copies <= 0)
  }

  /// Nothing that is at the worker will be answered. The seqs run again from the lowest one.
  mutating func takeInFlight(at worker: Int) -> [(seq: UInt64, request: InFlight)] {
    let taken = inFlight.entries.filter { $0.value.worker == worker }
    inFlight.keep { $0.worker != worker }
    if let first = taken.first { next = min(next, first.seq) }
    return taken.map { ($0.seq, $0.value) }
  }

  /// As `takeInFlight(at:)`, wherever they are.
  mutating func takeAllInFlight() -> [(seq: UInt64, request: InFlight)] {
    let taken = inFlight.entries.map { (seq: $0.seq, request: $0.value) }
    inFlight.removeAll()
    if let first = taken.first { next = min(next, first.seq) }
    return taken
  }
}
