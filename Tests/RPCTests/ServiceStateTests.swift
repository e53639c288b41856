import Logging
import Synchronization
import Testing
import Wire

@testable import RPC

/// What a worker decides: openings, closings, questions, and what waits for a full pipe.
struct ServiceStateTests {
  /// A connection that remembers what it took.
  private final class Pipe: ServicePipe {
    var isFull = false
    var connections = 1
    var answers: [(header: ResponseHeader, text: String)] = []
    var controls: [WorkerMessage] = []

    func send(_ header: ResponseHeader, _ payload: Payload) -> Bool {
      if isFull { return false }
      answers.append((header, payload.text))
      return true
    }

    func send(_ message: WorkerMessage) -> Bool {
      if isFull { return false }
      controls.append(message)
      return true
    }

    func reconnect() { connections += 1 }
  }

  /// A journal whose openings end when the test says so.
  private final class SlowJournal: StreamJournal {
    private let openings = Mutex<[(epoch: UInt64, done: @Sendable (OpenedLog) -> Void)]>([])
    let isNewest = Mutex(true)

    var epochs: [UInt64] { openings.withLock { $0.map(\.epoch) } }

    func open(_ stream: String, epoch: UInt64, done: @escaping @Sendable (OpenedLog) -> Void) {
      openings.withLock { $0.append((epoch, done)) }
    }

    /// The oldest opening is done.
    func finish(nextSeq: UInt64 = 0) {
      openings.withLock { $0.removeFirst() }.done(.log(StreamLog(nextSeq: nextSeq)))
    }

    func admitted(_ request: AdmittedRequest) {}

    func finished(
      _ stream: String, epoch: UInt64, seq: UInt64, _ outcome: Outcome, ran: Bool,
      durable: @escaping @Sendable () -> Void
    ) { durable() }

    func closed(_ stream: String) {}
    func isCurrent(_ stream: String, epoch: UInt64) -> Bool { isNewest.withLock { $0 } }
  }

  private let pipe = Pipe()
  private let journal = SlowJournal()
  private let state: ServiceState<Pipe>
  private let stream = "s:train:0"

  init() throws {
    var configuration = WorkerConfiguration(endpoint: "", name: "w")
    configuration.journal = journal
    state = ServiceState(
      configuration, methods: Recorder().methods(worker: "w"), control: try ServiceControl(),
      progress: ProgressCounter(), pipe: pipe, incarnation: 1,
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, now: 0)
  }

  private func open(_ epoch: UInt64) { state.obey(.success(.open(stream: stream, epoch: epoch))) }

  private func finishOpening(nextSeq: UInt64 = 0) {
    journal.finish(nextSeq: nextSeq)
    _ = state.takeEvents()
  }

  private func send(_ method: Method, seq: UInt64, stream: String? = nil) {
    let header = RequestHeader(method: method, stream: stream ?? self.stream, seq: seq)
    guard case .request(let facts, let entry) = header.encoded().withUnsafeBytes(state.read) else {
      Issue.record("not a request")
      return
    }
    state.perform(facts, entry, Payload(text: "x"))
    while state.takeEvents() {}
  }

  private var opened: [OwnedStream] {
    pipe.controls.compactMap { if case .opened(let stream) = $0 { stream } else { nil } }
  }

  private var closed: [UInt64] {
    pipe.controls.compactMap { message in
      if case .closed(let stream, .unavailable, _) = message { stream.epoch } else { nil }
    }
  }

  @Test func aLateCloseDoesNotEndAnOpeningAtAHigherEpoch() {
    open(5)
    state.obey(.success(.close(stream: stream, epoch: 3)))
    finishOpening()
    #expect(opened.map(\.epoch) == [5])
  }

  @Test func aCloseAtTheEpochOfAnOpeningEndsIt() {
    open(5)
    state.obey(.success(.close(stream: stream, epoch: 5)))
    finishOpening()
    #expect(opened.isEmpty)
  }

