import DequeModule
import TestSupport
import Testing
import Wire

@testable import RPC

/// Whatever peers send, with whatever numbers: nothing traps, and at every moment all accounts are
/// the sums of what they are about.
@Suite struct RouterAccountTests {
  @Test(arguments: Array(1...40) as [UInt64])
  func nothingTrapsAndAccountsAreSums(seed: UInt64) {
    var storm = Storm(seed: seed)
    for step in 0..<3000 {
      storm.step()
      if step % 50 == 0, let problem = storm.problem() {
        Issue.record("seed \(seed), step \(step): \(problem)")
        return
      }
    }
    storm.endEverything()
    #expect(storm.problem() == nil)
    let state = storm.bench.state
    #expect(state.outstanding == Account() && state.heldBytes == 0)
    #expect(state.counters.held == 0 && state.counters.inFlight == 0 && state.timedRequests == 0)
    #expect(state.sessions.allSatisfy { $0.outstanding == Account() && $0.heldBytes == 0 })
    #expect(state.workers.allSatisfy { $0.inFlight == 0 && $0.bytes == 0 && $0.openings == 0 })
    #expect(state.orderedStreams == 0)
    #expect(
      state.tenants.records.allSatisfy {
        $0.waiting == 0 && $0.inFlight == 0 && $0.outstanding == Account()
      })
  }
}

/// Messages without rhyme or reason, half of them as they should be.
private struct Storm {
  var bench: RouterBench
  private var random: SplitMix
  private let tenants: [String: String]
  private static let workers = ["w1", "w2", "w3"]

  init(seed: UInt64) {
    random = SplitMix(seed: seed)
    let recovers = seed % 2 == 0
    bench = RouterBench {
      $0.recoversModels = recovers
      $0.firstEpoch = recovers && seed % 4 == 0 ? 1000 : 0
      $0.windowRequests = 6
      $0.windowBytes = 300 << 20
      $0.gapMilliseconds = 700
      $0.leaseMilliseconds = 5000
      $0.supervisedWorkers = ["w1"]
      $0.stallMilliseconds = 3000
      $0.hangMilliseconds = 6000
    }
    tenants = ["s": "a", "t": "a", "u": "b", "v": "default", "x": "c"]
  }

  private mutating func chance(_ percent: UInt64) -> Bool { random.next() % 100 < percent }

  private mutating func pick<Element>(_ items: [Element]) -> Element {
    items[Int(random.next() % UInt64(items.count))]
  }

  private mutating func number() -> UInt64 {
    pick([0, 1, 2, 3, 4, 5, 1 << 40, 1 << 48, 1 << 63, .max - 1, .max])
  }

  private mutating func stream(of session: String) -> String {
    pick([
      "\(session):train:0", "\(session):train:1", "\(session):sample:0", "\(session)",
      "\(session):checkpoints", "", "name", "x:train:0", "s:a/b", "\u{1}",
    ])
  }

  mutating func step() {
    switch random.next() % 100 {
    case 0..<55: request()
    case 55..<80: answer()
    case 80..<92: control()
    case 92..<94: bench.state.lost(client: ConnectionID(1 + random.next() % 6))
    case 94..<96:
      bench.state.lost(worker: ConnectionID(101 + random.next() % 3), now: bench.now)
    case 96: bench.ended(pick(Self.workers), crashed: chance(50))
    default: bench.pass(pick([1, 100, 1000, 3000]))
    }
    if chance(20) { _ = bench.actions() }
  }

