internal import Logging
internal import Wire
internal import ZeroMQ

/// The body of a channel's I/O thread: it moves messages between a socket and `ChannelState`, which
/// decides.
final class ChannelLoop {
  private let outbox: Outbox<ChannelEvent>
  private let stopFlag: StopFlag
  private let pipe: SocketPipe
  private let state: ChannelState<SocketPipe>
  @exclusivity(unchecked) private var poller = Poller()

  init(
    _ configuration: ClientConfiguration, context: Context, outbox: Outbox<ChannelEvent>,
    backpressure: Backpressure, stopFlag: StopFlag
  ) throws {
    self.outbox = outbox
    self.stopFlag = stopFlag
    pipe = try SocketPipe(endpoint: configuration.endpoint, context: context)
    state = ChannelState(
      configuration, outbox: outbox, backpressure: backpressure, pipe: pipe,
      incarnation: UInt64.random(in: 1...UInt64.max), spread: { UInt64.random(in: 0...$0) },
      logger: Logger(label: "rpc.client"), now: Monotonic.milliseconds())
    try poller.add(pipe.socket)
    poller.add(descriptor: outbox.descriptor)
    try poller.add(pipe.breaks)
  }

  /// Runs until the channel is closed; every call is resolved when it returns.
  func run() {
    var failure = RPCError(.unavailable, "the channel was closed")
    do {
      while !stopFlag.isSet {
        state.now = Monotonic.milliseconds()
        let events = state.takeEvents()
        state.release()
        let received = try receiveBatch()
        state.tick()
        try attend()
        if !events, received == 0 { try sleep() }
      }
    } catch {
      state.logger.error("the channel failed: \(error)")
      failure = RPCError(wrapping: error)
    }
    state.end(failure)
  }

  /// What the pipe could not say where it happened.
  private func attend() throws {
    if let failure = pipe.failure { throw failure }
    guard pipe.isNew else { return }
    pipe.isNew = false
    try poller.replace(at: 0, with: pipe.socket)
    try poller.replace(at: 2, with: pipe.breaks)
  }

  private func sleep() throws {
    guard outbox.prepareToSleep() else { return }
    var isReady = false
    if !stopFlag.isSet {
      let rest = state.nextTick - min(state.nextTick, Monotonic.milliseconds())
      isReady = try poller.wait(milliseconds: state.isBlocked ? 10 : Int(max(1, rest)))
    }
    outbox.wokeUp(signalled: isReady && poller.isReady(1))
    if isReady, poller.isReady(2) {
      state.now = Monotonic.milliseconds()
      state.reconnect()
      try attend()
    }
  }

  private func receiveBatch() throws -> Int {
    var count = 0
    while count < Frames.perTurn {
      let socket = pipe.socket
      guard let (facts, more) = try socket.receive({ (state.read($0), $1) }) else { break }
      count += 1
      let received = try Frames.receivePayload(from: socket, more: more)
      if let facts, let received { state.handle(facts, received.payload) }
    }
    if count > 0 { state.heard() }
    return count
  }
}

/// A channel's connection to the router.
private final class SocketPipe: ClientPipe {
  private let endpoint: String
  private let context: Context
  @exclusivity(unchecked) private(set) var socket: Socket
  /// Says when the socket's connection broke.
  private(set) var breaks: Socket
  /// The sockets are others than before, which the poller does not know yet.
  var isNew = false
  /// What ends the loop.
  private(set) var failure: ZMQError?

  init(endpoint: String, context: Context) throws(ZMQError) {
    self.endpoint = endpoint
    self.context = context
    (socket, breaks) = try Self.connect(endpoint, context)
  }

  private static func connect(
    _ endpoint: String, _ context: Context
  ) throws(ZMQError) -> (Socket, Socket) {
    let socket = try Socket(context, .dealer)
    try socket.setHighWaterMark(RouterLimits.highWaterMark)
    try socket.setMaximumFrame(bytes: Limits.maxFrameBytes)
    try socket.setReconnectInterval(milliseconds: 20, maximum: 1000)
    try socket.connect(endpoint)
    return (socket, try socket.disconnections())
  }

  func send(_ header: RequestHeader, _ payload: Payload) -> Bool {
    do throws(ZMQError) {
      return try Frames.send(header, payload, to: socket)
    } catch {
      failure = error
      return true
    }
  }

  func reconnect() {
    do throws(ZMQError) {
      (socket, breaks) = try Self.connect(endpoint, context)
      isNew = true
    } catch {
      failure = error
    }
  }
}
