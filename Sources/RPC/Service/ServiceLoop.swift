internal import DequeModule
internal import Logging
internal import Wire
internal import ZeroMQ

/// What the loop keeps of a request header.
struct RequestFacts {
  var method: Method?
  var methodNumber: UInt32
  var seq: UInt64
  var acked: UInt64
  var timeoutMilliseconds: UInt32
  var traceID: UInt64
  var flags: RequestHeader.Flags
  /// With a tombstone: the refusal to record.
  var refusal: RPCError?

  init(_ peek: RequestPeek) {
    method = peek.method
    methodNumber = peek.methodNumber
    seq = peek.seq
    acked = peek.acked
    timeoutMilliseconds = peek.timeoutMilliseconds
    traceID = peek.traceID
    flags = peek.flags
  }
}

/// A stream as its worker knows it.
final class StreamEntry {
  let name: String
  /// Only streams that the router gave to this worker have a log.
  @exclusivity(unchecked) var log: StreamLog?
  @exclusivity(unchecked) var epoch: UInt64 = 0
  /// The epoch at which its log is being opened.
  @exclusivity(unchecked) var opening: UInt64?
  /// The token of its last request: a stream has one session, so it is rarely another one.
  @exclusivity(unchecked) private(set) var token = ""
  /// Requests that were handed to handlers and have no final answer.
  @exclusivity(unchecked) var unfinished = 0
  /// What handlers work on, for cancelling.
  @exclusivity(unchecked) var calls: [UInt64: CancelFlag] = [:]

  init(name: String) { self.name = name }

  func note(token bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty, !token.hasBytes(bytes) else { return }
    token = String(decoding: bytes, as: UTF8.self)
  }
}

/// The body of a worker's I/O thread. It computes nothing: it receives, asks the stream's log,
/// hands requests to handlers, and sends what they say.
///
/// What is touched for every message is not checked for overlapping accesses at run time: one
/// thread owns it, and the checks cost a tenth of the loop.
final class ServiceLoop {
  /// Streams without a log are dropped from the table above this size.
  private static let maximumUnowned = 4096

  let configuration: WorkerConfiguration
  let methods: MethodTable
  let control: ServiceControl
  let logger: Logger
  @exclusivity(unchecked) var streams: [String: StreamEntry] = [:]

  private let context: Context
  private let progress: ProgressCounter
  /// What handlers and other threads said since the last turn.
  private var events = Deque<ServiceControl.Event>()
  @exclusivity(unchecked) private var socket: Socket
  @exclusivity(unchecked) private var poller = Poller()
  @exclusivity(unchecked) var lastEntry: StreamEntry?
  @exclusivity(unchecked) private var lastReceived = Monotonic.milliseconds()
  @exclusivity(unchecked) private var nextHeartbeat: UInt64 = 0
  private let incarnation = UInt64.random(in: 1...UInt64.max)

  init(
    _ configuration: WorkerConfiguration, methods: MethodTable, context: Context,
    control: ServiceControl, progress: ProgressCounter
  ) throws {
    self.configuration = configuration
    self.methods = methods
    self.context = context
    self.control = control
    self.progress = progress
    logger = Logger(label: "rpc.worker.\(configuration.name)")
    socket = try Self.connect(configuration, context)
    try poller.add(socket)
    poller.add(descriptor: control.outbox.descriptor)
  }

  private static func connect(
    _ configuration: WorkerConfiguration, _ context: Context
  ) throws -> Socket {
    let socket = try Socket(context, .dealer)
    try socket.setHighWaterMark(RouterLimits.highWaterMark)
    try socket.setMaximumFrame(bytes: Limits.maxFrameBytes)
    try socket.setReconnectInterval(milliseconds: 20, maximum: 1000)
    try socket.connect(configuration.endpoint)
    return socket
  }

  func run() throws {
    try sayHello()
    while !control.shouldStop {
      let received = try receiveBatch()
      let sent = try sendEvents()
      try tick(now: Monotonic.milliseconds())
      if received == 0, !sent { try sleep() }
    }
    try socket.setLinger(milliseconds: 100)
    _ = try Frames.send(control: WorkerMessage.goodbye.encoded(), to: socket)
  }

  private func sleep() throws {
    guard control.outbox.prepareToSleep() else { return }
    var isReady = false
    if !control.shouldStop {
      let rest = nextHeartbeat - min(nextHeartbeat, Monotonic.milliseconds())
      isReady = try poller.wait(milliseconds: Int(max(1, rest)))
    }
    control.outbox.wokeUp(signalled: isReady && poller.isReady(1))
  }

  // MARK: Connection

  private func tick(now: UInt64) throws {
    if now >= lastReceived + configuration.routerTimeoutMilliseconds {
      logger.notice("no word from the router; connecting again")
      socket = try Self.connect(configuration, context)
      try poller.replace(at: 0, with: socket)
      lastReceived = now
      try sayHello()
    }
    guard now >= nextHeartbeat else { return }
    nextHeartbeat = now + configuration.heartbeatMilliseconds
    let outstanding = streams.values.reduce(0) { $0 + $1.unfinished }
    try send(
      .heartbeat(
        progress: progress.value, outstanding: UInt64(outstanding), room: configuration.room,
        stats: configuration.statistics()))
  }

