internal import DequeModule
internal import Logging
internal import Wire
internal import ZeroMQ

/// The body of a channel's I/O thread.
///
/// What is touched for every message is not checked for overlapping accesses at run time: one
/// thread owns it, and the checks cost a tenth of the loop.
final class ChannelLoop {
  /// Idle streams are dropped from the table above this size.
  static let maximumStreams = 1024
  /// Seqs of heartbeats, on the nameless stream, far above those of calls.
  static let firstHeartbeat: UInt64 = 1 << 62

  let configuration: ClientConfiguration
  let outbox: Outbox<ChannelEvent>
  let backpressure: Backpressure
  let logger = Logger(label: "rpc.client")
  let context: Context
  let stopFlag: StopFlag
  let incarnation = UInt64.random(in: 1...UInt64.max)

  @exclusivity(unchecked) var socket: Socket
  /// Says when the socket's connection broke.
  var breaks: Socket
  @exclusivity(unchecked) var poller = Poller()
  @exclusivity(unchecked) var token = ""
  @exclusivity(unchecked) var streams: [String: StreamHandle] = [:]
  @exclusivity(unchecked) var lastStream: StreamHandle?

  /// What other threads said since the last turn.
  private var events = Deque<ChannelEvent>()
  /// Calls to be sent, in the order of submission.
  @exclusivity(unchecked) var queue = Deque<ClientCall>()
  /// Calls to be sent again now, which have kept their places in the window.
  @exclusivity(unchecked) var returning = Deque<ClientCall>()
  /// Calls to be sent again later.
  var resting: [ClientCall] = []
  /// Calls with a time-out.
  var timed: [ClientCall] = []
  @exclusivity(unchecked) var submissions: UInt64 = 0
  @exclusivity(unchecked) var window: (requests: Int, bytes: Int)
  @exclusivity(unchecked) var outstanding = (requests: 0, bytes: 0)

  @exclusivity(unchecked) var lastReceived = Monotonic.milliseconds()
  @exclusivity(unchecked) var lastHeartbeat = Monotonic.milliseconds()
  var heartbeats = ChannelLoop.firstHeartbeat
  @exclusivity(unchecked) var nextTick: UInt64 = 0
  @exclusivity(unchecked) var isBlocked = false

  init(
    _ configuration: ClientConfiguration, context: Context, outbox: Outbox<ChannelEvent>,
    backpressure: Backpressure, stopFlag: StopFlag
  ) throws {
    self.configuration = configuration
    self.context = context
    self.outbox = outbox
    self.backpressure = backpressure
    self.stopFlag = stopFlag
    window = (configuration.initialWindowRequests, configuration.initialWindowBytes)
    socket = try Self.connect(configuration, context)
    breaks = try socket.disconnections()
    try poller.add(socket)
    poller.add(descriptor: outbox.descriptor)
    try poller.add(breaks)
  }

  static func connect(
    _ configuration: ClientConfiguration, _ context: Context
  ) throws -> Socket {
    let socket = try Socket(context, .dealer)
    try socket.setHighWaterMark(RouterLimits.highWaterMark)
    try socket.setMaximumFrame(bytes: Limits.maxFrameBytes)
    try socket.setReconnectInterval(milliseconds: 20, maximum: 1000)
    try socket.connect(configuration.endpoint)
    return socket
  }

  /// Runs until the channel is closed; every call is resolved when it returns.
  func run() {
    var failure = RPCError(.unavailable, "the channel was closed")
    do {
      while !stopFlag.isSet {
        let events = takeEvents()
        try release()
        let received = try receiveBatch()
        try tick()
        if !events, received == 0 { try sleep() }
      }
    } catch {
      logger.error("the channel failed: \(error)")
      failure = RPCError(wrapping: error)
    }
    end(failure)
  }

  func sleep() throws {
    guard outbox.prepareToSleep() else { return }
    var isReady = false
    if !stopFlag.isSet {
      let rest = nextTick - min(nextTick, Monotonic.milliseconds())
      isReady = try poller.wait(milliseconds: isBlocked ? 10 : Int(max(1, rest)))
    }
    outbox.wokeUp(signalled: isReady && poller.isReady(1))
    if isReady, poller.isReady(2) { try reconnect(Monotonic.milliseconds()) }
  }

