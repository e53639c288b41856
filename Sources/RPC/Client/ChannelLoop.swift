internal import DequeModule
internal import Logging
internal import Wire
internal import ZeroMQ

/// The body of a channel's I/O thread.
final class ChannelLoop {
  /// Messages taken per turn, so that sending never waits for long.
  private static let batch = 256
  /// Idle streams are dropped from the table above this size.
  private static let maximumStreams = 1024
  /// Seqs of heartbeats, on the nameless stream, far above those of calls.
  private static let firstHeartbeat: UInt64 = 1 << 62

  let configuration: ClientConfiguration
  let outbox: Outbox<ChannelEvent>
  let backpressure: Backpressure
  let logger = Logger(label: "rpc.client")
  private let context: Context
  private let stopFlag: StopFlag
  private let incarnation = UInt64.random(in: 1...UInt64.max)

  private var socket: Socket
  private var poller = Poller()
  private var token = ""
  private var streams: [String: StreamHandle] = [:]
  private var lastStream: StreamHandle?

  /// Calls to be sent, in the order of submission.
  private var queue = Deque<ClientCall>()
  /// Calls to be sent again later.
  private var resting: [ClientCall] = []
  /// Calls with a time-out.
  private var timed: [ClientCall] = []
  private var submissions: UInt64 = 0
  private var window: (requests: Int, bytes: Int)
  private var outstanding = (requests: 0, bytes: 0)

