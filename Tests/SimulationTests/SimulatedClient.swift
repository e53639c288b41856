import Logging
import Wire

@testable import RPC

/// A client process: `ChannelState` and a program that opens a session, trains, samples and finishes.
final class SimulatedClient: Reconnecting, @unchecked Sendable {
  private struct Key: Hashable {
    var stream: String
    var seq: UInt64
  }

  let name: String
  let isInRouter = false
  let stoppedUntil: UInt64? = nil
  private let number: Int
  private let outbox: Outbox<ChannelEvent>
  private let backpressure = Backpressure(limit: 1 << 20)
  private let control: StreamHandle
  private let pipe: Pipe
  private var state: ChannelState<Pipe>
  private var timer: UInt64 = .max
  private var handles: [String: StreamHandle] = [:]
  /// What the program is still to submit.
  private var open: Set<Key> = []
  private var answers: [Key: (result: Result<Payload, RPCError>, count: Int)] = [:]
  /// What the program cancels, or gives a time-out.
  private var givenUp: Set<Key> = []
  private var plan: [(stream: String, method: Method)] = []
  private var isFinishing = false
  private var isFinished = false
  private(set) var isDone = false
  private var hasEnded = false

  fileprivate final class Pipe: ClientPipe {
    weak var client: SimulatedClient?
    unowned let world: World
    var connection: Connection?

    init(_ world: World) { self.world = world }

    func send(_ header: RequestHeader, _ payload: Payload) -> Bool {
      guard let connection else { return true }
      return world.send(
        Message(header: header.encoded(), payload: payload), on: connection, toRouter: true)
    }

    func reconnect() {
      if let connection { world.cut(connection) }
      connection = client.map { world.connect($0) }
    }
  }

  init(_ number: Int, in world: World) {
    self.number = number
    name = "client \(number)"
    guard let outbox = try? Outbox<ChannelEvent>() else { preconditionFailure("no eventfd") }
    self.outbox = outbox
    var configuration = ClientConfiguration(endpoint: "simulated")
    configuration.initialWindowRequests = world.seed % 4 == 0 ? 3 : 64
    configuration.askMilliseconds = 2000
    configuration.heartbeatMilliseconds = 500
    configuration.leaseHeartbeatMilliseconds = 1000
    configuration.silenceMilliseconds = 3000
    configuration.backoffMilliseconds = (10, 500)
    pipe = Pipe(world)
    control = StreamHandle(name: "", firstSeq: 0, outbox: outbox, backpressure: backpressure)
    state = ChannelState(
      configuration, outbox: outbox, backpressure: backpressure, pipe: pipe,
      incarnation: UInt64(number) + 1,
      spread: { [unowned world] in $0 == 0 ? 0 : world.draw(0...$0) },
      logger: World.silent, now: world.now)
    pipe.client = self
    pipe.connection = world.connect(self)
    makePlan(world)
    submit(control, .sessionsCreate, in: world) { [unowned self, unowned world] _ in
      self.outbox.push(.token(SimulatedRouter.token(number)))
      for index in plan.indices {
        // Pipelined in bursts, with the program's own pauses between.
        world.after(UInt64(index / 3) * 700 + world.draw(0...300)) { [weak self] in
          self?.submitNext(in: $0)
        }
      }
    }
    turn(in: world)
  }

  private func makePlan(_ world: World) {
    let models = 1 + world.draw(below: 2)
    for model in 0..<models {
      let stream = "s\(number):train:\(model)"
      let count = 3 + world.draw(below: 6)
      for seq in 0..<count {
        let method: Method =
          seq == 0
          ? .trainingCreateModel
          : seq == count - 1
            ? .samplingSaveWeightsForSampler
            : world.chance(60) ? .trainingForwardBackward : .trainingOptimStep
        plan.append((stream, method))
      }
    }
    for _ in 0..<world.draw(below: 5) { plan.append(("s\(number):sample:0", .samplingSample)) }
    // Each stream's own order stays.
    for index in plan.indices.dropLast() where plan[index].stream != plan[index + 1].stream {
      if world.chance(50) { plan.swapAt(index, index + 1) }
    }
  }

  private var submitted = 0

  private func submitNext(in world: World) {
    let (stream, method) = plan[submitted]
    submitted += 1
    let handle =
      handles[stream]
      ?? StreamHandle(name: stream, firstSeq: 0, outbox: outbox, backpressure: backpressure)
    handles[stream] = handle
    submit(handle, method, in: world) { [unowned self, unowned world] _ in
      guard submitted == plan.count, open.isEmpty, !isFinishing else { return }
      isFinishing = true
      submit(control, .sessionsFinish, in: world) { [unowned self] _ in
        isFinished = true
      }
    }
    turn(in: world)
  }

