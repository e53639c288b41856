internal import Logging
internal import Wire
internal import ZeroMQ

/// The body of a channel's I/O thread: it moves messages between a socket and `ChannelState`, which
/// decides.
final class ChannelLoop {
  private let outbox: Outbox<ChannelEvent>
  private let stopFlag: StopFlag
  private let pipe: DealerPipe
  private let state: ChannelState<DealerPipe>
  @exclusivity(unchecked) private var poller = Poller()

  init(
    _ configuration: ClientConfiguration, context: Context, outbox: Outbox<ChannelEvent>,
    backpressure: Backpressure, stopFlag: StopFlag
  ) throws {
    self.outbox = outbox
    self.stopFlag = stopFlag
    pipe = try DealerPipe(endpoint: configuration.endpoint, context: context)
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

extension DealerPipe: ClientPipe {
  func send(_ header: RequestHeader, _ payload: Payload) -> Bool {
    noting { () throws(ZMQError) in try Frames.send(header, payload, to: socket) }
  }
}
