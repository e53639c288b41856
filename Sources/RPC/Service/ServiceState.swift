internal import DequeModule
internal import Logging
internal import Wire

/// What a worker's connection to the router takes.
protocol ServicePipe: AnyObject {
  /// - Returns: false when it takes no more now; nothing was sent then.
  func send(_ header: ResponseHeader, _ payload: Payload) -> Bool
  func send(_ message: WorkerMessage) -> Bool
  /// Drops the connection with all that is under way on it, and makes a new one.
  func reconnect()
}

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

/// A stream as its worker knows it, from its opening (or first request) until it is forgotten.
final class StreamEntry {
  let name: String
  /// Tells it from an entry of the same name before: what was begun for that one is not for this.
  let generation: UInt64
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

  init(name: String, generation: UInt64) {
    self.name = name
    self.generation = generation
  }

  func note(token bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty, !token.hasBytes(bytes) else { return }
    token = String(decoding: bytes, as: UTF8.self)
  }
}

/// Every decision of a worker towards its router: which streams are here, what becomes of a request,
/// what is said when.
///
/// Events go in (`request`, `obey`, `takeEvents`, `tick`, `disconnected`), words come out through the
/// pipe. No socket, clock or thread inside: the loop around it lends them, a simulation has its own.
/// What the pipe does not take waits here, so that nothing is dropped on one side only.
final class ServiceState<Pipe: ServicePipe> {
  let configuration: WorkerConfiguration
  let methods: MethodTable
  let control: ServiceControl
  let pipe: Pipe
  let logger: Logger
  @exclusivity(unchecked) var streams: [String: StreamEntry] = [:]
  @exclusivity(unchecked) var lastEntry: StreamEntry?
  /// Why the router does not let this worker take part: it ends.
  var refusal: RPCError?
  /// Microseconds of the caller's clock, at the last event.
  @exclusivity(unchecked) var now: UInt64
  /// A line about a key that was asked for is logged once a second at most.
  var nextLine: UInt64 = 0

  /// Something to be said.
  private enum Word {
    case answer(ResponseHeader, Payload)
    case control(WorkerMessage)
  }

  /// What the pipe has not taken yet, in order.
  @exclusivity(unchecked) private var waiting = Deque<Word>()
  private(set) var waitingBytes = 0
  /// What handlers and other threads said since the last turn.
  private var events = Deque<ServiceControl.Event>()
  private var generations: UInt64 = 0
  @exclusivity(unchecked) private var lastReceived: UInt64
  /// When the next heartbeat is due, in milliseconds.
  @exclusivity(unchecked) private(set) var nextHeartbeat: UInt64 = 0
  private let incarnation: UInt64
  private let progress: ProgressCounter

  /// - Parameters:
  ///   - incarnation: drawn once per process.
  ///   - now: microseconds.
  init(
    _ configuration: WorkerConfiguration, methods: MethodTable, control: ServiceControl,
    progress: ProgressCounter, pipe: Pipe, incarnation: UInt64, logger: Logger, now: UInt64
  ) {
    self.configuration = configuration
    self.methods = methods
    self.control = control
    self.progress = progress
    self.pipe = pipe
    self.incarnation = incarnation
    self.logger = logger
    self.now = now
    lastReceived = now / 1000
  }

  private var milliseconds: UInt64 { now / 1000 }

  /// The router said something.
  func heard() { lastReceived = milliseconds }

  // MARK: Connection

  /// What time alone brings about.
  func tick() {
    if milliseconds >= lastReceived + configuration.routerTimeoutMilliseconds {
      logger.notice("no word from the router; connecting again")
      return reconnect()
    }
    if waitingBytes > RouterLimits.unsentBytes {
      logger.warning("the router takes no more; connecting again")
      return reconnect()
    }
    guard milliseconds >= nextHeartbeat else { return }
    nextHeartbeat = milliseconds + configuration.heartbeatMilliseconds
    // Behind words that wait it would tell nobody anything.
    guard waiting.isEmpty else { return }
    let outstanding = streams.values.reduce(0) { $0 + $1.unfinished }
    send(
      .heartbeat(
        progress: progress.value, outstanding: UInt64(outstanding), room: configuration.room,
        stats: configuration.statistics()))
  }

  /// The connection broke: what was under way on it is lost. The hello on a new one makes the router
  /// refuse what it had sent here, so that its clients send it again.
  func disconnected() {
    logger.notice("the connection to the router is lost; connecting again")
    reconnect()
  }

