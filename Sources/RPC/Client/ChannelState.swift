internal import DequeModule
internal import Logging
internal import Wire

/// What a channel's connection to the router takes.
protocol ClientPipe: AnyObject {
  /// - Returns: false when it takes no more now; nothing was sent then.
  func send(_ header: RequestHeader, _ payload: Payload) -> Bool
  /// Drops the connection with all that is under way on it, and makes a new one.
  func reconnect()
}

/// Every decision of a channel: what is sent when, what becomes of each call.
///
/// Events go in (`takeEvents`, `handle`, `tick`, `reconnect`), requests go out through the pipe and
/// outcomes to the calls. No socket, clock or thread inside: the loop around it lends them, a
/// simulation has its own.
///
/// What is touched for every message is not checked for overlapping accesses at run time: one
/// thread owns it, and the checks cost a tenth of the loop.
final class ChannelState<Pipe: ClientPipe> {
  let configuration: ClientConfiguration
  let outbox: Outbox<ChannelEvent>
  let backpressure: Backpressure
  let pipe: Pipe
  let logger: Logger
  let incarnation: UInt64
  /// A number up to the given one, by which many clients do not come back at once.
  let spread: (UInt64) -> UInt64
  /// Milliseconds of the caller's clock, at the last event.
  @exclusivity(unchecked) var now: UInt64

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

  @exclusivity(unchecked) var lastReceived: UInt64
  @exclusivity(unchecked) var lastHeartbeat: UInt64
  /// Milliseconds in which this process ran and nothing was heard.
  var silence: UInt64 = 0
  var lastTick: UInt64
  /// When calls without a word are looked for next.
  var nextLook: UInt64 = 0
  var heartbeats = ChannelLimits.firstHeartbeat
  @exclusivity(unchecked) var nextTick: UInt64 = 0
  @exclusivity(unchecked) var isBlocked = false

  /// - Parameters:
  ///   - incarnation: drawn once per channel.
  ///   - now: milliseconds.
  init(
    _ configuration: ClientConfiguration, outbox: Outbox<ChannelEvent>,
    backpressure: Backpressure, pipe: Pipe, incarnation: UInt64,
    spread: @escaping (UInt64) -> UInt64, logger: Logger, now: UInt64
  ) {
    self.configuration = configuration
    self.outbox = outbox
    self.backpressure = backpressure
    self.pipe = pipe
    self.incarnation = incarnation
    self.spread = spread
    self.logger = logger
    self.now = now
    window = (configuration.initialWindowRequests, configuration.initialWindowBytes)
    lastReceived = now
    lastHeartbeat = now
    lastTick = now
  }

  /// The channel ends: every call is resolved.
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

  private func admit(_ call: ClientCall) {
    if let error = call.stream.brokenBy {
      if call.payload != nil { backpressure.remove(call.bytes) }
      return call.resolve(.failure(error))
    }
    submissions += 1
    call.order = submissions
    call.submitted = now
    if !call.stream.isRegistered { register(call.stream) }
    call.stream.append(call)
    queue.append(call)
    if call.options.timeout != nil { timed.append(call) }
  }

  private func register(_ stream: StreamHandle) {
    if streams.count >= ChannelLimits.streams {
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
    switch call.phase {
    case .answered: return
    case .sent:
      // Without an answer of its own: the call's answer says what became of it. If it is lost the
      // call runs to its end.
      _ = pipe.send(header(.futuresCancel, call), .empty)
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
  func release() {
    isBlocked = false
    while let call = returning.first {
      guard transmit(call) else { return }
      returning.removeFirst()
      if call.isCancelled { cancel(call) }
    }
    while let call = queue.first, outstanding.requests < window.requests {
      guard call.method.ordering == .independent || !call.stream.isTooFarAhead(call.seq) else {
        queue.removeFirst()
        call.stream.ahead.append(call)
        continue
      }
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
      guard transmit(call) else { return }
      queue.removeFirst()
      call.hasPlace = true
      outstanding.requests += 1
      outstanding.bytes += call.bytes
      if call.isCancelled { cancel(call) }
    }
  }

  /// - Returns: false if the pipe takes no more now.
  private func transmit(_ call: ClientCall) -> Bool {
    let isKept = call.isAccepted
    guard
      pipe.send(
        header(isKept ? .futuresAwait : call.method, call),
        isKept ? .empty : call.payload ?? .empty)
    else {
      isBlocked = true
      return false
    }
    call.phase = .sent
    call.attempts += 1
    call.lastSent = now
    call.lastWord = now
    call.askWait = 0
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
      // A call that is too late is sent all the same: its seq must be used up.
      header.timeoutMilliseconds = UInt32(clamping: max(1, deadline - min(deadline, now)))
    }
    return header
  }
}

/// Numbers of a channel that nobody sets.
enum ChannelLimits {
  /// Idle streams are dropped from the table above this size.
  static let streams = 1024
  /// Seqs of heartbeats, on the nameless stream, far above those of calls.
  static let firstHeartbeat: UInt64 = 1 << 62
  /// The service keeps so many answers of a stream that were not acknowledged: no request may be so
  /// far ahead of the oldest one without an answer, or it would push that answer out.
  static let seqsAhead = UInt64(StreamLog.maximumAnswers)
  /// The longest time between two questions for one answer.
  static let longestAsk: UInt64 = 300_000
  /// A turn counts as silence for so long at most: a process that was stopped has not listened.
  static let longestTurn: UInt64 = 2000
}