  @Test func whoIsAskedAgainSaysSoAgain() {
    open(5)
    open(5)
    #expect(journal.epochs == [5])
    finishOpening()
    open(5)
    #expect(opened.map(\.epoch) == [5, 5])
  }

  @Test func aHigherEpochIsReadFromTheJournal() {
    open(5)
    finishOpening(nextSeq: 0)
    // Somebody else has run requests since.
    open(7)
    #expect(journal.epochs == [7])
    finishOpening(nextSeq: 4)
    #expect(opened.map(\.epoch) == [5, 7])
    #expect(opened.map(\.nextSeq) == [0, 4])
  }

  @Test func aFailureOfAnOpeningBeforeDoesNotEndTheNextOne() {
    open(5)
    finishOpening()
    open(7)
    state.control.outbox.push(.closed(stream, epoch: 5, RPCError(.resourceExhausted, "full")))
    _ = state.takeEvents()
    finishOpening(nextSeq: 2)
    #expect(opened.map(\.epoch) == [5, 7])
    state.control.outbox.push(.closed(stream, epoch: 5, RPCError(.resourceExhausted, "full")))
    _ = state.takeEvents()
    #expect(closed.isEmpty)
  }

  @Test func aRequestOfAStreamThatIsNotHereSaysSo() {
    send(.trainingOptimStep, seq: 3)
    #expect(closed == [0])
    #expect(pipe.answers.isEmpty)
  }

  @Test func whatIsAskedForIsSaidAgain() {
    open(5)
    finishOpening()
    send(.trainingCreateModel, seq: 0)
    #expect(pipe.answers.map(\.header.code) == [.ok])
    func ask(_ seq: UInt64, _ stream: String, _ epoch: UInt64) {
      state.obey(.success(.verify(stream: stream, seq: seq, epoch: epoch)))
    }
    ask(0, stream, 5)
    #expect(pipe.answers.map(\.text) == ["x#1", "x#1"])
    ask(1, stream, 5)
    #expect(pipe.answers.last?.header.code == .unavailable)
    ask(0, "s:sample:0", 0)
    #expect(pipe.answers.last?.header.code == .unavailable)
    #expect(pipe.answers.count == 4)
    ask(0, "other:train:0", 3)
    #expect(closed == [0])
    open(9)
    ask(0, stream, 9)
    #expect(pipe.answers.count == 4)
    #expect(closed == [0])
  }

  @Test func whatAFullPipeDoesNotTakeIsSentLater() {
    pipe.isFull = true
    send(.samplingSample, seq: 0, stream: "s:sample:0")
    open(1)
    finishOpening()
    #expect(pipe.answers.isEmpty && pipe.controls.isEmpty)
    #expect(state.isBlocked && state.waitingBytes > 0)
    pipe.isFull = false
    state.flush()
    #expect(pipe.answers.map(\.text) == ["piece 0", "piece 1", "piece 2", "whole"])
    #expect(opened.map(\.epoch) == [1])
    #expect(!state.isBlocked && state.waitingBytes == 0)
  }

  @Test func moreThanMayWaitMakesANewConnection() {
    pipe.isFull = true
    let header = ResponseHeader(stream: stream)
    let payload = Payload(body: Bytes([UInt8](repeating: 0, count: 1 << 20)))
    while state.waitingBytes <= RouterLimits.unsentBytes { state.send(header, payload) }
    pipe.isFull = false
    state.tick()
    #expect(pipe.connections == 2)
    #expect(state.waitingBytes == 0)
    // The router hears of it, and refuses what it had sent here.
    guard case .hello? = pipe.controls.first else { return #expect(Bool(false), "no hello") }
  }

  @Test func aReplacedOwnerDoesNotClaimItsStreams() {
    open(5)
    finishOpening()
    journal.isNewest.withLock { $0 = false }
    state.disconnected()
    guard case .hello(let hello)? = pipe.controls.last else {
      return #expect(Bool(false), "no hello")
    }
    #expect(hello.streams.isEmpty)
    #expect(pipe.connections == 2)
  }
}
