internal import Wire

/// A stream as the router knows it.
struct StreamRecord {
  /// Who runs the requests of an ordered stream; workers by place.
  enum Owner: Equatable {
    /// Nobody yet; what is held waits for the request that creates the stream.
    case none
    /// The worker was asked to open it.
    case opening(Int)
    /// The worker runs its requests.
    case open(Int)
    /// Its worker has ended, and what the worker held in memory is gone.
    case gone

    var place: Int? {
      switch self {
      case .none, .gone: nil
      case .opening(let place), .open(let place): place
      }
    }
  }

  var name: String
  /// Its key in the index: streams of the keeper's calls are apart from those of workers, so that
  /// one name can serve for both.
  var key: String
  /// Whether it holds calls to the keeper.
  var isForKeeper = false
  var generation: UInt32
  var ordering: Method.Ordering
  /// The place of its session; 0 for the calls of clients without one.
  var session: Int
  var owner = Owner.none
  /// The worker that the last request of an independent stream went to.
  var home: Int?
  var epoch: UInt64 = 0
  /// The request that creates it has come: it is not missing, whatever became of it.
  var isCreated = false
  /// When its worker was last asked to open it.
  var askedToOpen: UInt64 = 0
  var requests = Ordering()
  /// `Futures.Await`s that wait for its owner.
  var questions: [Question] = []
  /// Its next request waits in a queue for room.
  var isQueued = false
  /// It has an entry among the gaps to be looked at.
  var isGapWatched = false
  /// Set for calls with an empty stream name, which are told apart by their connection.
  var isUnnamed = false
  /// Where it is in its session's list, and in its owner's.
  var placeInSession = 0
  var placeAtOwner = 0
  var lastUse: UInt64

  /// Starts the keys of the keeper's streams; no client can write it in a name.
  static let keeperMark = "\u{1}"

  /// The place of the worker that runs its requests in order.
  var worker: Int? {
    if case .open(let worker) = owner { worker } else { nil }
  }

  /// Nobody has it, or was ever asked to open it: nothing is forgotten with it. Else its epoch must
  /// stay known, by which an owner before the one that was asked is told that it is replaced.
  var isUnowned: Bool { owner == .none && epoch == 0 && requests.isIdle }
}

/// A `Futures.Await` for an answer that the owner may have, which is being found.
struct Question {
  var seq: UInt64
  var parcel: Parcel
  var charge: Charge
  var connection: ConnectionID
  var arrived: UInt64
}

/// A worker (or the keeper) that has registered: what every request and answer looks at. Numbers
/// only, so that looking costs no reference counts.
struct WorkerRecord {
  /// Its last connection.
  var connection: ConnectionID
  /// Whether that connection is in use.
  var isConnected = true
  var isKeeper: Bool
  /// Its end is reported, so silence does not count as one.
  var isSupervised = false
  /// Kept free for a request that is suspected of crashing workers, or running one.
  var isReserved = false
  var room: WorkerRoom
  var used = WorkerRoom(trainingTokens: 0, decodeTokens: 0, controlRequests: 0)
  /// Requests at the worker, repeats not counted.
  var inFlight = 0
  /// Bytes of all requests at the worker.
  var bytes = 0
  /// Answers that it gave: a worker that answers makes progress.
  var answers: UInt64 = 0
  /// Streams that it was asked to open.
  var openings = 0
  /// Requests in its own queues, all classes, and their cost in tokens.
  var waiting = 0
  var waitingCost: UInt64 = 0
  /// Ordered streams that it owns.
  var streams = 0
  var progress: UInt64 = 0
  var lastHeard: UInt64
  /// The stream of its last answer: answers come in runs.
  var lastStream = 0

  init(_ hello: WorkerHello, _ connection: ConnectionID, now: UInt64) {
    self.connection = connection
    isKeeper = hello.isKeeper
    room = hello.room
    lastHeard = now
  }

  /// Whether a request fits. One always does, else one larger than the room would wait for ever.
  ///
  /// No sum here overflows: costs are at most `Limits.maxCost`, rooms as much (`WorkerRoom.bounded`).
  func fits(_ load: Load) -> Bool {
    guard bytes == 0 || load.bytes <= RouterLimits.workerBytes - bytes else { return false }
    return switch load.room {
    case .training:
      used.trainingTokens == 0 || used.trainingTokens + load.cost <= room.trainingTokens
    case .decode: used.decodeTokens == 0 || used.decodeTokens + load.cost <= room.decodeTokens
    case .control: used.controlRequests < max(1, room.controlRequests)
    }
  }

