import Foundation
import RPC
import Wire
import ZeroMQ

/// The router's decisions alone, without sockets and without compute: scripted sessions, models
/// and 64 workers drive a `RouterState`, at 100 and at 10,000 sessions.
///
/// - `router.s100.cpu`, `router.s10000.cpu`: processor time of `RouterState` for one request and
///   its answer, ns, the least of the runs; 200,000 requests a run, half of them training, half
///   sampling, half of them waiting for room
/// - `router.s10000.vs_s100`: their ratio
/// - `router.s10000.heap_growth`: bytes of the heap that the last run left more than the first one
/// - `router.bytes_per_session`: with its connection and a sampling stream
/// - `router.bytes_per_queued_request`: waiting for room; without its message
struct RouterSuite {
  let reporter: Reporter
  let runs: Int

  private static let requests = 200_000

  func run() {
    // First: memory that was used before would hide what is taken.
    if reporter.wants("router.bytes") { sizes() }
    if reporter.wants("router.s") { scale() }
  }

  private func scale() {
    var few = RouterScript(sessions: 100)
    var many = RouterScript(sessions: 10_000)
    var samples: (few: [Double], many: [Double]) = ([], [])
    var heap: [Double] = []
    for run in 0...runs {
      let one = few.run(Self.requests)
      let other = many.run(Self.requests)
      // The first round warms everything up.
      guard run > 0 else { continue }
      samples.few.append(one * 1e9 / Double(Self.requests))
      samples.many.append(other * 1e9 / Double(Self.requests))
      heap.append(Memory.own.heap)
    }
    guard let least = samples.few.min(), let most = samples.many.min() else { return }
    reporter.report("router.s100.cpu", samples: [least], unit: "ns")
    reporter.report("router.s10000.cpu", samples: [most], unit: "ns")
    reporter.report("router.s10000.vs_s100", samples: [most / least], unit: "ratio")
    reporter.report(
      "router.s10000.heap_growth", samples: [(heap.last ?? 0) - (heap.first ?? 0)],
      unit: "bytes")
  }

  private func sizes() {
    let sessions = 10_000
    var script = RouterScript(sessions: 1)
    let before = Memory.own.heap
    script.open(sessions: sessions)
    let opened = Memory.own.heap
    let perSession = (opened - before) / Double(sessions)
    let queued = script.queue(perSession: 20)
    let perRequest = (Memory.own.heap - opened) / Double(queued)
    reporter.report("router.bytes_per_session", samples: [perSession], unit: "bytes")
    reporter.report("router.bytes_per_queued_request", samples: [perRequest], unit: "bytes")
  }
}

/// Clients and workers of a router that exist only as messages.
private struct RouterScript {
  /// An encoded header, and what the other side makes of it.
  private struct Message {
    var frame: [UInt8]
    var peer: ConnectionID
  }

  private static let workers = 64
  private static let models = 2000
  private static let tenants = 100
  /// Requests that are outstanding together.
  private static let wave = 4096
  private static let cost: UInt64 = 256

  private let authority = SessionAuthority(key: [UInt8](repeating: 7, count: 32))
  private var state: RouterState
  private var random: UInt64 = 1
  private var tokens: [String] = []
  private var names: [String] = []
  private var nextTraining: [UInt64] = []
  private var nextSampling: [UInt64] = []
  private var actions: [RouterAction] = []
  private var now: UInt64 = 1
  /// What was forwarded, and to which worker.
  private var forwarded: [(parcel: Parcel, worker: ConnectionID)] = []
  /// The place of a request in its wave, by its parcel.
  private let numbers = Dictionary(
    uniqueKeysWithValues: (0..<Self.wave).map { (Parcel(first: Int32($0)), $0) })

  init(sessions: Int) {
    state = RouterState(
      RouterRules(), authority: authority, tenants: TenantDirectory(), now: 0)
    var keeper = WorkerHello(name: "keeper")
    keeper.isKeeper = true
    state.control(.hello(keeper), from: ConnectionID(1 << 40), now: 0)
    for worker in 0..<Self.workers {
      state.control(
        .hello(WorkerHello(name: "worker-\(worker)")), from: Self.worker(worker), now: 0)
    }
    state.takeActions(into: &actions)
    open(sessions: sessions)
    createModels()
  }

  private static func worker(_ index: Int) -> ConnectionID { ConnectionID(1 << 41 + UInt64(index)) }

  /// More sessions, each with its connection and one answered sampling request.
  mutating func open(sessions: Int) {
    for _ in 0..<sessions {
      let number = names.count
      let name = "s" + String(format: "%020d", number)
      names.append(name)
      tokens.append(authority.token(for: name, tenant: "tenant-\(number % Self.tenants)"))
      nextSampling.append(0)
      _ = answerAll([sampling(number)])
    }
  }

