import Synchronization
import Testing
import Wire
import ZeroMQ

@testable import RPC

/// Lost connections, routers and workers.
@Suite(.timeLimit(.minutes(30)))
struct ReconnectTests {
  /// A router on a fixed port that can be stopped and started again.
  private func router(_ port: String, _ key: [UInt8], _ context: Context) throws -> RouterServer {
    var configuration = RouterConfiguration(listen: port, workers: "tcp://127.0.0.1:*")
    configuration.sessionKey = key
    return try RouterServer(configuration, context: context)
  }

  private func start(_ router: RouterServer) async throws {
    try router.start()
    try await Task.sleep(for: .milliseconds(20))
  }

  private func stop(_ router: RouterServer) async {
    router.stop()
    try? await router.wait()
  }

  /// The old router frees its port when its thread has dropped its sockets.
  private func restart(
    clients: String, workers: String, _ key: [UInt8], _ context: Context
  ) async throws -> RouterServer {
    for attempt in 0... {
      do {
        var configuration = RouterConfiguration(listen: clients, workers: workers)
        configuration.sessionKey = key
        let router = try RouterServer(configuration, context: context)
        try router.start()
        return router
      } catch {
        guard attempt < 200 else { throw error }
        try await Task.sleep(for: .milliseconds(10))
      }
    }
    throw RPCError(.internal, "unreachable")
  }

  @Test func aRestartedRouterLosesNothingAndRunsNothingTwice() async throws {
    let context = try Context()
    let key = SessionAuthority.makeKey()
    let recorder = Recorder()
    var first: RouterServer? = try router("tcp://127.0.0.1:*", key, context)
    let clients = try #require(first?.clientEndpoint)
    let workers = try #require(first?.workerEndpoint)
    try first?.start()
    var worker = WorkerConfiguration(endpoint: workers, name: "w")
    worker.heartbeatMilliseconds = 50
    worker.routerTimeoutMilliseconds = 300
    let service = try WorkerService(
      worker, methods: recorder.methods(worker: "w"), context: context)
    try service.start()
    var configuration = ClientConfiguration(endpoint: clients)
    configuration.heartbeatMilliseconds = 100
    configuration.silenceMilliseconds = 300
    let channel = try ClientChannel(configuration, context: context)
    channel.use(sessionToken: SessionAuthority(key: key).token(for: "s"))
    let stream = channel.stream("s:train:0")
    _ = try await stream.call(.trainingCreateModel, Payload(text: "create"), Payload.self)
    recorder.closeGate()
    let steps = (1...20).map {
      stream.submit(.trainingOptimStep, Payload(text: "\($0)"), Payload.self)
    }
    #expect(try await eventually { recorder.runs.count >= 10 })
    if let router = first { await stop(router) }
    first = nil
    let second = try await restart(clients: clients, workers: workers, key, context)
    try await Task.sleep(for: .milliseconds(100))
    recorder.openGate()
    for (index, step) in steps.enumerated() {
      #expect(try await step.value().text == "\(index + 1)#\(index + 2)")
    }
    #expect(recorder.runs.map(\.seq) == Array(0...20))
    await channel.closeAndWait()
    service.stop()
    await stop(second)
  }

  @Test func aReplacedWorkerWithoutRecordsSaysDataLoss() async throws {
    var rules = RouterRules()
    rules.recoveryMilliseconds = 100
    let fixture = try Fixture(rules: rules)
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    for _ in 0..<3 {
      _ = try await stream.call(.trainingOptimStep, Payload(text: "x"), Payload.self)
    }
    fixture.services[0].stop()
    try await fixture.services[0].wait()
    let other = try WorkerService(
      WorkerConfiguration(endpoint: fixture.router.workerEndpoint, name: "other"),
      methods: fixture.recorder.methods(worker: "other"), context: fixture.context)
    try other.start()
    let result = await stream.submit(.trainingOptimStep, Payload(text: "y"), Payload.self).result()
    #expect(result.code == .dataLoss)
    #expect(fixture.recorder.runs.filter { $0.worker == "other" }.isEmpty)
    await channel.closeAndWait()
    other.stop()
    await fixture.stop()
  }