  private var lastReceived = Monotonic.milliseconds()
  private var lastHeartbeat = Monotonic.milliseconds()
  private var heartbeats = ChannelLoop.firstHeartbeat
  private var nextTick: UInt64 = 0
  private var isBlocked = false

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
    poller.add(socket)
    poller.add(descriptor: outbox.descriptor)
  }

  private static func connect(
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

  private func sleep() throws {
    guard outbox.prepareToSleep() else { return }
    if !stopFlag.isSet {
      let now = Monotonic.milliseconds()
      try poller.wait(milliseconds: isBlocked ? 10 : Int(max(1, nextTick - min(nextTick, now))))
    }
    outbox.wokeUp()
  }

  private func end(_ failure: RPCError) {
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

  private func takeEvents() -> Bool {
    let events = outbox.take()
    for event in events {
      switch event {
      case .submit(let call): admit(call)
      case .cancel(let call): cancel(call)
      case .token(let token): self.token = token
      }
    }
    return !events.isEmpty
  }

  private func admit(_ call: ClientCall) {
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

  private func register(_ stream: StreamHandle) {
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

  private func cancel(_ call: ClientCall) {
    guard case .sent = call.phase else { return }
    // Without an answer of its own: the call's answer says what became of it.
    _ = try? Frames.send(
      header: header(.futuresCancel, call).encoded(), payload: .empty, to: socket)
  }

  // MARK: Sending

  /// Sends what the window allows, in order.
  private func release() throws {
    isBlocked = false
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
      guard try send(call) else {
        isBlocked = true
        break
      }
      queue.removeFirst()
      call.phase = .sent
      call.attempts += 1
      outstanding.requests += 1
      outstanding.bytes += call.bytes
    }
  }

  private func send(_ call: ClientCall) throws -> Bool {
    let method = call.isAccepted ? .futuresAwait : call.method
    let header = header(method, call)
    return try Frames.send(
      header: header.encoded(), payload: call.payload ?? .empty, to: socket)
  }

  private func header(_ method: Method, _ call: ClientCall) -> RequestHeader {
    var header = RequestHeader(
      method: method, stream: call.stream.name, seq: call.seq, acked: call.stream.acked,
      clientName: call.attempts == 0 && call.stream.name.isEmpty ? configuration.clientName : "",
      clientIncarnation: incarnation, sessionToken: token, traceID: call.options.traceID,
      costPromptTokens: call.options.costPromptTokens, costNewTokens: call.options.costNewTokens,
      flags: call.options.flags)
    if let deadline = call.deadline {
      let now = Monotonic.milliseconds()
      // A call that is too late is sent all the same: its seq must be used up.
      header.timeoutMilliseconds = UInt32(clamping: max(1, deadline - min(deadline, now)))
    }
    return header
  }

  // MARK: Receiving

  private struct Facts {
    var stream: StreamHandle?
    var call: ClientCall?
    var event: Event
    var epoch: UInt64
    var info: ReplyInfo
    var window: (requests: Int, bytes: Int)
    /// Read in full only where something unusual is said.
    var header: ResponseHeader?
  }

  private func receiveBatch() throws -> Int {
    var count = 0
    while count < Self.batch {
      guard let (facts, more) = try socket.receive({ (read($0), $1) }) else { break }
      count += 1
      let received = try Frames.receivePayload(from: socket, more: more)
      if let facts, let received { handle(facts, received.payload) }
    }
    if count > 0 { lastReceived = Monotonic.milliseconds() }
    return count
  }

  private func read(_ frame: UnsafeRawBufferPointer) -> Facts? {
    do throws(WireError) {
      let peek = try ResponsePeek(frame)
      let stream = stream(named: peek.stream)
      var info = ReplyInfo()
      info.queueMicroseconds = peek.queueMicroseconds
      info.computeMicroseconds = peek.computeMicroseconds
      info.cacheHitTokens = peek.cacheHitTokens
      info.costPromptTokens = peek.costPromptTokens
      info.costNewTokens = peek.costNewTokens
      let isUsual = peek.code == .ok && peek.event == .final
      return Facts(
        stream: stream, call: stream?.openCall(peek.seq), event: peek.event, epoch: peek.epoch,
        info: info,
        window: (Int(peek.windowRequests), Int(clamping: peek.windowBytes)),
        header: isUsual ? nil : try ResponseHeader(decoding: frame))
    } catch {
      logger.warning("a response header was not readable: \(error)")
      return nil
    }
  }

  private func stream(named bytes: UnsafeRawBufferPointer) -> StreamHandle? {
    if let lastStream, lastStream.name.hasBytes(bytes) { return lastStream }
    guard let name = String(validating: bytes, as: UTF8.self) else { return nil }
    lastStream = streams[name]
    return lastStream
  }

  private func handle(_ facts: Facts, _ payload: Payload) {
    if facts.window.requests > 0 { window.requests = facts.window.requests }
    if facts.window.bytes > 0 { window.bytes = facts.window.bytes }
    guard let call = facts.call, let stream = facts.stream else { return }
    // An owner that was replaced may still talk.
    guard facts.epoch == 0 || facts.epoch >= stream.epoch else { return }
    stream.epoch = max(stream.epoch, facts.epoch)
    switch facts.event {
    case .accepted:
      call.isAccepted = true
      backpressure.remove(call.bytes)
      call.payload = nil
    case .partial:
      call.partial(payload, offset: facts.header?.partialOffset ?? 0)
    case .final:
      guard case .sent = call.phase else { return }
      outstanding.requests -= 1
      outstanding.bytes -= call.bytes
      guard let header = facts.header, header.code != .ok else {
        return close(call, .success(Answer(payload: payload, info: facts.info)))
      }
      failed(call, RPCError(header))
    }
  }

  private func failed(_ call: ClientCall, _ error: RPCError) {
    let now = Monotonic.milliseconds()
    if error.code.isRetryable {
      let isPatient =
        call.deadline.map { now < $0 + 1000 }
        ?? (now < call.submitted + configuration.patienceMilliseconds)
      if isPatient { return rest(call, error, now) }
    }
    if call.method.ordering == .ordered, !error.code.consumesSeq {
      // The seq was not used up and is not sent again: nothing behind it can ever run.
      return fail(call.stream, error)
    }
    close(call, .failure(error))
  }

  private func rest(_ call: ClientCall, _ error: RPCError, _ now: UInt64) {
    let (first, longest) = configuration.backoffMilliseconds
    let backoff = min(longest, first << UInt64(min(call.attempts - 1, 10)))
    let wait = max(UInt64(error.retryAfterMilliseconds), backoff)
    // Spread by up to a quarter, so that many clients do not come back at once.
    call.phase = .resting(until: now + wait + UInt64.random(in: 0...wait / 4))
    resting.append(call)
    nextTick = min(nextTick, now + wait)
  }

  private func close(_ call: ClientCall, _ outcome: ClientCall.Outcome) {
    call.phase = .answered
    call.stream.close(call.seq)
    if call.payload != nil { backpressure.remove(call.bytes) }
    call.payload = nil
    call.resolve(outcome)
  }

  private func fail(_ stream: StreamHandle, _ error: RPCError) {
    stream.fail(error)
    stream.brokenBy = error
    for case let call? in stream.open {
      if case .sent = call.phase {
        outstanding.requests -= 1
        outstanding.bytes -= call.bytes
      }
      call.phase = .answered
      if call.payload != nil { backpressure.remove(call.bytes) }
      call.payload = nil
      call.resolve(.failure(error))
    }
    stream.open = []
    queue.removeAll { $0.stream === stream }
    resting.removeAll { $0.stream === stream }
  }

  // MARK: Time

  private func tick() throws {
    let now = Monotonic.milliseconds()
    guard now >= nextTick else { return }
    nextTick = now + (timed.isEmpty ? 500 : 20)
    if !timed.isEmpty { expire(now) }
    if !resting.isEmpty { wakeResting(now) }
    let silence = now - lastReceived
    if silence >= configuration.silenceMilliseconds, outstanding.requests > 0 || isWaiting(now) {
      try reconnect(now)
    } else if now - lastHeartbeat
      >= (silence >= configuration.heartbeatMilliseconds
        ? configuration.heartbeatMilliseconds : configuration.leaseHeartbeatMilliseconds)
    {
      try beat(now)
    }
    nextTick = min(nextTick, now + configuration.heartbeatMilliseconds)
  }

  /// A heartbeat was sent after the last word from the router.
  private func isWaiting(_ now: UInt64) -> Bool { lastHeartbeat > lastReceived }

  private func beat(_ now: UInt64) throws {
    lastHeartbeat = now
    heartbeats += 1
    let header = RequestHeader(
      method: token.isEmpty ? .adminPing : .sessionsHeartbeat, seq: heartbeats,
      clientName: configuration.clientName, clientIncarnation: incarnation, sessionToken: token)
    _ = try Frames.send(header: header.encoded(), payload: .empty, to: socket)
  }

  private func expire(_ now: UInt64) {
    timed.removeAll { call in
      if case .answered = call.phase { return true }
      guard let deadline = call.deadline, now >= deadline else { return false }
      // The wait ends here; the call itself stays until its seq is answered.
      call.resolve(.failure(RPCError(.deadlineExceeded, "no answer within the time-out")))
      return true
    }
  }

  private func wakeResting(_ now: UInt64) {
    var due: [ClientCall] = []
    resting.removeAll { call in
      guard case .resting(let until) = call.phase else { return true }
      if until > now {
        nextTick = min(nextTick, until)
        return false
      }
      due.append(call)
      return true
    }
    requeue(due)
  }

  /// Puts calls back where they belong by the order of submission: older ones go first.
  private func requeue(_ calls: [ClientCall]) {
    guard !calls.isEmpty else { return }
    for call in calls { call.phase = .queued }
    queue.append(contentsOf: calls)
    queue.sort { $0.order < $1.order }
  }

  /// The connection is lost: a new one takes over everything that has no answer.
  private func reconnect(_ now: UInt64) throws {
    logger.notice("no word from the router; connecting again")
    socket = try Self.connect(configuration, context)
    poller.replace(at: 0, with: socket)
    lastReceived = now
    outstanding = (0, 0)
    var unanswered: [ClientCall] = []
    for stream in streams.values {
      for case let call? in stream.open {
        if case .sent = call.phase { unanswered.append(call) }
      }
    }
    requeue(unanswered)
    try release()
  }
}
