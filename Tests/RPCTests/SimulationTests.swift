import TestSupport
import Testing
import Wire
import ZeroMQ

@testable import RPC

/// Router and owner in a network that drops, repeats and reorders, with routers that restart and
/// workers that connect again: every request runs once, in order, and is answered.
@Suite(.timeLimit(.minutes(30)))
struct SimulationTests {
  @Test(arguments: 1...60 as ClosedRange<UInt64>)
  func everyRequestRunsOnceInOrder(seed: UInt64) {
    var world = World(seed: seed, requests: 60, window: seed % 2 == 0 ? 8 : 256)
    for step in 0..<20_000 where !world.isDone { world.step(step) }
    #expect(world.isDone, "answered \(world.answers.count) of \(world.requests)")
    #expect(world.runs == Array(0..<UInt64(world.requests)))
    #expect(world.contradictions == 0)
    #expect(world.answers.allSatisfy { $0.value == "answer \($0.key)" })
  }
}

/// One client with one stream, a router, and its worker.
private struct World {
  struct Message {
    var header: [UInt8]
    var text: String
  }

  let requests: Int
  private let authority = SessionAuthority(key: [UInt8](repeating: 1, count: 32))
  private let stream = "s:train:0"
  private let window: Int
  private let hasAccidents: Bool
  private var random: SplitMix
  private var now: UInt64 = 0

  private var router: RouterState
  private var parcels: [Parcel: Message] = [:]
  private var lastParcel: Int32 = 0
  private var worker = ConnectionID(100)
  private var log: StreamLog?
  private var epoch: UInt64 = 0
  /// Requests that run at the worker.
  private var running: [UInt64] = []

  private var toRouter: [Message] = []
  /// In order, like a connection.
  private var toWorker: [Message] = []
  private var fromWorker: [Message] = []

  var answers: [UInt64: String] = [:]
  var runs: [UInt64] = []
  var contradictions = 0

  var isDone: Bool { answers.count == requests }

  init(seed: UInt64, requests: Int, window: Int) {
    self.requests = requests
    self.window = window
    // Without them nothing but the messages themselves can free a stream that is stuck.
    hasAccidents = seed % 3 != 0
    random = SplitMix(seed: seed)
    router = Self.makeRouter(authority, now: 0, window)
    hello()
  }

  private static func makeRouter(
    _ authority: SessionAuthority, now: UInt64, _ window: Int
  ) -> RouterState {
    var rules = RouterRules()
    rules.windowRequests = window
    return RouterState(rules, authority: authority, tenants: TenantDirectory(), now: now)
  }

  private mutating func chance(_ percent: Int) -> Bool {
    Int.random(in: 0..<100, using: &random) < percent
  }

  // MARK: One step

  mutating func step(_ number: Int) {
    now += 1
    if number % 20 == 0 { resend() }
    if chance(60) { deliverToRouter() }
    if chance(60) { deliverToWorker() }
    if chance(60) { finishOne() }
    if chance(60) { deliverFromWorker() }
    if number % 50 == 0 {
      router.control(
        .heartbeat(progress: 0, outstanding: 0, room: WorkerRoom()), from: worker, now: now)
      router.tick(now: now)
    }
    if hasAccidents, number % 997 == 996 { restartRouter() }
    if hasAccidents, number % 613 == 612 { reconnectWorker() }
    perform()
  }

  /// The client sends what has no answer, in any order, often more than once.
  private mutating func resend() {
    let firstOpen = (0..<UInt64(requests)).first { answers[$0] == nil } ?? UInt64(requests)
    let acked = firstOpen == 0 ? 0 : firstOpen - 1
    for seq in 0..<UInt64(requests) where answers[seq] == nil && chance(40) {
      let header = RequestHeader(
        method: seq == 0 ? .trainingCreateModel : .trainingOptimStep, stream: stream, seq: seq,
        acked: acked, sessionToken: authority.token(for: "s"))
      let message = Message(header: header.encoded(), text: "request \(seq)")
      if !chance(10) { toRouter.append(message) }
      if chance(10) { toRouter.append(message) }
    }
  }