  private mutating func request() {
    let session = pick(["s", "t", "u", "v", "x"])
    var method = pick(Method.allCases)
    var name = stream(of: session)
    if chance(50) {
      let isTraining = chance(50)
      method =
        isTraining
        ? pick([.trainingCreateModel, .trainingForward, .trainingOptimStep, .futuresAwait])
        : .samplingSample
      name = isTraining ? "\(session):train:0" : "\(session):sample:0"
    }
    let seq = chance(80) ? random.next() % 8 : number()
    let isUnknown = chance(2)
    let acked = chance(90) ? seq - min(seq, 1) : number()
    bench.request(
      "r", method, name, seq: seq, acked: acked, from: ConnectionID(1 + random.next() % 6),
      session: chance(90) ? session : nil, tenant: tenants[session] ?? "default",
      bytes: pick([0, 100, 1000, 1 << 20, 200 << 20, .max]),
      cost: pick([1, 10, 3000, Limits.maxCost]), timeout: chance(10) ? pick([1, 500, .max]) : 0
    ) { header in
      if isUnknown { header.methodNumber = 77 }
    }
  }

  /// Of something that is at a worker, or of anything.
  private mutating func answer() {
    let state = bench.state
    let running = state.streams.indices.flatMap { place in
      state.streams[place].requests.inFlight.entries.map { (place, $0.seq, $0.value.worker) }
    }
    let code = chance(70) ? StatusCode.ok : pick(StatusCode.allCases)
    let cost: UInt64 = pick([0, 1, 5000, .max])
    guard !running.isEmpty, chance(90) else {
      return bench.response(
        "a", stream(of: "s"), seq: number(), code: code, epoch: number(),
        event: pick([.accepted, .partial, .final]),
        from: ConnectionID(100 + random.next() % 4), cost: cost)
    }
    let (place, seq, worker) = pick(running)
    bench.response(
      "a", state.streams[place].name, seq: seq, code: code, epoch: state.streams[place].epoch,
      event: chance(95) ? .final : .partial, from: state.workers[worker].connection, cost: cost)
  }

  private mutating func control() {
    let worker = random.next() % 3
    let connection = ConnectionID(101 + worker)
    let state = bench.state
    let opening = state.streams.filter { if case .opening = $0.owner { true } else { false } }
    if !opening.isEmpty, chance(60) {
      let record = pick(opening)
      guard case .opening(let place) = record.owner else { return }
      let owned = OwnedStream(
        stream: record.name, nextSeq: chance(90) ? random.next() % 4 : number(),
        epoch: chance(90) ? record.epoch : number())
      let message =
        chance(85)
        ? WorkerMessage.opened(owned) : .closed(owned, code: pick(StatusCode.allCases))
      return bench.control(message, from: state.workers[place].connection)
    }
    let owned = OwnedStream(
      stream: stream(of: pick(["s", "t", "u"])), nextSeq: number(), epoch: number())
    let room = WorkerRoom(
      trainingTokens: number(), decodeTokens: number(), controlRequests: number())
    switch random.next() % 8 {
    case 0...2:
      bench.register(
        connection, pick([Self.workers[Int(worker)], "", "w1", "keeper"]),
        room: chance(50) ? room : WorkerRoom(), streams: chance(50) ? [owned, owned] : [],
        incarnation: random.next() % 3)
    case 3, 4:
      bench.control(
        .heartbeat(
          progress: number(), outstanding: number(), room: room,
          stats: ["memory_bytes": .infinity, "x": -.greatestFiniteMagnitude]), from: connection)
    case 5: bench.control(.closed(owned, code: pick(StatusCode.allCases)), from: connection)
    case 6: bench.control(chance(50) ? .goodbye : .opened(owned), from: connection)
    default:
      bench.control(
        .sessionEnded(pick(["s", "t", "u"])), from: chance(30) ? RouterBench.keeper : connection)
    }
    _ = bench.report
  }

  mutating func endEverything() {
    for session in ["s", "t", "u", "v", "x"] {
      bench.control(.sessionEnded(session), from: RouterBench.keeper)
    }
    bench.state.lost(worker: RouterBench.keeper, now: bench.now)
    for name in Self.workers { bench.ended(name, crashed: false) }
    for session in Array(bench.state.sessionIndex.keys) {
      bench.state.end(session: session, bench.now)
    }
    // What waits for a worker without a session goes with its connection.
    for client: UInt64 in 1...6 { bench.state.lost(client: ConnectionID(client)) }
    for place in bench.state.streams.indices {
      bench.state.refuseAll(place, RouterState.ownerIsGone)
    }
    bench.state.drainPool()
  }

