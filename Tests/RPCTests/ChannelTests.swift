import Synchronization
import Testing
import Wire
import ZeroMQ

@testable import RPC

/// Client, router and worker together.
@Suite(.timeLimit(.minutes(30)))
struct ChannelTests {
  @Test(arguments: [false, true])
  func twentyPipelinedRequestsRunInOrder(tcp: Bool) async throws {
    let fixture = try Fixture(tcp: tcp)
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    let create = stream.submit(.trainingCreateModel, Payload(text: "create"), Payload.self)
    let steps = (1...20).map {
      stream.submit(.trainingOptimStep, Payload(text: "step \($0)"), Payload.self)
    }
    #expect(try await create.value().text == "create#1")
    for (index, step) in steps.enumerated() {
      #expect(try await step.value().text == "step \(index + 1)#\(index + 2)")
    }
    #expect(fixture.recorder.runs.map(\.seq) == Array(0...20))
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func streamsOfSeveralWorkersRunSideBySide() async throws {
    let fixture = try Fixture(workers: 2)
    let (channel, session) = try await fixture.session()
    let streams = (0..<4).map { channel.stream("\(session):train:\($0)") }
    for stream in streams {
      _ = try await stream.call(.trainingCreateModel, Payload(text: stream.name), Payload.self)
    }
    let pending = streams.flatMap { stream in
      (0..<10).map { stream.submit(.trainingOptimStep, Payload(text: "\($0)"), Payload.self) }
    }
    for step in pending { _ = try await step.value() }
    for stream in streams {
      let runs = fixture.recorder.runs.filter { $0.stream == stream.name }
      #expect(runs.map(\.seq) == Array(0...10))
      #expect(Set(runs.map(\.worker)).count == 1)
    }
    #expect(Set(fixture.recorder.runs.map(\.worker)) == ["w0", "w1"])
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test(arguments: [false, true])
  func attachmentsOfAMebibyteCross(tcp: Bool) async throws {
    let fixture = try Fixture(tcp: tcp)
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    let request = Payload(
      body: Bytes([1, 2, 3]),
      attachments: (0..<3).map { index in
        Bytes(count: 1 << 20) { $0.initializeMemory(as: UInt8.self, repeating: UInt8(index + 7)) }
      } + [Bytes.empty, Bytes([9])])
    for _ in 0..<4 {
      let answer = try await stream.call(.trainingForward, request, Payload.self)
      #expect(answer == request)
    }
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func piecesComeBeforeTheAnswer() async throws {
    let fixture = try Fixture()
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):sample:0")
    let sample = stream.submit(.samplingSample, Payload.empty, Payload.self)
    var pieces: [String] = []
    for await piece in sample.partials() { pieces.append("\(piece.offset) \(piece.response.text)") }
    #expect(try await sample.value().text == "whole")
    // Asked for after submitting, so the first ones may be missed; never out of order.
    #expect(["0 piece 0", "1 piece 1", "2 piece 2"].suffix(pieces.count) == pieces[...])
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func aServiceThatForgetsItsReplyAnswersInternal() async throws {
    let fixture = try Fixture()
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    let result = await stream.submit(.trainingGetInfo, Payload.empty, Payload.self).result()
    #expect(result.code == .internal)
    // Its seq is used up: the next one runs.
    _ = try await stream.call(.trainingOptimStep, Payload(text: "x"), Payload.self)
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func methodsWithoutAHandlerAreUnimplemented() async throws {
    let fixture = try Fixture()
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    let result = await stream.submit(.trainingSaveState, Payload.empty, Payload.self).result()
    #expect(result.code == .unimplemented)
    _ = try await stream.call(.trainingOptimStep, Payload(text: "x"), Payload.self)
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func cancellingReachesTheHandler() async throws {
    let fixture = try Fixture()
    fixture.recorder.closeGate()
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    let create = stream.submit(.trainingCreateModel, Payload.empty, Payload.self)
    let step = stream.submit(.trainingOptimStep, Payload(text: "x"), Payload.self)
    let task = Task { try await step.value() }
    #expect(try await eventually { fixture.recorder.runs.count == 2 })
    task.cancel()
    await #expect(throws: RPCError.self) { try await task.value }
    #expect(await step.result().code == .cancelled)
    try await Task.sleep(for: .milliseconds(50))
    fixture.recorder.openGate()
    _ = try await create.value()
    // The seq was used up by the handler's CANCELLED.
    let next = try await stream.call(.trainingOptimStep, Payload(text: "y"), Payload.self)
    #expect(next.text == "y#3")
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func deadlinesEndTheWaitAndKeepTheStreamUsable() async throws {
    let fixture = try Fixture()
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    fixture.recorder.closeGate()
    var options = CallOptions()
    options.timeout = .milliseconds(50)
    let late = stream.submit(
      .trainingOptimStep, Payload(text: "late"), Payload.self, options: options)
    #expect(await late.result().code == .deadlineExceeded)
    fixture.recorder.openGate()
    let next = try await stream.call(.trainingOptimStep, Payload(text: "next"), Payload.self)
    #expect(next.text == "next#3")
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func closingAChannelFailsItsCalls() async throws {
    let fixture = try Fixture()
    fixture.recorder.closeGate()
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    let create = stream.submit(.trainingCreateModel, Payload.empty, Payload.self)
    await channel.closeAndWait()
    #expect(await create.result().code == .unavailable)
    let after = stream.submit(.trainingOptimStep, Payload.empty, Payload.self)
    #expect(await after.result().code == .unavailable)
    fixture.recorder.openGate()
    await fixture.stop()
  }

  @Test func aByteLimitHoldsSubmittersBack() async throws {
    let fixture = try Fixture()
    let (channel, session) = try await fixture.session { $0.encodedBytes = 4096 }
    let stream = channel.stream("\(session):train:0")
    let create = stream.submit(.trainingCreateModel, Payload.empty, Payload.self)
    fixture.recorder.closeGate()
    let request = Payload(body: Bytes([UInt8](repeating: 65, count: 3000)))
    let steps = (0..<8).map { _ in stream.submit(.trainingOptimStep, request, Payload.self) }
    let isReady = Atomic(false)
    let waiter = Task {
      await channel.ready()
      isReady.store(true, ordering: .relaxed)
    }
    try await Task.sleep(for: .milliseconds(50))
    let early = isReady.load(ordering: .relaxed)
    #expect(!early)
    fixture.recorder.openGate()
    _ = try await create.value()
    for step in steps { _ = try await step.value() }
    await waiter.value
    #expect(fixture.recorder.runs.map(\.seq) == Array(0...8))
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func controlCallsNeedNoSession() async throws {
    let fixture = try Fixture()
    let channel = try fixture.channel()
    let ping = PingRequest(payload: Bytes([1, 2]))
    let answer = try await channel.control.call(.adminPing, ping, PingResponse.self)
    #expect(answer.payload == ping.payload)
    let through = try await channel.control.call(.adminWorkerPing, ping, PingResponse.self)
    #expect(through.payload == ping.payload)
    let health = try await channel.control.call(
      .adminHealth, HealthRequest(), HealthResponse.self)
    #expect(health.workersExpected == 1)
    let stats = try await channel.control.call(.adminStats, StatsRequest(), StatsResponse.self)
    #expect(stats.values["router.requests_total"] != nil)
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test func aFinishedSessionIsRefused() async throws {
    let fixture = try Fixture()
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    _ = try await channel.control.call(
      .sessionsFinish, FinishSessionRequest(reason: .success), FinishSessionResponse.self)
    let result = await stream.submit(.trainingOptimStep, Payload.empty, Payload.self).result()
    #expect(result.code == .unauthenticated)
    await channel.closeAndWait()
    await fixture.stop()
  }
}

extension Result where Failure == RPCError {
  /// OK, or the code of the failure.
  var code: StatusCode {
    switch self {
    case .success: .ok
    case .failure(let error): error.code
    }
  }
}
