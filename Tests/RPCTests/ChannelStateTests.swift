import Logging
import Synchronization
import Testing
import Wire

@testable import RPC

/// What a client decides: patience, questions, and how far a stream may run ahead.
struct ChannelStateTests {
  private final class Pipe: ClientPipe {
    var isFull = false
    var connections = 1
    var sent: [RequestHeader] = []

    func send(_ header: RequestHeader, _ payload: Payload) -> Bool {
      if !isFull { sent.append(header) }
      return !isFull
    }

    func reconnect() { connections += 1 }
  }

  private final class Box<Value>: @unchecked Sendable {
    var value: Value
    init(_ value: Value) { self.value = value }
  }

  private let pipe = Pipe()
  private let outbox: Outbox<ChannelEvent>
  private let backpressure = Backpressure(limit: 1 << 30)
  private let state: ChannelState<Pipe>
  private let stream: StreamHandle
  private let samples: StreamHandle
  private let errors = Box<[RPCError]>([])
  private let answers = Box<[String]>([])

  init() throws {
    outbox = try Outbox()
    var configuration = ClientConfiguration(endpoint: "tcp://nowhere:1")
    configuration.initialWindowRequests = 1000
    state = ChannelState(
      configuration, outbox: outbox, backpressure: backpressure, pipe: pipe, incarnation: 1,
      spread: { _ in 0 }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, now: 0)
    stream = StreamHandle(
      name: "s:train:0", firstSeq: 0, outbox: outbox, backpressure: backpressure)
    samples = StreamHandle(
      name: "s:sample:0", firstSeq: 0, outbox: outbox, backpressure: backpressure)
  }

  private func submit(_ method: Method, to stream: StreamHandle? = nil) {
    (stream ?? self.stream).submit(method, Payload(text: "x"), Payload.self).whenDone {
      [errors, answers] result in
      switch result {
      case .success(let payload): answers.value.append(payload.text)
      case .failure(let error): errors.value.append(error)
      }
    }
    turn()
  }

  private func turn() {
    while state.takeEvents() { state.release() }
    state.release()
    state.tick()
    state.release()
  }

  /// Time passes in steps, and the router says nothing but heartbeats.
  private func wait(seconds: UInt64, isAlive: Bool = true) {
    for _ in 0..<seconds * 4 {
      state.now += 250
      if isAlive { state.heard() }
      turn()
    }
  }

  private func receive(
    _ seq: UInt64, _ code: StatusCode = .ok, epoch: UInt64 = 0, event: Event = .final,
    of stream: StreamHandle? = nil
  ) {
    let header = ResponseHeader(
      stream: (stream ?? self.stream).name, seq: seq, epoch: epoch, code: code, event: event)
    guard let facts = header.encoded().withUnsafeBytes(state.read) else { return }
    state.handle(facts, Payload(text: "answer"))
    state.heard()
    turn()
  }

  private func count(_ method: Method) -> Int { pipe.sent.count { $0.method == method } }

  @Test func whatIsNotAnsweredIsAskedForLessAndLess() {
    submit(.trainingCreateModel)
    submit(.trainingOptimStep)
    submit(.samplingSample, to: samples)
    wait(seconds: 29)
    #expect(count(.futuresAwait) == 0)
    wait(seconds: 3)
    // What stands behind another one in order is not.
    #expect(
      Set(pipe.sent.filter { $0.method == .futuresAwait }.map(\.stream))
        == ["s:train:0", "s:sample:0"])
    #expect(count(.futuresAwait) == 2)
    wait(seconds: 50)
    #expect(count(.futuresAwait) == 2)
    wait(seconds: 15)
    #expect(count(.futuresAwait) == 4)
    #expect(pipe.connections == 1)
    receive(0)
    receive(1)
    receive(0, of: samples)
    #expect(answers.value == ["answer", "answer", "answer"])
  }

  @Test func aRequestThatTheServiceLostIsSentAgain() {
    submit(.trainingCreateModel)
    receive(0, event: .accepted)
    wait(seconds: 31)
    #expect(count(.futuresAwait) == 1)
    receive(0, .unavailable)
    wait(seconds: 2)
    #expect(count(.trainingCreateModel) == 2)
    #expect(errors.value.isEmpty)
  }

  @Test func patienceCountsFromTheFirstRefusal() {
    submit(.trainingCreateModel)
    wait(seconds: 400)
    receive(0, .unavailable)
    wait(seconds: 1)
    #expect(errors.value.isEmpty)
    for _ in 0..<320 {
      receive(0, .unavailable)
      wait(seconds: 1)
    }
    #expect(errors.value.map(\.code) == [.unavailable])
  }

  @Test func aServiceThatNeverAnswersIsGivenUp() {
    submit(.trainingCreateModel)
    submit(.samplingSample, to: samples)
    wait(seconds: 290, isAlive: false)
    #expect(errors.value.isEmpty)
    wait(seconds: 20, isAlive: false)
    #expect(errors.value.map(\.code) == [.unavailable, .unavailable])
    #expect(errors.value.allSatisfy { $0.message.contains("tcp://nowhere:1") })
    #expect(state.outstanding.requests == 0)
  }

  @Test func aProcessThatWasStoppedDoesNotGiveUp() {
    submit(.trainingCreateModel)
    wait(seconds: 10, isAlive: false)
    state.now += 3_600_000
    turn()
    #expect(errors.value.isEmpty)
    receive(0)
    #expect(answers.value == ["answer"])
  }

  @Test func anAnswerOfAReplacedOwnerIsAskedForAgain() {
    submit(.trainingCreateModel)
    receive(0, epoch: 4)
    submit(.trainingOptimStep)
    receive(1, epoch: 3)
    #expect(answers.value.count == 1)
    wait(seconds: 1)
    #expect(count(.trainingOptimStep) == 2)
    receive(1, epoch: 4)
    #expect(answers.value.count == 2)
  }

  @Test func aStreamDoesNotRunAheadOfALostAnswer() {
    for _ in 0..<300 { submit(.trainingOptimStep) }
    for seq in 1..<256 as Range<UInt64> { receive(seq) }
    #expect(count(.trainingOptimStep) == 256)
    submit(.samplingSample, to: samples)
    #expect(count(.samplingSample) == 1)
    receive(0)
    #expect(count(.trainingOptimStep) == 300)
    for seq in 256..<300 as Range<UInt64> { receive(seq) }
    #expect(answers.value.count == 300)
  }
}
