import DequeModule
import Journal
import Wire

@testable import RPC
@testable import Trainer

/// A worker process (or the keeper): `ServiceState`, its compute thread and its journal.
final class SimulatedProcess: Reconnecting, @unchecked Sendable {
  let name: String
  /// Nil for the keeper.
  let number: Int?
  var isInRouter: Bool { number == nil }
  private(set) var isAlive = true
  private(set) var stoppedUntil: UInt64?
  private let control: ServiceControl
  private let pipe: Pipe
  private var state: ServiceState<Pipe>
  private let compute: Compute?

  fileprivate final class Pipe: ServicePipe {
    weak var process: SimulatedProcess?
    unowned let world: World
    var connection: Connection?

    init(_ world: World) { self.world = world }

    private func send(_ message: Message) -> Bool {
      guard let connection else { return true }
      return world.send(message, on: connection, toRouter: true)
    }

    func send(_ header: ResponseHeader, _ payload: Payload) -> Bool {
      send(Message(header: header.encoded(), payload: payload))
    }

    func send(_ message: WorkerMessage) -> Bool {
      send(Message(header: [], control: message.encoded()))
    }

    func reconnect() {
      if let connection { world.cut(connection) }
      connection = process.map { world.connect($0) }
    }
  }

  init(_ number: Int?, incarnation: UInt64, in world: World) {
    self.number = number
    name = number.map { "w\($0)" } ?? "keeper"
    guard let control = try? ServiceControl() else { preconditionFailure("no eventfd") }
    self.control = control
    pipe = Pipe(world)
    var configuration = WorkerConfiguration(endpoint: "simulated", name: name)
    configuration.heartbeatMilliseconds = 300
    configuration.routerTimeoutMilliseconds = 2500
    configuration.room = WorkerRoom(trainingTokens: 3, decodeTokens: 4, controlRequests: 3)
    var methods = MethodTable()
    if number == nil {
      compute = nil
      configuration.isKeeper = true
      Self.addKeeperMethods(to: &methods, control)
    } else {
      let compute = Compute(world)
      let journal = SimulatedJournal(compute, control, world)
      self.compute = compute
      configuration.journal = journal
      configuration.closeStream = { compute.add(.release($0)) }
      compute.addMethods(to: &methods)
    }
    state = ServiceState(
      configuration, methods: methods, control: control, progress: ProgressCounter(), pipe: pipe,
      incarnation: incarnation, logger: World.silent, now: world.now * 1000)
    pipe.process = self
    pipe.connection = world.connect(self)
    compute?.process = self
    world.trace("\(name) starts as \(incarnation)")
    state.sayHello()
    tick(in: world)
  }

  private static func addKeeperMethods(to table: inout MethodTable, _ control: ServiceControl) {
    for method in [Method.sessionsCreate, .sessionsHeartbeat, .adminPing] {
      table.handle(method, Payload.self, Payload.self) { request, _, reply in
        reply.finish(request)
      }
    }
    table.handle(.sessionsFinish, Payload.self, Payload.self) { request, context, reply in
      control.outbox.push(.sessionEnded(String(context.sessionToken.prefix { $0 != "." })))
      reply.finish(request)
    }
  }

  // MARK: Turns of its loop

  private func tick(in world: World) {
    guard isAlive else { return }
    if let wakes = stoppedUntil, wakes > world.now {
      return world.after(wakes - world.now) { [weak self] in self?.tick(in: $0) }
    }
    state.now = world.now * 1000
    state.tick()
    turn(in: world)
    world.after(state.isBlocked ? 5 : 100) { [weak self] in self?.tick(in: $0) }
  }

  /// What handlers said, and what waits.
  func turn(in world: World) {
    guard isAlive else { return }
    state.now = world.now * 1000
    while state.takeEvents() {}
    if state.isBlocked { state.flush() }
  }

  func receive(_ message: Message, in world: World) {
    guard isAlive else { return }
    state.now = world.now * 1000
    state.heard()
    let first = message.header.withUnsafeBytes { state.read($0) }
    switch first {
    case .control:
      state.obey(
        message.control.withUnsafeBytes { bytes in
          Result { () throws(WireError) in try RouterMessage(decoding: bytes) }
        })
    case .request(let facts, let entry): state.perform(facts, entry, message.payload)
    case .garbage(let error): world.problem("garbage at \(name): \(error)")
    }
    turn(in: world)
  }

  // MARK: Faults

  var connection: Connection? { pipe.connection }

  func disconnect() { pipe.connection = nil }

  func kill(in world: World) {
    guard isAlive else { return }
    world.trace("\(name) is killed")
    isAlive = false
    if let connection = pipe.connection { world.cut(connection, isLate: world.chance(40)) }
    // Ends the references in a circle.
    compute?.end()
  }

  func stop(for milliseconds: UInt64, in world: World) {
    world.trace("\(name) is stopped for \(milliseconds) ms")
    let wakes = min(world.now + milliseconds, max(world.now, World.faultsEnd))
    stoppedUntil = max(stoppedUntil ?? 0, wakes)
  }

  func connectionBroke(_ connection: Connection, in world: World) {
    let delay = max(stoppedUntil ?? 0, world.now) - world.now + world.draw(0...100)
    world.after(delay) { [weak self] world in
      guard let self, isAlive, pipe.connection === connection else { return }
      state.now = world.now * 1000
      state.disconnected()
      turn(in: world)
    }
  }

