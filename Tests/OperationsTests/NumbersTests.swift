import Testing

@testable import Operations

@Suite struct NumbersTests {
  @Test func namesAreTakenApart() {
    let numbers = ServiceNumbers([
      "router.requests_total": 1, "worker.w0.models": 2, "worker.host.example-7.models": 3,
      "tenant.a.b.c.waiting": 4, "loose": 5, "worker.": 6, ".": 7, "other.thing": 8,
    ])
    #expect(numbers.router == ["requests_total": 1])
    #expect(
      numbers.groups == [
        "worker": ["w0": ["models": 2], "host.example-7": ["models": 3]],
        "tenant": ["a.b.c": ["waiting": 4]],
      ])
  }

  @Test func ratesAreDifferencesOverTheWindow() {
    var meter = RateMeter(window: 2)
    #expect(meter.rates(["a_total": 10, "gauge": 1], at: 100) == [:])
    #expect(meter.rates(["a_total": 20, "gauge": 2], at: 101) == ["a_total": 10])
    #expect(meter.rates(["a_total": 20], at: 102) == ["a_total": 5])
    #expect(meter.rates(["a_total": 50], at: 103) == ["a_total": 15])
  }

  @Test func aCounterThatFellBeganAnew() {
    var meter = RateMeter(window: 10)
    _ = meter.rates(["a_total": 1000], at: 0)
    _ = meter.rates(["a_total": 1010], at: 1)
    #expect(meter.rates(["a_total": 4], at: 2) == ["a_total": 7])
  }

  @Test func countersComeAndGo() {
    var meter = RateMeter(window: 10)
    _ = meter.rates([:], at: 0)
    #expect(meter.rates(["a_total": 5], at: 1) == [:])
    #expect(meter.rates(["a_total": 8], at: 2) == ["a_total": 3])
    #expect(meter.rates([:], at: 3) == [:])
  }

  @Test func aClockThatStandsStillGivesNothing() {
    var meter = RateMeter()
    _ = meter.rates(["a_total": 5], at: 1)
    #expect(meter.rates(["a_total": 8], at: 1) == [:])
  }

  @Test func theWindowKeepsNoMoreThanItNeeds() {
    var meter = RateMeter(window: 3)
    for second in 0..<1000 { _ = meter.rates(["a_total": Double(second)], at: Double(second)) }
    #expect(meter.rates(["a_total": 1000], at: 1000) == ["a_total": 1])
  }
}