  /// What does not add up.
  func problem() -> String? {
    let state = bench.state
    var sums = Sums(state)
    for place in state.streams.indices { sums.add(state.streams[place]) }
    return sums.difference(from: state)
  }
}

/// The accounts, computed anew from the requests that are there.
private struct Sums {
  private var sessions: [Int: Account] = [:]
  private var sessionHeld: [Int: Int] = [:]
  private var tenants: [Int: Account] = [:]
  private var tenantHeld: [Int: Int] = [:]
  private var workerBytes: [Int: Int] = [:]
  private var workerRequests: [Int: Int] = [:]
  private var all = Account()
  private var heldBytes = 0
  private var counts = (held: 0, inFlight: 0, ordered: 0, independent: 0)
  private let state: RouterState

  init(_ state: RouterState) { self.state = state }

  mutating func add(_ stream: StreamRecord) {
    // A place that is free has no name.
    if stream.name != "\u{0}" {
      if stream.ordering == .ordered { counts.ordered += 1 } else { counts.independent += 1 }
    }
    for entry in stream.requests.held.entries {
      add(entry.value.charge)
      counts.held += 1
      heldBytes += entry.value.charge.bytes
      sessionHeld[entry.value.session, default: 0] += entry.value.charge.bytes
      tenantHeld[state.sessions[entry.value.session].tenant, default: 0] += entry.value.charge.bytes
    }
    for question in stream.questions {
      add(question.charge)
      heldBytes += question.charge.bytes
      sessionHeld[question.charge.session, default: 0] += question.charge.bytes
      tenantHeld[state.sessions[question.charge.session].tenant, default: 0] +=
        question.charge.bytes
    }
    for entry in stream.requests.inFlight.entries {
      add(entry.value.charge)
      counts.inFlight += 1
      workerBytes[entry.value.worker, default: 0] += entry.value.charge.bytes
      workerRequests[entry.value.worker, default: 0] += entry.value.room == nil ? 0 : 1
    }
  }

  private mutating func add(_ charge: Charge) {
    all.take(bytes: charge.bytes)
    sessions[charge.session, default: Account()].take(bytes: charge.bytes)
    tenants[state.sessions[charge.session].tenant, default: Account()].take(bytes: charge.bytes)
  }

  func difference(from state: RouterState) -> String? {
    for (place, session) in state.sessions.enumerated() {
      if session.outstanding != sessions[place] ?? Account() { return "session \(place)" }
      if session.heldBytes != sessionHeld[place] ?? 0 { return "held of session \(place)" }
      if session.orderedStreams
        != session.streams.count(where: { state.streams[$0].ordering == .ordered })
      {
        return "models of session \(place)"
      }
    }
    for (place, tenant) in state.tenants.records.enumerated() where !tenant.name.isEmpty {
      if tenant.outstanding != tenants[place] ?? Account() { return "tenant \(tenant.name)" }
      if tenant.heldBytes != tenantHeld[place] ?? 0 { return "held of tenant \(tenant.name)" }
      if tenant.waiting < 0 || tenant.inFlight < 0 { return "less than none of \(tenant.name)" }
    }
    for (place, worker) in state.workers.enumerated() {
      if worker.bytes != workerBytes[place] ?? 0 { return "bytes of worker \(place)" }
      if worker.inFlight != workerRequests[place] ?? 0 { return "requests of worker \(place)" }
    }
    if state.outstanding != all { return "all: \(state.outstanding), not \(all)" }
    if state.heldBytes != heldBytes { return "held bytes" }
    if state.counters.held != counts.held { return "held" }
    if state.counters.inFlight != counts.inFlight { return "in flight" }
    if state.orderedStreams != counts.ordered { return "models" }
    if state.independentStreams != counts.independent { return "streams" }
    return nil
  }
}
