import Foundation
import LoadTestCore
import Synchronization
import Testing

/// A service in this process that answers after a known time, and may stand still for a while.
final class ScriptedTarget: Target {
  let delay: Double
  /// Nothing is answered between these moments of its clock.
  let stall: Range<Double>?
  /// Answers so; nil for never.
  let outcome: RequestOutcome?
  private let clock: Clock
  private let state = Mutex<(started: [Request], open: Int, mostOpen: Int, cancelled: Int)>(
    ([], 0, 0, 0))

  init(
    _ clock: Clock, delay: Double, stall: Range<Double>? = nil, outcome: RequestOutcome? = .ok
  ) {
    self.clock = clock
    self.delay = delay
    self.stall = stall
    self.outcome = outcome
  }

  var started: [Request] { state.withLock { $0.started } }
  var mostOpen: Int { state.withLock { $0.mostOpen } }
  var cancelled: Int { state.withLock { $0.cancelled } }

  func ready(for request: Request) async {}
  func stop() {}

  func start(
    _ request: Request, done: @escaping @Sendable (RequestOutcome) -> Void
  ) -> @Sendable () -> Void {
    state.withLock { state in
      state.started.append(request)
      state.open += 1
      state.mostOpen = max(state.mostOpen, state.open)
    }
    let once = Mutex(done as (@Sendable (RequestOutcome) -> Void)?)
    let finish = { @Sendable [self] (outcome: RequestOutcome) in
      guard
        let done = once.withLock({ done in
          defer { done = nil }
          return done
        })
      else { return }
      state.withLock { $0.open -= 1 }
      done(outcome)
    }
    if let outcome {
      var end = clock.now + delay
      if let stall, stall.contains(end) { end = stall.upperBound }
      Task { [clock, end] in
        try? await clock.sleep(until: end)
        finish(outcome)
      }
    }
    return { [self] in
      state.withLock { $0.cancelled += 1 }
      finish(.cancelled)
    }
  }
}

@Suite(.serialized) struct DriverTests {
  private func run(
    _ stages: String..., clients: Int = 1, warmup: Double = 0, drain: Double = 5,
    limit: Int = 100_000, delay: Double = 0.001, stall: Range<Double>? = nil,
    outcome: RequestOutcome? = .ok
  ) async throws -> (report: Report, target: ScriptedTarget) {
    var scenario = Scenario()
    scenario.warmup = warmup
    scenario.drain = drain
    var group = Group()
    group.clients = clients
    group.limit = limit
    group.mix = [Work(.ping)]
    group.stages = try stages.map { try Stage($0) }
    scenario.groups = [group]
    try scenario.check()
    let clock = Clock(zeroIn: warmup)
    let target = ScriptedTarget(clock, delay: delay, stall: stall, outcome: outcome)
    let recorder = Recorder(scenario)
    await Driver(scenario, target: target, recorder: recorder, clock: clock).run()
    recorder.tick(at: clock.now, service: nil)
    return (Report(recorder, scenario, endpoint: "", service: "", started: ""), target)
  }

  /// The truth about a stall: of 3 seconds the service stands still for one. A closed loop with one
  /// request outstanding sends one request into it and reports a fine p99; an open loop counts from
  /// the intended moments, so a third of its requests wait, half a second on average.
  @Test(.timeLimit(.minutes(30))) func anOpenLoopSeesAStallThatAClosedOneHides() async throws {
    let closed = try await run("3s outstanding=1", stall: 1..<2).report.total
    let open = try await run("3s rate=200", stall: 1..<2).report.total
    let hidden = try #require(closed.latency["p99"])
    let seen = try #require(open.latency["p99"])
    #expect(hidden < 200)
    #expect(seen > 900)
    #expect(try #require(closed.latency["max"]) > 900)
    #expect(try #require(open.latency["p75"]) > 150)
    #expect(open.requests == 600)
    #expect(open.ok == 600)
  }

  /// A target that is slow to accept delays the sending, and the delay counts.
  @Test(.timeLimit(.minutes(30))) func latencyCountsFromTheIntendedMoment() async throws {
    let (report, _) = try await run("1s rate=100", delay: 0.2)
    let p50 = try #require(report.total.latency["p50"])
    #expect((190...400).contains(p50))
    #expect(report.lag["p50"] != nil)
  }

  @Test(.timeLimit(.minutes(30))) func aClosedLoopKeepsItsNumberOutstanding() async throws {
    let (report, target) = try await run("1s outstanding=4", clients: 3, delay: 0.02)
    #expect(target.mostOpen == 12)
    #expect(report.total.ok == target.started.count)
    #expect(report.lag.isEmpty)
    // Each client counts its requests without gaps.
    for client in 0..<3 {
      let numbers = target.started.filter { $0.client == client }.map(\.index).sorted()
      #expect(numbers == Array(0..<numbers.count))
      #expect(numbers.count > 20)
    }
  }

  @Test(.timeLimit(.minutes(30))) func warmUpIsNotCounted() async throws {
    let (report, target) = try await run("1s rate=50", "1s idle", warmup: 1)
    #expect(target.started.count == 100)
    #expect(report.total.requests == 50)
    #expect(report.timeline.first?.time == 0)
    // A run lasts as long as its stages, also when there is nothing left to send.
    #expect((report.timeline.last?.time ?? 0) >= 2)
  }