  private mutating func deliverToRouter() {
    guard !toRouter.isEmpty else { return }
    let message = toRouter.remove(at: Int.random(in: 0..<toRouter.count, using: &random))
    lastParcel += 1
    let parcel = Parcel(first: lastParcel)
    parcels[parcel] = message
    message.header.withUnsafeBytes { frame in
      guard let peek = try? RequestPeek(frame) else { return }
      router.request(
        peek, parcel, bytes: message.header.count, cost: 1, from: ConnectionID(1), now: now)
    }
  }

  private mutating func deliverToWorker() {
    guard !toWorker.isEmpty else { return }
    let message = toWorker.removeFirst()
    guard let header = message.header.withUnsafeBytes({ try? RequestHeader(decoding: $0) }) else {
      return
    }
    guard var log else {
      return say(header.seq, RPCError(.unavailable, "not open"))
    }
    let digest = PayloadDigest(Payload(text: message.text))
    let verdict = log.begin(seq: header.seq, digest: digest, acked: header.acked)
    self.log = log
    switch verdict {
    case .run:
      runs.append(header.seq)
      running.append(header.seq)
    case .replay(let outcome): say(header.seq, outcome)
    case .alreadyRunning: break
    case .refuse(let error): say(header.seq, error)
    }
  }

  private mutating func finishOne() {
    guard !running.isEmpty, log != nil else { return }
    let seq = running.remove(at: Int.random(in: 0..<running.count, using: &random))
    let outcome = Outcome(payload: Payload(text: "answer \(seq)"))
    guard case .answer(let recorded, let times)? = log?.finish(seq: seq, outcome: outcome) else {
      return
    }
    for _ in 0..<times { say(seq, recorded) }
  }

  private mutating func say(_ seq: UInt64, _ error: RPCError) { say(seq, Outcome(error: error)) }

  private mutating func say(_ seq: UInt64, _ outcome: Outcome) {
    let header = ResponseHeader(
      stream: stream, seq: seq, epoch: epoch, code: outcome.error?.code ?? .ok)
    fromWorker.append(Message(header: header.encoded(), text: outcome.payload.text))
  }

  private mutating func deliverFromWorker() {
    guard !fromWorker.isEmpty else { return }
    let message = fromWorker.removeFirst()
    lastParcel += 1
    let parcel = Parcel(first: lastParcel)
    parcels[parcel] = message
    message.header.withUnsafeBytes { frame in
      guard let peek = try? ResponsePeek(frame) else { return }
      router.response(peek, parcel, from: worker, now: now)
    }
  }

  // MARK: Accidents

  private mutating func hello() {
    var hello = WorkerHello(name: "w")
    if let log {
      hello.streams = [OwnedStream(stream: stream, nextSeq: log.nextSeq, epoch: epoch)]
    }
    router.control(.hello(hello), from: worker, now: now)
  }

  private mutating func restartRouter() {
    router = Self.makeRouter(authority, now: now, window)
    parcels = [:]
    reconnectWorker()
  }

  /// What is under way on the old connection is lost.
  private mutating func reconnectWorker() {
    toWorker = []
    fromWorker = []
    worker = ConnectionID(worker.number + 1)
    hello()
  }

  // MARK: Actions

  private mutating func perform() {
    var actions: [RouterAction] = []
    router.takeActions(into: &actions)
    for action in actions {
      switch action {
      case .forward(let parcel, let target):
        if let message = parcels.removeValue(forKey: parcel), target == worker {
          toWorker.append(message)
        }
      case .deliver(let parcel, _):
        if let message = parcels.removeValue(forKey: parcel), !chance(10) { receive(message) }
      case .command(.open(_, let epoch), let target):
        guard target == worker else { continue }
        self.epoch = max(self.epoch, epoch)
        if log == nil { log = StreamLog() }
        let next = log?.nextSeq ?? 0
        router.control(
          .opened(OwnedStream(stream: stream, nextSeq: next, epoch: self.epoch)), from: worker,
          now: now)
      case .command(.registerAgain, _): hello()
      case .drop(let parcel): parcels[parcel] = nil
      // Refusals: the client sends again in any case.
      default: break
      }
    }
    if !router.actions.isEmpty { perform() }
  }

  private mutating func receive(_ message: Message) {
    guard let header = message.header.withUnsafeBytes({ try? ResponseHeader(decoding: $0) }),
      header.code == .ok
    else { return }
    if let known = answers[header.seq], known != message.text { contradictions += 1 }
    answers[header.seq] = message.text
  }
}