  func reconnectSilently(in world: World) {
    if let connection = pipe.connection { world.cut(connection) }
    pipe.connection = world.connect(self)
  }

  // MARK: What came of it

  func check(in world: World) {
    guard isAlive else { return }
    if state.waitingBytes != 0 { world.problem("\(name): \(state.waitingBytes) bytes are unsent") }
    for entry in state.streams.values {
      if entry.unfinished != 0 {
        world.problem("\(name): \(entry.unfinished) unfinished of \"\(entry.name)\"")
      }
      if entry.opening != nil { world.problem("\(name): \"\(entry.name)\" is being opened") }
    }
  }
}

/// A compute thread: one request at a time, in the order of their coming. A model's state is a hash
/// of everything that has run on it.
final class Compute: @unchecked Sendable {
  enum Job {
    case work(Work)
    /// The stream is not owned here any more.
    case release(String)
    case recover(String, ReplayPlan, done: () -> Void)
  }

  struct Work {
    let payload: Payload
    let context: CallContext
    let reply: Reply<Payload>
  }

  weak var process: SimulatedProcess?
  private unowned let world: World
  private var jobs = Deque<Job>()
  private var work = Deque<Work>()
  private var models: [String: (state: UInt64, nextSeq: UInt64)] = [:]
  private var isBusy = false

  init(_ world: World) { self.world = world }

  static func mix(_ state: UInt64, _ text: String) -> UInt64 {
    var hash = state ^ 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    return hash
  }

  /// What a request leaves of a model. Saving changes nothing, and its body is not recorded.
  static func state(_ state: UInt64, after method: Method?, _ text: String) -> UInt64 {
    method == .samplingSaveWeightsForSampler ? state : mix(state, text)
  }

  static func answer(_ state: UInt64) -> String { String(state, radix: 16) }

  func addMethods(to table: inout MethodTable) {
    for method in Method.allCases
    where method.ordering == .ordered || method == .samplingSample {
      table.handle(method, Payload.self, Payload.self) { [weak self] payload, context, reply in
        self?.add(.work(Work(payload: payload, context: context, reply: reply)))
      }
    }
  }

  func add(_ job: Job) {
    jobs.append(job)
    if !isBusy { start(after: 0) }
  }

  func end() {
    jobs = []
    work = []
  }

  private func start(after delay: UInt64) {
    isBusy = true
    world.after(delay) { [weak self] in self?.turn(in: $0) }
  }

  private func turn(in world: World) {
    guard let process, process.isAlive else { return }
    if let wakes = process.stoppedUntil, wakes > world.now {
      return start(after: wakes - world.now)
    }
    while let job = jobs.popFirst() {
      switch job {
      case .work(let item): work.append(item)
      case .release(let stream):
        models[stream] = nil
        work.removeAll { $0.context.stream == stream }
      case .recover(let stream, let plan, let done):
        // Replaying takes its time, and nothing else runs meanwhile.
        return world.after(UInt64(plan.steps.count) * world.draw(0...20)) { [weak self] world in
          self?.recover(stream, plan, done, in: world)
        }
      }
    }
    guard let item = work.popFirst() else {
      isBusy = false
      return process.turn(in: world)
    }
    world.after(world.draw(1...40)) { [weak self] in self?.finish(item, in: $0) }
  }

  private func recover(
    _ stream: String, _ plan: ReplayPlan, _ done: () -> Void, in world: World
  ) {
    guard let process, process.isAlive else { return }
    var model: (state: UInt64, nextSeq: UInt64) = (0, 0)
    for step in plan.steps {
      model.nextSeq = step.request.seq + 1
      guard let outcome = step.outcome, outcome.ran else { continue }
      model.state = Self.state(
        model.state, after: Method(rawValue: step.request.method), step.request.payload.text)
      guard outcome.code == 0, outcome.payload.text != Self.answer(model.state) else { continue }
      world.problem("replaying seq \(step.request.seq) of \(stream) gave another answer")
    }
    models[stream] = model
    done()
    process.turn(in: world)
    start(after: 0)
  }

  private func finish(_ item: Work, in world: World) {
    guard let process, process.isAlive else { return }
    if let wakes = process.stoppedUntil, wakes > world.now {
      return world.after(wakes - world.now) { [weak self] in self?.finish(item, in: $0) }
    }
    run(item, in: world)
    process.turn(in: world)
    start(after: 0)
  }

  private func run(_ item: Work, in world: World) {
    let context = item.context
    let isExpired = context.deadline.map { world.now * 1000 >= $0 } ?? false
    if context.isCancelled || isExpired {
      if context.method.ordering == .ordered {
        models[context.stream, default: (0, 0)].nextSeq = context.seq + 1
      }
      return item.reply.fail(
        context.isCancelled
          ? RPCError(.cancelled, "cancelled by the client")
          : RPCError(.deadlineExceeded, "the time-out has passed"))
    }
    guard context.method.ordering == .ordered else {
      item.reply.partial(Payload(text: "piece"), offset: 0)
      return item.reply.finish(Payload(text: Self.answer(Self.mix(context.seq, item.payload.text))))
    }
    var model = models[context.stream] ?? (0, 0)
    // What the router refused does not come here.
    if context.seq < model.nextSeq {
      world.problem("\(context.stream) runs seq \(context.seq) behind \(model.nextSeq)")
    }
    model.state = Self.state(model.state, after: context.method, item.payload.text)
    model.nextSeq = context.seq + 1
    models[context.stream] = model
    item.reply.finish(Payload(text: Self.answer(model.state)))
  }
}