  private mutating func createModels() {
    nextTraining = [UInt64](repeating: 0, count: Self.models)
    for model in 0..<Self.models {
      ask(training(model, .trainingCreateModel), number: 0)
      state.takeActions(into: &actions)
      for case .command(.open(let stream, let epoch), let worker) in actions {
        state.control(
          .opened(OwnedStream(stream: stream, epoch: epoch)), from: worker, now: now)
      }
      take()
      _ = answerForwarded(of: [header(ofTraining: model, seq: 0)])
    }
  }

  // MARK: Messages

  private mutating func below(_ bound: Int) -> Int {
    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(random >> 33) % bound
  }

  private func header(ofTraining model: Int, seq: UInt64) -> (stream: String, seq: UInt64) {
    ("\(names[model % names.count]):train:\(model / names.count)", seq)
  }

  private mutating func training(
    _ model: Int, _ method: Wire.Method = .trainingForwardBackward
  ) -> Message {
    let (stream, seq) = header(ofTraining: model, seq: nextTraining[model])
    nextTraining[model] += 1
    let session = model % names.count
    return message(method, stream, seq, acked: seq > 0 ? seq - 1 : 0, session)
  }

  private mutating func sampling(_ session: Int) -> Message {
    nextSampling[session] += 1
    return message(
      .samplingSample, "\(names[session]):sample:0", nextSampling[session], acked: 0, session)
  }

  private func message(
    _ method: Wire.Method, _ stream: String, _ seq: UInt64, acked: UInt64, _ session: Int
  ) -> Message {
    let header = RequestHeader(
      method: method, stream: stream, seq: seq, acked: acked, sessionToken: tokens[session])
    return Message(frame: header.encoded(), peer: ConnectionID(UInt64(session) + 1))
  }

  // MARK: Running

  /// Sends requests and answers them, and tells the processor seconds of the router.
  mutating func run(_ requests: Int) -> Double {
    var seconds = 0.0
    var left = requests
    while left > 0 {
      let count = min(left, Self.wave)
      let messages = (0..<count).map { index in
        index % 2 == 0 ? training(below(Self.models)) : sampling(below(names.count))
      }
      seconds += answerAll(messages)
      left -= count
      now += 5
      state.tick(now: now)
      beat()
    }
    return seconds
  }

  /// Workers and clients are heard of.
  private mutating func beat() {
    for worker in 0..<Self.workers {
      state.control(
        .heartbeat(progress: 0, outstanding: 0, room: WorkerRoom()), from: Self.worker(worker),
        now: now)
    }
    state.takeActions(into: &actions)
  }

  private mutating func answerAll(_ messages: [Message]) -> Double {
    let start = processorSeconds()
    for (number, message) in messages.enumerated() {
      ask(message, number: number)
      take()
    }
    let asked = processorSeconds() - start
    let keys = messages.map { message in
      let header = message.frame.withUnsafeBytes { try? RequestHeader(decoding: $0) }
      return (stream: header?.stream ?? "", seq: header?.seq ?? 0)
    }
    return asked + answerForwarded(of: keys)
  }

  /// Workers answer what they were sent until nothing is left.
  private mutating func answerForwarded(of keys: [(stream: String, seq: UInt64)]) -> Double {
    var seconds = 0.0
    while !forwarded.isEmpty {
      let answers = forwarded.map { parcel, worker in
        let key = keys[numbers[parcel] ?? 0]
        let header = ResponseHeader(
          stream: key.stream, seq: key.seq, epoch: key.stream.contains(":train:") ? 1 : 0)
        return Message(frame: header.encoded(), peer: worker)
      }
      forwarded.removeAll(keepingCapacity: true)
      let start = processorSeconds()
      for answer in answers {
        answer.frame.withUnsafeBytes { frame in
          guard let peek = try? ResponsePeek(frame) else { return }
          state.response(peek, Parcel(first: -1), from: answer.peer, now: now)
        }
        take()
      }
      seconds += processorSeconds() - start
    }
    return seconds
  }

  private mutating func ask(_ message: Message, number: Int) {
    message.frame.withUnsafeBytes { frame in
      guard let peek = try? RequestPeek(frame) else { return }
      state.request(
        peek, Parcel(first: Int32(number)), bytes: frame.count, cost: Self.cost,
        from: message.peer, now: now)
    }
  }

  private mutating func take() {
    state.takeActions(into: &actions)
    for case .forward(let parcel, let worker) in actions {
      forwarded.append((parcel, worker))
    }
  }

  /// Fills the workers, and then queues so many requests for each session.
  /// - Returns: how many wait.
  mutating func queue(perSession: Int) -> Int {
    for session in names.indices {
      for _ in 0..<perSession { ask(sampling(session), number: 0) }
      state.takeActions(into: &actions)
    }
    return state.statistics.held
  }

  private func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
