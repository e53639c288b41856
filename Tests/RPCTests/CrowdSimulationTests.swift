import TestSupport
import Testing
import Wire
import ZeroMQ

@testable import RPC

/// Several tenants and workers in a network that drops and reorders, with workers that are killed
/// and a request that crashes them: every request gets an answer, nothing trains twice, and only
/// the culprit is condemned.
@Suite(.timeLimit(.minutes(30)))
struct CrowdSimulationTests {
  @Test(arguments: 1...40 as ClosedRange<UInt64>)
  func everyRequestIsAnsweredAndNothingTrainsTwice(seed: UInt64) {
    var crowd = Crowd(seed: seed)
    for step in 1..<60_000 where !crowd.isDone { crowd.step(step) }
    #expect(crowd.isDone, "\(crowd.open) requests without an answer")
    #expect(crowd.ranTwice.isEmpty)
    #expect(crowd.ranOutOfOrder.isEmpty)
    #expect(crowd.answeredAfterLoss.isEmpty)
    for (key, code) in crowd.outcomes {
      switch key {
      case crowd.poison: #expect(code == .internal)
      case _ where key.stream.contains(":sample:"): #expect(code == .ok)
      default: #expect(code == .ok || code == .dataLoss)
      }
    }
    #expect(crowd.poisonCrashes >= SuspectTable.maximumCrashes)
    // What was given and taken back adds up.
    #expect(crowd.router.counters.held == 0)
    #expect(crowd.router.counters.inFlight == 0)
    #expect(crowd.router.heldBytes == 0)
    #expect(crowd.router.tenants.records.allSatisfy { $0.waiting == 0 && $0.inFlight == 0 })
    #expect(crowd.router.sessions.allSatisfy { $0.outstanding == Account() })
    #expect(crowd.router.workers.allSatisfy { $0.inFlight == 0 && $0.waiting == 0 })
  }
}

/// The key of a request, by name.
private struct Key: Hashable {
  var stream: String
  var seq: UInt64
}

/// One worker process at a time under one name.
private struct Worker {
  var name: String
  var connection: ConnectionID
  var incarnation: UInt64
  /// Zero while it runs; else the step at which another process starts.
  var startsAt = 0
  var inbox: [[UInt8]] = []
  var logs: [String: StreamLog] = [:]
  var epochs: [String: UInt64] = [:]
  var running: [Key] = []
}

private struct Crowd {
  static let sessions = 6
  static let steps: UInt64 = 15
  static let samples: UInt64 = 25

  private let authority = SessionAuthority(key: [UInt8](repeating: 1, count: 32))
  private var random: SplitMix
  private var now: UInt64 = 0
  var router: RouterState
  private var workers: [Worker] = []
  private var lastConnection: UInt64 = 100
  private var parcels: [Parcel: [UInt8]] = [:]
  private var lastParcel: Int32 = 0
  private var toRouter: [(frame: [UInt8], client: ConnectionID)] = []
  private var fromWorkers: [(frame: [UInt8], worker: ConnectionID)] = []
  private var wanted: [Key] = []
  private var tokens: [String: String] = [:]

  let poison = Key(stream: "s0:sample:0", seq: 7)
  var poisonCrashes = 0
  var outcomes: [Key: StatusCode] = [:]
  var ranTwice: [Key] = []
  var ranOutOfOrder: [Key] = []
  var answeredAfterLoss: [Key] = []
  private var ran: Set<Key> = []
  private var lastRun: [String: UInt64] = [:]
  private var lostStreams: Set<String> = []

  var open: Int { wanted.count - outcomes.count }
  /// Everything has its answer, and nothing is under way any more.
  var isDone: Bool {
    open == 0 && toRouter.isEmpty && fromWorkers.isEmpty
      && workers.allSatisfy { $0.running.isEmpty && $0.inbox.isEmpty }
  }

  init(seed: UInt64) {
    random = SplitMix(seed: seed)
    var rules = RouterRules()
    rules.expectedWorkers = 3
    rules.recoveryMilliseconds = 200
    rules.windowRequests = seed % 2 == 0 ? 10 : 256
    router = RouterState(rules, authority: authority, tenants: TenantDirectory(), now: 0)
    for number in 0..<3 {
      workers.append(Worker(name: "w\(number)", connection: ConnectionID(0), incarnation: 0))
      start(number)
    }
    for session in 0..<Self.sessions {
      tokens["s\(session)"] = authority.token(for: "s\(session)", tenant: "t\(session / 4)")
      for seq in 0..<Self.steps { wanted.append(Key(stream: "s\(session):train:0", seq: seq)) }
      for seq in 0..<Self.samples { wanted.append(Key(stream: "s\(session):sample:0", seq: seq)) }
    }
  }

