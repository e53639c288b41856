import LoadTestCore
import Testing

@Suite struct AssertionTests {
  /// ping: 1 … 1000 ms; sample of two tenants: 100 at 2 s, of which bob has the one that failed.
  private let report = Fixture.report()

  @Test(arguments: [
    "p50<600ms", "ping.p99 <= 1s", "ping.p99.9<1.001s", "ping.p50>0.49s", "errors==1", "errors!=0",
    "alice.errors==0", "error_rate<=0.1%", "error_rate<0.01", "throughput>=90/s",
    "throughput<1000", "sample.requests==100", "sample.ok>=99", "sample.bob.requests==50",
    "tokens>10/s", "sample.max<=2001ms", "ping.min>0s", "cancelled==0", "sample.mean>1.9s",
    "ping.p99<=1*sample.p50", "sample.p50<=3*ping.p95+100ms", "ping.p50<sample.p50",
    "steady.ping.p100<=1001ms",
  ]) func whatHolds(_ text: String) throws {
    let verdict = try Assertion(text).verdict(on: report)
    #expect(verdict.holds, "\(verdict.explanation)")
    #expect(verdict.line.hasPrefix("holds   \(text): "))
  }

  @Test(arguments: [
    "p50<1ms", "errors==0", "ping.p99>2s", "bob.errors<1", "throughput>1000000/s",
    "error_rate==0%", "sample.p50<=1*ping.p50", "sample.p50<=ping.p50+1s", "quiet.p99<1s",
    "quiet.p99>=0s", "optim_step.p50<1s",
  ]) func whatDoesNot(_ text: String) throws {
    let verdict = try Assertion(text).verdict(on: report)
    #expect(!verdict.holds && verdict.line.hasPrefix("FAILED  \(text): "))
  }

  @Test(arguments: [
    "", "p99", "p99<", "<50ms", "p99<50", "p99<5%", "errors==1ms", "p101<1s", "pp<1s", "p<1s",
    "throughput>5ms", "speed>5", "p99<2s*p50", "p99<2*errors", "p99<2ms*ping.p99", ".p99<1s",
    "sample..p99<1s", "p99=5ms", "p99<-5ms", "p99<nanms", "errors<2*p99",
  ]) func nonsenseIsRefused(_ text: String) {
    #expect(throws: LoadError.self) { try Assertion(text) }
  }

  @Test func aNameOfNothingIsAMistake() throws {
    #expect(throws: LoadError.self) { try Assertion("carol.p99<1s").verdict(on: report) }
    var scenario = Scenario()
    var group = Group()
    group.mix = [try Work("ping")]
    group.stages = [try Stage("1s outstanding=1 name=steady")]
    scenario.groups = [group]
    try scenario.check(Assertion("default.steady.ping.p99<1s"))
    #expect(throws: LoadError.self) { try scenario.check(Assertion("sample.p99<1s")) }
  }

  @Test func failuresSayWhatWasSeen() throws {
    let verdict = try Assertion("sample.p50 <= 2 * ping.p50 + 1ms").verdict(on: report)
    #expect(!verdict.holds)
    #expect(verdict.text == "sample.p50 <= 2 * ping.p50 + 1ms")
    #expect(verdict.explanation.contains("sample.p50 is 2"))
    #expect(verdict.explanation.contains("the bound is 1"))
    let empty = try Assertion("quiet.p99<1s").verdict(on: report)
    #expect(empty.explanation == "nothing was measured")
  }
}

/// Reports whose figures are known.
enum Fixture {
  static func report(factor: Int = 1) -> Report {
    var scenario = Scenario()
    scenario.name = "known <&> 'figures'"
    scenario.warmup = 0
    scenario.tenants = [Tenant(name: "alice", key: "a"), Tenant(name: "bob", key: "b")]
    var group = Group()
    group.name = "clients"
    group.tenants = [0, 1]
    group.clients = 2
    group.mix = [Work(.ping), Work(.sample), Work(.optimStep)]
    group.stages = [
      Stage(name: "steady", seconds: 10, load: .outstanding(Ramp(1))),
      Stage(name: "quiet", seconds: 2, load: .idle),
    ]
    scenario.groups = [group]
    let recorder = Recorder(scenario)
    for index in 1...1000 {
      record(
        recorder, .ping, tenant: index % 2, wait: Double(index * factor) * 1e-3,
        at: Double(index) * 0.009)
    }
    for index in 0..<100 {
      let outcome: RequestOutcome = index == 1 ? .failed("UNAVAILABLE") : .ok
      record(
        recorder, .sample, tenant: index % 2, wait: 2 * Double(factor), at: 9.5, outcome)
    }
    recorder.tick(at: 11.5, service: ["router.in_flight": 3])
    return Report(
      recorder, scenario, endpoint: "tcp://host:1", service: "0.1", started: "2026-01-01T00:00:00Z")
  }

  private static func record(
    _ recorder: Recorder, _ primitive: Primitive, tenant: Int, wait: Double, at end: Double,
    _ outcome: RequestOutcome = .ok
  ) {
    let key = Recorder.Key(group: 0, stage: 0, tenant: tenant, primitive: primitive)
    // Sent in time, whatever the wait: the stage is given by the key.
    let ticket = Recorder.Ticket(
      key: key, intended: max(0, end - wait), tokens: primitive == .sample ? 16 : 0)
    recorder.sent(ticket, at: end, isOpen: false)
    recorder.done(ticket, outcome, at: ticket.intended + wait)
  }
}
