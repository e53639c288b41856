internal import Wire

/// A stream as the router knows it.
struct StreamRecord {
  enum Owner: Equatable {
    /// Nobody yet; what is held waits for the request that creates the stream.
    case none
    /// The worker was asked to open it.
    case opening(ConnectionID)
    /// The worker runs its requests.
    case open(ConnectionID)
    /// The worker is gone since this moment.
    case lost(since: UInt64)
  }

  var name: String
  /// Its key in the index: streams of the keeper's calls are apart from those of workers, so that
  /// one name can serve for both.
  var key: String
  var generation: UInt32
  var ordering: Method.Ordering
  /// The place of its session, nil for the calls of clients without one.
  var session: Int
  var owner = Owner.none
  var epoch: UInt64 = 0
  var requests = Ordering()
  /// Its next request waits in a queue for room.
  var isQueued = false
  /// Set for calls with an empty stream name, which are told apart by their connection.
  var isUnnamed = false
  var lastUse: UInt64

  /// Whether it holds calls to the keeper.
  var isForKeeper: Bool { key.hasPrefix(Self.keeperMark) }

  /// Starts the keys of the keeper's streams; no client can write it in a name.
  static let keeperMark = "\u{1}"

  var worker: ConnectionID? {
    if case .open(let worker) = owner { worker } else { nil }
  }
}

/// A worker (or the keeper) that has registered: what every request and answer looks at. Numbers
/// only, so that looking costs no reference counts.
struct WorkerRecord {
  var isKeeper: Bool
  var room: WorkerRoom
  var used = WorkerRoom(trainingTokens: 0, decodeTokens: 0, controlRequests: 0)
  /// Requests in its queues, all classes.
  var waiting = 0
  var streams = 0
  var progress: UInt64 = 0
  var lastHeard: UInt64
  /// The stream of its last answer: answers come in runs.
  var lastStream = 0

  init(_ hello: WorkerHello, now: UInt64) {
    isKeeper = hello.isKeeper
    room = hello.room
    lastHeard = now
  }

  /// Whether a request fits. One always does, else one larger than the room would wait for ever.
  func fits(_ class: Method.Room, _ cost: UInt64) -> Bool {
    switch `class` {
    case .training: used.trainingTokens == 0 || used.trainingTokens + cost <= room.trainingTokens
    case .decode: used.decodeTokens == 0 || used.decodeTokens + cost <= room.decodeTokens
    case .control: used.controlRequests < max(1, room.controlRequests)
    }
  }

  mutating func take(_ class: Method.Room, _ cost: UInt64) {
    switch `class` {
    case .training: used.trainingTokens += cost
    case .decode: used.decodeTokens += cost
    case .control: used.controlRequests += cost
    }
  }

  mutating func giveBack(_ class: Method.Room, _ cost: UInt64) {
    switch `class` {
    case .training: used.trainingTokens -= min(cost, used.trainingTokens)
    case .decode: used.decodeTokens -= min(cost, used.decodeTokens)
    case .control: used.controlRequests -= min(cost, used.controlRequests)
    }
  }
}

/// The rest of a worker: its name, and what waits for its room.
struct WorkerQueues {
  var name: String
  /// What it reported of itself last, by name; see `WorkerConfiguration.statistics`.
  private(set) var statistics: [String: Double] = [:]
  private var training = FairQueue()
  private var decode = FairQueue()
  private var control = FairQueue()

  init(name: String) { self.name = name }

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

  /// The queue of a class.
  subscript(class: Method.Room) -> FairQueue {
    get {
      switch `class` {
      case .training: training
      case .decode: decode
      case .control: control
      }
    }
    _modify {
      switch `class` {
      case .training: yield &training
      case .decode: yield &decode
      case .control: yield &control
      }
    }
  }
}

/// What one session has outstanding. Place 0 belongs to all clients without a session.
struct SessionRecord {
  var id: String
  /// The place of its tenant; 0 until its token was seen.
  var tenant = 0
  var requests = 0
  var bytes = 0
  var streams = 0
  var hasEnded = false
}

/// A client's connection.
struct ConnectionRecord {
  /// The token that was checked last, and its session: most connections have one.
  var token = ""
  var session = 0
  /// The stream of its last request: requests come in runs.
  var lastStream = 0
  var lastUse: UInt64
}