  @Test(.timeLimit(.minutes(30))) func whatHasNoAnswerIsAnError() async throws {
    let (report, target) = try await run(
      "1s rate=20", "1s idle", drain: 0.3, outcome: nil)
    #expect(report.total.errorsByCode == ["UNFINISHED": 20])
    #expect(target.cancelled == 20)
    // They waited at least until the end.
    #expect(try #require(report.total.latency["max"]) > 2000)
    let closed = try await run("500ms outstanding=3", drain: 0.2, outcome: nil).report
    #expect(closed.total.errorsByCode == ["UNFINISHED": 3])
  }

  @Test(.timeLimit(.minutes(30))) func errorsAreCountedByCode() async throws {
    let (report, _) = try await run("1s rate=20", outcome: .failed("RESOURCE_EXHAUSTED"))
    #expect(report.total.errorsByCode == ["RESOURCE_EXHAUSTED": 20])
    #expect(report.total.latency.isEmpty)
    #expect(report.total.errorRate == 1)
  }

  @Test(.timeLimit(.minutes(30))) func aStageCancelsTheRest() async throws {
    let (report, target) = try await run(
      "500ms burst=40 name=flood", "500ms idle cancel", outcome: nil)
    #expect(report.total.cancelled == 40)
    #expect(report.total.errors == 0)
    #expect(target.cancelled == 40)
  }

  @Test(.timeLimit(.minutes(30))) func anOpenLoopHasALimit() async throws {
    let (report, target) = try await run(
      "500ms burst=40", drain: 0.1, limit: 10, outcome: nil)
    #expect(target.started.count == 10)
    #expect(report.total.errorsByCode == ["NOT_SENT": 30, "UNFINISHED": 10])
  }

  @Test(.timeLimit(.minutes(30))) func cancellingEndsARunEarly() async throws {
    var scenario = Scenario()
    scenario.warmup = 0
    var group = Group()
    group.mix = [Work(.ping)]
    group.stages = [try Stage("100s outstanding=2"), try Stage("100s rate=1")]
    scenario.groups = [group]
    let clock = Clock()
    let target = ScriptedTarget(clock, delay: 0.01)
    let recorder = Recorder(scenario)
    let work = Task { [scenario] in
      await Driver(scenario, target: target, recorder: recorder, clock: clock).run()
    }
    try await clock.sleep(until: 0.5)
    work.cancel()
    await work.value
    #expect(clock.now < 5)
    let progress = recorder.progress()
    #expect(progress.inFlight == 0)
    #expect((progress.totals[.ping]?.ok ?? 0) > 10)
    // Rates are those of the time that there was.
    let report = Report(
      recorder, scenario, endpoint: "", service: "", started: "", stoppedAt: 0.5)
    #expect(report.seconds == 0.5)
    #expect(report.total.throughput > 20)
    #expect(report.series.allSatisfy { $0.seconds == 0.5 })
    #expect(report.plan.last == "stopped after 0.500 of 200 s")
  }
}

@Suite struct LiveViewTests {
  @Test func aLineAndAScreen() throws {
    var scenario = Scenario()
    scenario.name = "demo"
    scenario.warmup = 0
    var group = Group()
    group.mix = [Work(.ping)]
    group.stages = [Stage(name: "steady", seconds: 10, load: .outstanding(Ramp(1)))]
    scenario.groups = [group]
    let recorder = Recorder(scenario)
    let key = Recorder.Key(group: 0, stage: 0, tenant: 0, primitive: .ping)
    for index in 0..<30 {
      let ticket = Recorder.Ticket(key: key, intended: Double(index) * 0.1, tokens: 0)
      recorder.sent(ticket, at: ticket.intended, isOpen: false)
      recorder.done(ticket, index == 3 ? .failed("ABORTED") : .ok, at: ticket.intended + 0.01)
    }
    recorder.tick(at: 3.5, service: nil)
    let view = LiveView(scenario)
    let progress = recorder.progress()
    let line = view.line(progress, at: 3.5)
    #expect(line.hasPrefix("3 of 10 s  10/s  in flight 0  ping p50 10"))
    #expect(line.hasSuffix("errors 1"))
    let lines = view.lines(progress, at: 3.5, columns: 80)
    #expect(lines.allSatisfy { $0.count < 80 })
    #expect(lines[0] == "demo  3 of 10 s  load: steady")
    #expect(lines.contains("error ABORTED: 1"))
    #expect(view.lines(progress, at: 3.5, columns: 1).allSatisfy { $0.count <= 1 })
  }

  @Test func sparklinesFillTheWidth() {
    #expect(LiveView.sparkline([0, 1, 8], width: 5) == "   ▁█")
    #expect(LiveView.sparkline([], width: 3) == "   ")
    #expect(LiveView.sparkline([1, 2, 3, 4], width: 2).count == 2)
  }

  @Test(arguments: [
    (0.0, "0"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"),
    (1234.5, "1\u{202F}235"), (1_234_567, "1\u{202F}234\u{202F}567"), (-1500, "-1\u{202F}500"),
    (.infinity, "–"),
  ]) func numbersForPeople(_ value: Double, _ text: String) {
    #expect(Format.number(value) == text)
  }
}