  /// What is left of its room.
  func left(_ class: Method.Room) -> UInt64 {
    switch `class` {
    case .training: room.trainingTokens - min(used.trainingTokens, room.trainingTokens)
    case .decode: room.decodeTokens - min(used.decodeTokens, room.decodeTokens)
    case .control: room.controlRequests - min(used.controlRequests, room.controlRequests)
    }
  }

  mutating func take(_ class: Method.Room, _ cost: UInt64) {
    inFlight += 1
    switch `class` {
    case .training: used.trainingTokens += cost
    case .decode: used.decodeTokens += cost
    case .control: used.controlRequests += cost
    }
  }

  mutating func giveBack(_ class: Method.Room, _ cost: UInt64) {
    inFlight -= 1
    switch `class` {
    case .training: used.trainingTokens -= min(cost, used.trainingTokens)
    case .decode: used.decodeTokens -= min(cost, used.decodeTokens)
    case .control: used.controlRequests -= min(cost, used.controlRequests)
    }
  }
}

/// The rest of a worker: what is not looked at for every request.
struct WorkerDetails {
  var name: String
  /// Drawn once per process: a new number is a new process.
  var incarnation: UInt64
  /// What it reported of itself last, by name; see `WorkerConfiguration.statistics`.
  private(set) var statistics: [String: Double] = [:]
  /// Base models that it cannot serve, with the reasons.
  var refusedModels: [String: String] = [:]
  /// When its connection was lost.
  var lostSince: UInt64 = 0
  /// Places of the ordered streams that it owns or was asked to open.
  var streams: [Int] = []
  /// Independent streams that had requests here, some of them more than once.
  var visitors: [RequestKey] = []
  /// `visitors` is cleaned when it is longer than this.
  var visitorsLimit = 64
  /// The suspect that runs here, alone.
  var alone: RequestKey?
  /// The requests that were here when its connection was lost.
  var lastFlight: [RequestKey] = []
  /// Whether it still works.
  var pulse = Pulse()
  /// It said goodbye: that it says nothing more means nothing.
  var hasSaidGoodbye = false
  /// Of the sessions that ended (`RouterState.endings`) the first that it has not heard of.
  var nextEnding = 0
  private var training = FairQueue()
  private var control = FairQueue()

  init(_ hello: WorkerHello) {
    name = hello.name
    incarnation = hello.incarnation
  }

  /// Its own queues. Sampling waits in one queue for all workers.
  subscript(class: Method.Room) -> FairQueue {
    get { `class` == .training ? training : control }
    _modify {
      if `class` == .training { yield &training } else { yield &control }
    }
  }

  /// Keeps what a heartbeat said; what could not be a name or a number elsewhere is left out.
  mutating func report(_ statistics: [String: Double], outstanding: UInt64) {
    self.statistics = statistics.filter { name, value in
      value.isFinite && !name.isEmpty
        && name.utf8.allSatisfy { byte in
          switch byte {
          case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
          default: false
          }
        }
    }
    self.statistics["requests"] = Double(outstanding)
  }

  /// Whether it has hardly any memory left for another model: a worker reports what it has set aside
  /// for good and what its adapters take, which is exactly its limit only by chance.
  var isOutOfMemory: Bool {
    guard let used = statistics["memory_bytes"], let limit = statistics["memory_limit_bytes"],
      limit > 0
    else { return false }
    return used >= limit * (1 - RouterLimits.scarceMemory)
  }
}

/// What one session has outstanding. Place 0 belongs to all clients without a session.
struct SessionRecord {
  var id: String
  var generation: UInt32 = 0
  /// The place of its tenant; 0 until its token was seen.
  var tenant = 0
  var outstanding = Account()
  /// Bytes of its requests that wait in the router.
  var heldBytes = 0
  /// Places of its streams.
  var streams: [Int] = []
  /// Streams in order among them.
  var orderedStreams = 0
  /// Where to look next for a stream that can be forgotten.
  var nextToForget = 0
  /// The connection that its token came on first.
  var opener: Int32 = -1
  var openerGeneration: UInt32 = 0
  var hasEnded = false
  var lastUse: UInt64

  /// Nothing is lost if the router forgets it: its token opens it again.
  var isForgettable: Bool { outstanding.requests == 0 && orderedStreams == 0 && !hasEnded }
}

/// A client's connection.
struct ConnectionRecord {
  var id: ConnectionID
  var generation: UInt32 = 0
  /// The token that was checked last, and its session: most connections have one.
  var token = ""
  var session = 0
  var sessionGeneration: UInt32 = 0
  /// The stream of its last request: requests come in runs.
  var lastStream = 0
  /// Its requests without a session.
  var outstanding = Account()
  /// Sessions that it opened and that are remembered.
  var sessions = 0
  var lastUse: UInt64
}
