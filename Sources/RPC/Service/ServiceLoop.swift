internal import Logging
internal import Wire
internal import ZeroMQ

/// The body of a worker's I/O thread: it moves messages between a socket and `ServiceState`, which
/// decides, and computes nothing.
///
/// What is touched for every message is not checked for overlapping accesses at run time: one
/// thread owns it, and the checks cost a tenth of the loop.
final class ServiceLoop {
  private let control: ServiceControl
  private let pipe: DealerPipe
  private let state: ServiceState<DealerPipe>
  @exclusivity(unchecked) private var poller = Poller()

  init(
    _ configuration: WorkerConfiguration, methods: MethodTable, context: Context,
    control: ServiceControl, progress: ProgressCounter
  ) throws {
    self.control = control
    pipe = try DealerPipe(endpoint: configuration.endpoint, context: context)
    state = ServiceState(
      configuration, methods: methods, control: control, progress: progress, pipe: pipe,
      incarnation: UInt64.random(in: 1...UInt64.max),
      logger: Logger(label: "rpc.worker.\(configuration.name)"), now: Monotonic.microseconds())
    try poller.add(pipe.socket)
    poller.add(descriptor: control.outbox.descriptor)
    try poller.add(pipe.breaks)
  }

  func run() throws {
    state.sayHello()
    while !control.shouldStop {
      state.now = Monotonic.microseconds()
      let received = try receiveBatch()
      let sent = state.takeEvents()
      state.tick()
      if state.isBlocked { state.flush() }
      try attend()
      if received == 0, !sent { try sleep() }
    }
    try pipe.socket.setLinger(milliseconds: 100)
    state.end()
    try attend()
  }

  /// What the pipe could not say where it happened.
  private func attend() throws {
    if let failure = pipe.failure { throw failure }
    if let refusal = state.refusal { throw refusal }
    guard pipe.isNew else { return }
    pipe.isNew = false
    try poller.replace(at: 0, with: pipe.socket)
    try poller.replace(at: 2, with: pipe.breaks)
  }

  private func sleep() throws {
    guard control.outbox.prepareToSleep() else { return }
    var isReady = false
    if !control.shouldStop {
      let now = Monotonic.milliseconds()
      let rest = state.nextHeartbeat - min(state.nextHeartbeat, now)
      isReady = try poller.wait(milliseconds: state.isBlocked ? 5 : Int(max(1, rest)))
    }
    control.outbox.wokeUp(signalled: isReady && poller.isReady(1))
    if isReady, poller.isReady(2) {
      state.now = Monotonic.microseconds()
      state.disconnected()
      try attend()
    }
  }

  private func receiveBatch() throws -> Int {
    var count = 0
    while count < Frames.perTurn, try receiveOne() { count += 1 }
    if count > 0 { state.heard() }
    return count
  }

  private func receiveOne() throws -> Bool {
    let socket = pipe.socket
    guard let (first, more) = try socket.receive({ (state.read($0), $1) }) else { return false }
    switch first {
    case .control:
      guard more else { return true }
      let message = try socket.receive { bytes, more in
        (Result { () throws(WireError) in try RouterMessage(decoding: bytes) }, more)
      }
      if let message {
        if message.1 { try socket.skipRest() }
        state.obey(message.0)
      }
    case .request(let facts, let entry):
      guard let (payload, _) = try Frames.receivePayload(from: socket, more: more) else {
        let error = RPCError(.invalidArgument, "more than \(Limits.maxAttachments) attachments")
        state.sendFinal(entry, facts.seq, facts.traceID, Outcome(error: error))
        return true
      }
      state.perform(facts, entry, payload)
    case .garbage(let error):
      state.logger.warning("a request header from the router was not readable: \(error)")
      if more { try socket.skipRest() }
    }
    return true
  }
}

extension DealerPipe: ServicePipe {
  func send(_ header: ResponseHeader, _ payload: Payload) -> Bool {
    noting { () throws(ZMQError) in try Frames.send(header, payload, to: socket) }
  }

  func send(_ message: WorkerMessage) -> Bool {
    noting { () throws(ZMQError) in try Frames.send(control: message.encoded(), to: socket) }
  }
}