  private func reconnect() {
    pipe.reconnect()
    waiting = []
    waitingBytes = 0
    lastReceived = milliseconds
    sayHello()
  }

  func sayHello() {
    // A router that is told hello has nothing of before here: what is independent is sent again, and
    // an answer of its first run would be taken for one of the second.
    for entry in streams.values where entry.log == nil && entry.opening == nil { forget(entry) }
    var hello = WorkerHello(name: configuration.name)
    hello.incarnation = incarnation
    hello.numericsVersion = configuration.numericsVersion
    hello.precision = configuration.precision
    hello.isKeeper = configuration.isKeeper
    hello.room = configuration.room
    hello.refusedModels = configuration.refusedModels()
    for entry in streams.values.filter({ $0.log != nil }).sorted(by: { $0.name < $1.name }) {
      guard let log = entry.log else { continue }
      // A router that was started meanwhile cannot know that somebody else has taken it over.
      guard configuration.journal?.isCurrent(entry.name, epoch: entry.epoch) ?? true else {
        logger.notice("stream \(entry.name) has another owner; forgotten")
        forget(entry)
        continue
      }
      hello.streams.append(
        OwnedStream(stream: entry.name, nextSeq: log.nextSeq, epoch: entry.epoch))
    }
    send(.hello(hello))
    nextHeartbeat = milliseconds + configuration.heartbeatMilliseconds
  }

  /// Says goodbye, as far as the pipe takes it.
  func end() { send(.goodbye) }

  // MARK: Receiving

  enum First {
    case control
    case request(RequestFacts, StreamEntry)
    case garbage(WireError)
  }

  /// Reads the first frame of a message.
  func read(_ frame: UnsafeRawBufferPointer) -> First {
    guard !frame.isEmpty else { return .control }
    do throws(WireError) {
      let peek = try RequestPeek(frame, limit: Limits.maxForwardedHeaderBytes)
      let entry = try entry(named: peek.stream)
      entry.note(token: peek.token)
      var facts = RequestFacts(peek)
      if peek.flags.contains(.tombstone) {
        let header = try RequestHeader(decoding: frame)
        facts.refusal = RPCError(
          header.refusalCode, header.refusalMessage, field: header.refusalField)
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
    if streams.count >= RouterLimits.unownedStreams {
      streams = streams.filter { $1.log != nil || $1.opening != nil || $1.unfinished > 0 }
    }
    generations += 1
    let entry = StreamEntry(name: name, generation: generations)
    streams[name] = entry
    return entry
  }

  // MARK: What handlers and other threads say

  /// - Returns: whether there was something.
  func takeEvents() -> Bool {
    control.outbox.take(into: &events)
    for event in events {
      switch event {
      case .finished(let call): finish(ReplyEvent.Key(call), call.outcome)
      case .reply(let reply): handle(reply)
      case .settled(let key, let outcome): finish(key, outcome)
      case .opened(let stream, let epoch, let log): opened(stream, epoch: epoch, log)
      case .closed(let stream, let epoch, let error): closed(stream, epoch: epoch, error)
      case .sessionEnded(let session): send(.sessionEnded(session))
      }
    }
    defer { events.removeAll(keepingCapacity: true) }
    return !events.isEmpty
  }

  // MARK: Sending

  /// Whether something waits for the pipe.
  var isBlocked: Bool { !waiting.isEmpty }

  func send(_ message: WorkerMessage) {
    if waiting.isEmpty, pipe.send(message) { return }
    append(.control(message), bytes: 0)
  }

  func send(_ header: ResponseHeader, _ payload: Payload) {
    if waiting.isEmpty, pipe.send(header, payload) { return }
    append(.answer(header, payload), bytes: payload.byteCount)
  }

  private func append(_ word: Word, bytes: Int) {
    waiting.append(word)
    waitingBytes += bytes + RouterLimits.wordBytes
  }

  /// Sends what waits, as far as the pipe takes it.
  func flush() {
    while let word = waiting.first {
      let (isTaken, bytes) =
        switch word {
        case .answer(let header, let payload): (pipe.send(header, payload), payload.byteCount)
        case .control(let message): (pipe.send(message), 0)
        }
      guard isTaken else { return }
      waiting.removeFirst()
      waitingBytes -= bytes + RouterLimits.wordBytes
    }
  }
}