  private mutating func chance(_ percent: Int) -> Bool {
    Int.random(in: 0..<100, using: &random) < percent
  }

  mutating func step(_ number: Int) {
    now += 1
    if number % 25 == 0 { resend() }
    for _ in 0..<3 { deliverToRouter() }
    for worker in workers.indices {
      if workers[worker].startsAt == number { start(worker) }
      if chance(60) { deliver(to: worker) }
      if chance(50) { finishOne(worker, number) }
    }
    for _ in 0..<3 { deliverFromWorker() }
    if number % 50 == 0 { beat() }
    // Accidents happen in the first part, so that there is an end.
    if number < 8000, number % 701 == 700 { kill(Int.random(in: 0..<3, using: &random), number) }
    if number < 8000, number % 1009 == 1008 { reconnect(Int.random(in: 0..<3, using: &random)) }
    perform()
  }

  // MARK: Clients

  private mutating func resend() {
    for key in wanted where outcomes[key] == nil && chance(30) {
      let session = String(key.stream.prefix { $0 != ":" })
      let method: Method =
        key.stream.contains(":sample:")
        ? .samplingSample : key.seq == 0 ? .trainingCreateModel : .trainingForwardBackward
      let header = RequestHeader(
        method: method, stream: key.stream, seq: key.seq, acked: acked(key),
        sessionToken: tokens[session] ?? "")
      if chance(90) {
        toRouter.append((header.encoded(), ConnectionID(1 + UInt64(session.utf8.last ?? 0))))
      }
    }
  }

  private func acked(_ key: Key) -> UInt64 {
    var seq: UInt64 = 0
    while outcomes[Key(stream: key.stream, seq: seq)] == .ok { seq += 1 }
    return seq == 0 ? 0 : seq - 1
  }

  private mutating func deliverToRouter() {
    guard !toRouter.isEmpty else { return }
    let message = toRouter.remove(at: Int.random(in: 0..<toRouter.count, using: &random))
    let parcel = store(message.frame)
    message.frame.withUnsafeBytes { frame in
      guard let peek = try? RequestPeek(frame) else { return }
      let cost = UInt64.random(in: 1...3000, using: &random)
      router.request(
        peek, parcel, bytes: frame.count, cost: cost, from: message.client, now: now)
    }
  }

  private mutating func store(_ frame: [UInt8]) -> Parcel {
    lastParcel += 1
    parcels[Parcel(first: lastParcel)] = frame
    return Parcel(first: lastParcel)
  }

  private mutating func receive(_ header: ResponseHeader) {
    guard header.event == .final, !header.code.isRetryable else { return }
    let key = Key(stream: header.stream, seq: header.seq)
    if header.code == .dataLoss { lostStreams.insert(key.stream) }
    guard outcomes[key] == nil else { return }
    if header.code == .ok, lostStreams.contains(key.stream) { answeredAfterLoss.append(key) }
    outcomes[key] = header.code
  }

  // MARK: Workers

  private mutating func start(_ worker: Int) {
    lastConnection += 1
    workers[worker].startsAt = 0
    workers[worker].connection = ConnectionID(lastConnection)
    workers[worker].incarnation += 1
    hello(worker)
  }

  private mutating func hello(_ worker: Int) {
    var hello = WorkerHello(name: workers[worker].name)
    hello.incarnation = workers[worker].incarnation
    hello.room = WorkerRoom(trainingTokens: 2000, decodeTokens: 5000, controlRequests: 3)
    let epochs = workers[worker].epochs
    hello.streams = workers[worker].logs.map {
      OwnedStream(stream: $0.key, nextSeq: $0.value.nextSeq, epoch: epochs[$0.key] ?? 0)
    }
    router.control(.hello(hello), from: workers[worker].connection, now: now)
  }

  private mutating func beat() {
    for worker in workers where worker.startsAt == 0 {
      let room = WorkerRoom(trainingTokens: 2000, decodeTokens: 5000, controlRequests: 3)
      router.control(
        .heartbeat(progress: 0, outstanding: 0, room: room), from: worker.connection, now: now)
    }
    router.tick(now: now)
  }

  /// The process dies with everything in it, and its connection with all that is under way.
  private mutating func kill(_ worker: Int, _ step: Int, crashed: Bool = false) {
    guard workers[worker].startsAt == 0 else { return }
    let connection = workers[worker].connection
    fromWorkers.removeAll { $0.worker == connection }
    workers[worker].inbox = []
    workers[worker].logs = [:]
    workers[worker].epochs = [:]
    workers[worker].running = []
    workers[worker].startsAt = step + Int.random(in: 1...300, using: &random)
    // The router may notice the lost connection first.
    if chance(50) { router.lost(worker: connection, now: now) }
    router.workerEnded(workers[worker].name, crashed: crashed, now: now)
  }