  func sayHello() throws {
    var hello = WorkerHello(name: configuration.name)
    hello.incarnation = incarnation
    hello.numericsVersion = configuration.numericsVersion
    hello.precision = configuration.precision
    hello.isKeeper = configuration.isKeeper
    hello.room = configuration.room
    for entry in streams.values {
      guard let log = entry.log else { continue }
      hello.streams.append(
        OwnedStream(stream: entry.name, nextSeq: log.nextSeq, epoch: entry.epoch))
    }
    try send(.hello(hello))
    nextHeartbeat = Monotonic.milliseconds() + configuration.heartbeatMilliseconds
  }

  func send(_ message: WorkerMessage) throws {
    // A full pipe means that the router is gone or hangs; the time-out deals with that.
    _ = try Frames.send(control: message.encoded(), to: socket)
  }

  // MARK: Receiving

  private func receiveBatch() throws -> Int {
    for count in 0..<Frames.perTurn {
      guard try receiveOne() else {
        if count > 0 { lastReceived = Monotonic.milliseconds() }
        return count
      }
    }
    lastReceived = Monotonic.milliseconds()
    return Frames.perTurn
  }

  private enum First {
    case control
    case request(RequestFacts, StreamEntry)
    case garbage(WireError)
  }

  private func receiveOne() throws -> Bool {
    guard let (first, more) = try socket.receive({ ($0.isEmpty ? .control : read($0), $1) })
    else { return false }
    switch first {
    case .control:
      guard more else { return true }
      let message = try socket.receive { bytes, more in
        (Result { () throws(WireError) in try RouterMessage(decoding: bytes) }, more)
      }
      if let message {
        if message.1 { try socket.skipRest() }
        try obey(message.0)
      }
    case .request(let facts, let entry):
      guard let (payload, _) = try Frames.receivePayload(from: socket, more: more) else {
        let error = RPCError(.invalidArgument, "more than \(Limits.maxAttachments) attachments")
        try sendFinal(entry, facts.seq, facts.traceID, Outcome(error: error))
        return true
      }
      try perform(facts, entry, payload)
    case .garbage(let error):
      logger.warning("a request header from the router was not readable: \(error)")
      if more { try socket.skipRest() }
    }
    return true
  }

  private func read(_ frame: UnsafeRawBufferPointer) -> First {
    do throws(WireError) {
      let peek = try RequestPeek(frame, limit: Limits.maxForwardedHeaderBytes)
      let entry = try entry(named: peek.stream)
      entry.note(token: peek.token)
      var facts = RequestFacts(peek)
      if peek.flags.contains(.tombstone) {
        let header = try RequestHeader(decoding: frame)
        facts.refusal = RPCError(header.refusalCode, header.refusalMessage)
      }
      return .request(facts, entry)
    } catch {
      return .garbage(error)
    }
  }

  private func entry(named bytes: UnsafeRawBufferPointer) throws(WireError) -> StreamEntry {
    if let lastEntry, lastEntry.name.hasBytes(bytes) { return lastEntry }
    guard let name = String(validating: bytes, as: UTF8.self) else {
      throw WireError(.badText, "text is not UTF-8", field: "stream")
    }
    let entry = entry(named: name)
    lastEntry = entry
    return entry
  }

  /// The entry of a stream, if there is one; answers come in runs.
  func knownEntry(_ name: String) -> StreamEntry? {
    if let lastEntry, lastEntry.name == name { return lastEntry }
    return streams[name]
  }

  func entry(named name: String) -> StreamEntry {
    if let known = streams[name] { return known }
    if streams.count >= Self.maximumUnowned {
      streams = streams.filter { $1.log != nil || $1.opening != nil || $1.unfinished > 0 }
    }
    let entry = StreamEntry(name: name)
    streams[name] = entry
    return entry
  }

  // MARK: Sending

  private func sendEvents() throws -> Bool {
    control.outbox.take(into: &events)
    for event in events {
      switch event {
      case .finished(let call): try finish(ReplyEvent.Key(call), call.outcome)
      case .reply(let reply): try handle(reply)
      case .settled(let key, let outcome): try finish(key, outcome)
      case .opened(let stream, let epoch, let log):
        // An entry that was forgotten, or is being opened anew, waits for something else.
        guard let entry = streams[stream], entry.opening == epoch else { continue }
        try opened(entry, epoch: epoch, log)
      case .closed(let stream, let error):
        guard let entry = streams[stream] else { continue }
        try send(
          .closed(
            OwnedStream(stream: stream, epoch: entry.epoch), code: error?.code ?? .ok,
            message: error?.message ?? ""))
        forget(entry)
      case .sessionEnded(let session): try send(.sessionEnded(session))
      }
    }
    defer { events.removeAll(keepingCapacity: true) }
    return !events.isEmpty
  }

  func send(_ header: ResponseHeader, _ payload: Payload) throws {
    // A full pipe: the answer waits in the stream's log until its client asks again.
    if try !Frames.send(header, payload, to: socket) {
      logger.warning("the router takes no more; dropped an answer of \(header.stream)")
    }
  }
}