  func end(_ failure: RPCError) {
    // Calls submitted from now on fail at once: their streams know, or the queue is never read.
    _ = takeEvents()
    for stream in streams.values { fail(stream, failure) }
    for call in queue { call.resolve(.failure(failure)) }
    outbox.close { event in
      if case .submit(let call) = event {
        call.stream.fail(failure)
        call.resolve(.failure(failure))
      }
    }
    backpressure.wakeAll()
  }

  // MARK: Submissions

  func takeEvents() -> Bool {
    outbox.take(into: &events)
    for event in events {
      switch event {
      case .submit(let call): admit(call)
      case .cancel(let call): cancel(call)
      case .token(let token): self.token = token
      }
    }
    defer { events.removeAll(keepingCapacity: true) }
    return !events.isEmpty
  }

  func admit(_ call: ClientCall) {
    if let error = call.stream.brokenBy {
      if call.payload != nil { backpressure.remove(call.bytes) }
      return call.resolve(.failure(error))
    }
    submissions += 1
    call.order = submissions
    if !call.stream.isRegistered { register(call.stream) }
    call.stream.append(call)
    queue.append(call)
    if call.options.timeout != nil { timed.append(call) }
  }

  func register(_ stream: StreamHandle) {
    if streams.count >= Self.maximumStreams {
      for idle in streams.values where idle.open.isEmpty {
        idle.isRegistered = false
        streams[idle.name] = nil
      }
      lastStream = nil
    }
    streams[stream.name] = stream
    stream.isRegistered = true
  }

  func cancel(_ call: ClientCall) {
    switch call.phase {
    case .answered: return
    case .sent:
      // Without an answer of its own: the call's answer says what became of it.
      _ = try? Frames.send(header(.futuresCancel, call), .empty, to: socket)
    case .queued, .resting:
      // Its seq must be used up all the same, if it is one of an ordered stream.
      guard call.method.ordering == .independent else { return call.isCancelled = true }
      queue.removeAll { $0 === call }
      returning.removeAll { $0 === call }
      resting.removeAll { $0 === call }
      close(call, .failure(RPCError(.cancelled, "cancelled by the client")))
    }
  }

  // MARK: Sending

  /// Sends what the window allows, in order.
  func release() throws {
    isBlocked = false
    while let call = returning.first {
      guard try transmit(call) else { return }
      returning.removeFirst()
      if call.isCancelled { cancel(call) }
    }
    while let call = queue.first, outstanding.requests < window.requests {
      if call.payload == nil, let encode = call.encode {
        let payload = encode()
        call.payload = payload
        call.encode = nil
        call.bytes = payload.byteCount
        backpressure.add(call.bytes)
      }
      // One request always fits, else one larger than the window would wait for ever.
      guard outstanding.bytes + call.bytes <= window.bytes || outstanding.requests == 0 else {
        break
      }
      guard try transmit(call) else { return }
      queue.removeFirst()
      call.hasPlace = true
      outstanding.requests += 1
      outstanding.bytes += call.bytes
      if call.isCancelled { cancel(call) }
    }
  }

  /// - Returns: false if the socket takes no more now.
  private func transmit(_ call: ClientCall) throws -> Bool {
    let method = call.isAccepted ? .futuresAwait : call.method
    guard try Frames.send(header(method, call), call.payload ?? .empty, to: socket) else {
      isBlocked = true
      return false
    }
    call.phase = .sent
    call.attempts += 1
    return true
  }

  func header(_ method: Method, _ call: ClientCall) -> RequestHeader {
    // Who speaks is said once, before there is a stream, and with heartbeats.
    let isFirstWord = call.attempts == 0 && call.stream.name.isEmpty
    var header = RequestHeader(
      method: method, stream: call.stream.name, seq: call.seq, acked: call.stream.acked,
      clientName: isFirstWord ? configuration.clientName : "",
      clientIncarnation: isFirstWord ? incarnation : 0, sessionToken: token,
      traceID: call.options.traceID,
      costPromptTokens: call.options.costPromptTokens, costNewTokens: call.options.costNewTokens,
      flags: call.options.flags)
    if let deadline = call.deadline {
      let now = Monotonic.milliseconds()
      // A call that is too late is sent all the same: its seq must be used up.
      header.timeoutMilliseconds = UInt32(clamping: max(1, deadline - min(deadline, now)))
    }
    return header
  }
}