  /// The process goes on; what is under way on the old connection is lost.
  private mutating func reconnect(_ worker: Int) {
    guard workers[worker].startsAt == 0 else { return }
    let connection = workers[worker].connection
    fromWorkers.removeAll { $0.worker == connection }
    workers[worker].inbox = []
    workers[worker].running.removeAll { $0.stream.contains(":sample:") }
    lastConnection += 1
    workers[worker].connection = ConnectionID(lastConnection)
    hello(worker)
  }

  private mutating func deliver(to worker: Int) {
    guard workers[worker].startsAt == 0, !workers[worker].inbox.isEmpty else { return }
    let frame = workers[worker].inbox.removeFirst()
    guard let header = frame.withUnsafeBytes({ try? RequestHeader(decoding: $0) }) else { return }
    let key = Key(stream: header.stream, seq: header.seq)
    guard key.stream.contains(":train:") else { return workers[worker].running.append(key) }
    let digest = PayloadDigest(Payload(text: "\(key.seq)"))
    let verdict = workers[worker].logs[key.stream]?.begin(
      seq: key.seq, digest: digest, acked: header.acked)
    switch verdict {
    case nil: say(key, .unavailable, worker)
    case .run?:
      if !ran.insert(key).inserted { ranTwice.append(key) }
      if let last = lastRun[key.stream], last + 1 != key.seq { ranOutOfOrder.append(key) }
      lastRun[key.stream] = key.seq
      workers[worker].running.append(key)
    case .replay(let outcome)?: say(key, outcome.error?.code ?? .ok, worker)
    case .alreadyRunning?: break
    case .refuse(let error)?: say(key, error.code, worker)
    }
  }

  private mutating func finishOne(_ worker: Int, _ step: Int) {
    guard !workers[worker].running.isEmpty else { return }
    let index = Int.random(in: 0..<workers[worker].running.count, using: &random)
    let key = workers[worker].running.remove(at: index)
    if key == poison {
      poisonCrashes += 1
      return kill(worker, step, crashed: true)
    }
    guard key.stream.contains(":train:") else { return say(key, .ok, worker) }
    guard
      case .answer(_, let times)? = workers[worker].logs[key.stream]?.finish(
        seq: key.seq, outcome: Outcome(payload: Payload(text: "done")))
    else { return }
    for _ in 0..<times { say(key, .ok, worker) }
  }

  private mutating func say(_ key: Key, _ code: StatusCode, _ worker: Int) {
    var header = ResponseHeader(
      stream: key.stream, seq: key.seq, epoch: workers[worker].epochs[key.stream] ?? 0, code: code)
    header.costPromptTokens = UInt64.random(in: 0...2000, using: &random)
    fromWorkers.append((header.encoded(), workers[worker].connection))
  }

  private mutating func deliverFromWorker() {
    guard !fromWorkers.isEmpty else { return }
    let message = fromWorkers.removeFirst()
    let parcel = store(message.frame)
    message.frame.withUnsafeBytes { frame in
      guard let peek = try? ResponsePeek(frame) else { return }
      router.response(peek, parcel, from: message.worker, now: now)
    }
  }

  // MARK: Actions

  private mutating func perform() {
    var actions: [RouterAction] = []
    router.takeActions(into: &actions)
    while !actions.isEmpty {
      for action in actions { perform(action) }
      router.takeActions(into: &actions)
    }
  }

  private mutating func perform(_ action: RouterAction) {
    switch action {
    case .forward(let parcel, let target):
      guard let frame = parcels.removeValue(forKey: parcel), let worker = process(target) else {
        return
      }
      workers[worker].inbox.append(frame)
    case .deliver(let parcel, _):
      guard let frame = parcels.removeValue(forKey: parcel), !chance(5),
        let header = frame.withUnsafeBytes({ try? ResponseHeader(decoding: $0) })
      else { return }
      receive(header)
    case .answer(let header, _): if !chance(5) { receive(header) }
    case .command(.open(let stream, let epoch), let target):
      guard let worker = process(target) else { return }
      if workers[worker].logs[stream] == nil { workers[worker].logs[stream] = StreamLog() }
      workers[worker].epochs[stream] = epoch
      let next = workers[worker].logs[stream]?.nextSeq ?? 0
      router.control(
        .opened(OwnedStream(stream: stream, nextSeq: next, epoch: epoch)), from: target, now: now)
    case .command(.close(let stream, _), let target):
      if let worker = process(target) { workers[worker].logs[stream] = nil }
    case .command(.registerAgain, let target): if let worker = process(target) { hello(worker) }
    case .drop(let parcel): parcels[parcel] = nil
    default: break
    }
  }

  private func process(_ connection: ConnectionID) -> Int? {
    workers.firstIndex { $0.connection == connection && $0.startsAt == 0 }
  }
}
