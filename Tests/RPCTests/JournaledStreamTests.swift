import Synchronization
import Testing
import Wire

@testable import RPC

/// Streams with a journal: nobody hears of what is not durable.
@Suite struct JournaledStreamTests {
  private func fixture(_ journal: MemoryJournal) throws -> Fixture {
    var rules = RouterRules()
    rules.recoversModels = true
    rules.firstEpoch = 1000
    return try Fixture(rules: rules) { $0.journal = journal }
  }

  @Test("An answer waits until its record is durable, and so does a repeated request's")
  func answersWait() async throws {
    let journal = MemoryJournal()
    let fixture = try fixture(journal)
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    journal.hold()
    let step = stream.submit(.trainingOptimStep, Payload(text: "x"), Payload.self)
    let next = stream.submit(.trainingOptimStep, Payload(text: "y"), Payload.self)
    #expect(try await eventually { fixture.recorder.runs.count == 3 })
    let isDone = Mutex(false)
    let waiting = Task {
      let value = try await next.value().text
      isDone.withLock { $0 = true }
      return value
    }
    try await Task.sleep(for: .milliseconds(100))
    #expect(!isDone.withLock { $0 })
    journal.release()
    #expect(try await step.value().text == "x#2")
    #expect(try await waiting.value == "y#3")
    #expect(
      journal.notes == [
        "open 1001", "admitted 0", "finished 0 ran", "admitted 1", "finished 1 ran", "admitted 2",
        "finished 2 ran",
      ])
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test("A handler without an answer, and a cancelled request: recorded, and told apart")
  func whoDecided() async throws {
    let journal = MemoryJournal()
    let fixture = try fixture(journal)
    let (channel, session) = try await fixture.session()
    let stream = channel.stream("\(session):train:0")
    _ = try await stream.call(.trainingCreateModel, Payload.empty, Payload.self)
    let lost = await stream.submit(.trainingGetInfo, Payload.empty, Payload.self).result()
    #expect(lost.code == .internal)
    fixture.recorder.closeGate()
    let step = stream.submit(.trainingOptimStep, Payload(text: "x"), Payload.self)
    #expect(try await eventually { fixture.recorder.runs.count == 2 })
    step.cancel()
    try await Task.sleep(for: .milliseconds(50))
    fixture.recorder.openGate()
    #expect(await step.result().code == .cancelled)
    #expect(journal.notes.contains("finished 1 ran"))
    #expect(journal.notes.contains("finished 2 refused"))
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test("A stream that cannot be opened yet is asked for again; one that is lost says so")
  func opening() async throws {
    let journal = MemoryJournal()
    let fixture = try fixture(journal)
    let (channel, session) = try await fixture.session()
    let (late, lost) = ("\(session):train:0", "\(session):train:1")
    journal.logs.withLock {
      $0[late] = .unavailable(RPCError(.resourceExhausted, "no space"))
      $0[lost] = .log(StreamLog(refusing: RPCError(.dataLoss, "the journal is damaged")))
    }
    let created = channel.stream(late).submit(
      .trainingCreateModel, Payload.empty, Payload.self)
    #expect(try await eventually { journal.notes.count > 1 })
    journal.logs.withLock { $0[late] = nil }
    #expect(try await created.value().text == "#1")
    let refused = await channel.stream(lost).submit(
      .trainingCreateModel, Payload.empty, Payload.self
    ).result()
    #expect(refused.code == .dataLoss)
    await channel.closeAndWait()
    await fixture.stop()
  }

  @Test("More than a window is refused for a while: it goes before what is behind it")
  func refusedWithAFullWindow() async throws {
    let journal = MemoryJournal()
    let fixture = try fixture(journal)
    let (channel, session) = try await fixture.session()
    let names = (0..<3).map { "\(session):train:\($0)" }
    for name in names {
      journal.logs.withLock { $0[name] = .unavailable(RPCError(.resourceExhausted, "no space")) }
    }
    let calls = names.map { name in
      let stream = channel.stream(name)
      return (0..<300).map { _ in
        stream.submit(.trainingForward, Payload(text: "x"), Payload.self)
      }
    }
    try await Task.sleep(for: .milliseconds(150))
    journal.logs.withLock { $0 = [:] }
    for call in calls.joined() { #expect(try await call.value().text == "x") }
    #expect(fixture.recorder.runs.count == 900)
    await channel.closeAndWait()
    await fixture.stop()
  }
}