  private func submit(
    _ handle: StreamHandle, _ method: Method, in world: World,
    then: @escaping (Result<Payload, RPCError>) -> Void
  ) {
    let then = Unchecked(then)
    // In a quarter of the schedules: what concerns the session itself is always waited for.
    let isImpatient = world.seed % 4 == 1 && handle !== control
    var options = CallOptions()
    if isImpatient, world.chance(10) { options.timeout = .milliseconds(world.draw(20...3000)) }
    let pending = handle.submit(
      method, Payload(text: "\(method.name) of \(name)"), Payload.self, options: options)
    let key = Key(stream: handle.name, seq: pending.seq)
    open.insert(key)
    if options.timeout != nil { givenUp.insert(key) }
    if isImpatient, world.chance(10) {
      givenUp.insert(key)
      world.after(world.draw(0...2000)) { [weak self] world in
        guard let self, !hasEnded else { return }
        world.trace("\(name) cancels seq \(key.seq) of \(key.stream)")
        pending.cancel()
        turn(in: world)
      }
    }
    pending.whenDone { [unowned self] result in
      open.remove(key)
      answers[key] = (result, (answers[key]?.count ?? 0) + 1)
      then.body(result)
    }
  }

  private struct Unchecked: @unchecked Sendable {
    let body: (Result<Payload, RPCError>) -> Void
    init(_ body: @escaping (Result<Payload, RPCError>) -> Void) { self.body = body }
  }

  // MARK: Turns of its loop

  func turn(in world: World) {
    guard !hasEnded else { return }
    state.now = world.now
    repeat { state.release() } while state.takeEvents()
    state.release()
    state.tick()
    // The service says what became of everything, also of what nobody waits for any more.
    if isFinished, !isDone, state.outstanding.requests == 0 {
      isDone = true
      // Its process ends, and with it its heartbeats.
      world.after(500) { [weak self] _ in self?.hasEnded = true }
    }
    let due = state.isBlocked ? world.now + 10 : max(world.now + 1, state.nextTick)
    guard due < timer || timer <= world.now else { return }
    timer = due
    world.after(due - world.now) { [weak self] world in
      guard let self, timer == due else { return }
      timer = .max
      turn(in: world)
    }
  }

  func receive(_ message: Message, in world: World) {
    state.now = world.now
    if let facts = message.header.withUnsafeBytes({ state.read($0) }) {
      state.handle(facts, message.payload)
    }
    state.heard()
    turn(in: world)
  }

  // MARK: Faults

  var connection: Connection? { pipe.connection }

  func disconnect() { pipe.connection = nil }

  func connectionBroke(_ connection: Connection, in world: World) {
    world.after(world.draw(0...100)) { [weak self] world in
      guard let self, pipe.connection === connection else { return }
      state.now = world.now
      state.reconnect()
      turn(in: world)
    }
  }

  /// The library below connects again and nobody notices.
  func reconnectSilently(in world: World) {
    if let connection = pipe.connection { world.cut(connection) }
    pipe.connection = world.connect(self)
  }

  // MARK: What came of it

  func check(in world: World) {
    for key in open.sorted(by: { ($0.stream, $0.seq) < ($1.stream, $1.seq) }) {
      world.problem("\(name): no answer to seq \(key.seq) of \"\(key.stream)\"")
    }
    guard isDone else {
      return world.problem("\(name): not done; submitted \(submitted) of \(plan.count)")
    }
    if state.outstanding.requests != 0 || state.outstanding.bytes != 0 {
      world.problem("\(name): \(state.outstanding) outstanding")
    }
    if !backpressure.hasRoom { world.problem("\(name): bytes are still counted") }
    var seqs: [String: UInt64] = [:]
    var states: [String: UInt64] = [:]
    let steps = Dictionary(
      uniqueKeysWithValues: Set(plan.map(\.stream)).map { stream in
        (stream, world.disk(stream).ran)
      })
    for (stream, method) in plan {
      let key = Key(stream: stream, seq: seqs[stream, default: 0])
      seqs[stream] = key.seq + 1
      let text = "\(method.name) of \(name)"
      guard method.ordering == .ordered else {
        expect(key, Compute.answer(Compute.mix(key.seq, text)), world)
        continue
      }
      // What was given up may have run or not; the disk says which, and everybody else's bytes must
      // be those of just that.
      let ran = steps[stream]?[key.seq] ?? false
      if ran { states[stream] = Compute.state(states[stream] ?? 0, after: method, text) }
      if !ran, !givenUp.contains(key) { world.problem("\(key) has not run") }
      expect(key, Compute.answer(states[stream] ?? 0), world)
    }
  }

  private func expect(_ key: Key, _ expected: String, _ world: World) {
    guard let (result, count) = answers[key] else { return world.problem("\(key) has no answer") }
    if count != 1 { world.problem("\(key) was answered \(count) times") }
    switch result {
    case .failure(let error):
      let isWanted = error.code == .cancelled || error.code == .deadlineExceeded
      if !isWanted || !givenUp.contains(key) { world.problem("\(key): \(error)") }
    case .success(let payload) where payload.text != expected:
      world.problem("\(key): \(payload.text) and not \(expected)")
    case .success: break
    }
  }
}