  @Test func aReplacedWorkerWithRecordsGoesOn() async throws {
    var rules = RouterRules()
    rules.recoveryMilliseconds = 100
    rules.recoversModels = true
    let fixture = try Fixture(rules: rules)
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    _ = try await stream.call(.trainingOptimStep, Payload(text: "x"), Payload.self)
    fixture.recorder.closeGate()
    // Runs at the first worker, whose answer is lost with it.
    let lost = stream.submit(.trainingOptimStep, Payload(text: "lost"), Payload.self)
    #expect(try await eventually { fixture.recorder.runs.count == 3 })
    fixture.services[0].stop()
    try await fixture.services[0].wait()
    fixture.recorder.openGate()
    var configuration = WorkerConfiguration(
      endpoint: fixture.router.workerEndpoint, name: "other")
    let journal = MemoryJournal()
    configuration.journal = journal
    var log = StreamLog(nextSeq: 3)
    log.restore(
      seq: 2, digest: PayloadDigest(Payload(text: "lost")),
      outcome: Outcome(payload: Payload(text: "recovered")))
    journal.logs.withLock { [log] in $0["\(session):train:0"] = .log(log) }
    let other = try WorkerService(
      configuration, methods: fixture.recorder.methods(worker: "other"), context: fixture.context)
    try other.start()
    #expect(try await lost.value().text == "recovered")
    let next = try await stream.call(.trainingOptimStep, Payload(text: "next"), Payload.self)
    #expect(next.text == "next#4")
    #expect(journal.notes == ["open 2", "admitted 3", "finished 3 ran"])
    await channel.closeAndWait()
    other.stop()
    await fixture.stop()
  }

  @Test func anEndedWorkersModelsAreLostAndItsSamplingRunsElsewhere() async throws {
    var rules = RouterRules()
    rules.supervisedWorkers = ["w0", "w1"]
    let fixture = try Fixture(workers: 2, rules: rules)
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    let ended = fixture.recorder.runs.first?.worker == "w0" ? 0 : 1
    fixture.recorder.closeGate()
    let step = stream.submit(.trainingOptimStep, Payload(text: "x"), Payload.self)
    #expect(try await eventually { fixture.recorder.runs.count == 2 })
    fixture.services[ended].stop()
    try await fixture.services[ended].wait()
    fixture.router.workerEnded(name: "w\(ended)", crashed: true)
    #expect(await step.result().code == .dataLoss)
    for number in 0..<8 {
      let sampling = channel.stream("\(session):sample:\(number)")
      let answer = try await sampling.call(.samplingSample, Payload.empty, Payload.self)
      #expect(answer.text == "whole")
      #expect(fixture.recorder.runs.last?.worker == "w\(1 - ended)")
    }
    fixture.recorder.openGate()
    let other = channel.stream("\(session):train:1")
    _ = await other.submit(.trainingCreateModel, Payload.empty, Payload.self).result()
    #expect(fixture.recorder.runs.last?.worker == "w\(1 - ended)")
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func acceptedRequestsAreAwaitedAfterALostConnection() async throws {
    let fixture = try Fixture(tcp: true)
    var configuration = WorkerConfiguration(
      endpoint: fixture.router.workerEndpoint, name: "accepting")
    configuration.heartbeatMilliseconds = 50
    for service in fixture.services {
      service.stop()
      try await service.wait()
    }
    var methods = MethodTable()
    let recorder = fixture.recorder
    methods.merge(recorder.methods(worker: "accepting"))
    methods.handle(.trainingForward, Payload.self, Payload.self) { request, _, reply in
      reply.accepted()
      reply.finish(request)
    }
    let service = try WorkerService(configuration, methods: methods, context: fixture.context)
    try service.start()
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    let answer = try await stream.call(.trainingForward, Payload(text: "kept"), Payload.self)
    #expect(answer.text == "kept")
    await channel.closeAndWait()
    service.stop()
    await fixture.stop()
  }
}
