import Metrics
import Testing

@testable import Operations

/// Reads Prometheus' text format strictly, as far as we write it.
struct Exposition {
  var types: [String: String] = [:]
  var help: [String: String] = [:]
  /// By name and labels, as written.
  var values: [String: Double] = [:]

  init(_ text: String) throws {
    #expect(text.isEmpty || text.hasSuffix("\n"))
    var current = ""
    for line in text.split(separator: "\n") {
      if let match = line.wholeMatch(of: /# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)/) {
        #expect(help.updateValue(String(match.2), forKey: String(match.1)) == nil)
      } else if let match = line.wholeMatch(
        of: /# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|summary)/)
      {
        current = String(match.1)
        // All lines of a name stand together.
        #expect(types.updateValue(String(match.2), forKey: current) == nil)
      } else {
        let pattern =
          /([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\["\\n])*",?)+\})? (\S+)/
        let match = try #require(line.wholeMatch(of: pattern), "\(line)")
        #expect(match.1.hasPrefix(current))
        let value = try #require(Double(match.3))
        let key = "\(match.1)\(match.2 ?? "")"
        #expect(values.updateValue(value, forKey: key) == nil, "twice: \(key)")
      }
    }
  }
}

@Suite struct MetricsTests {
  @Test func numbersOfTheServiceAreWrittenWithLabels() throws {
    let collector = MetricsCollector(help: ServiceMetrics.help)
    let metrics = ServiceMetrics(collector)
    metrics.update([
      "router.requests_total": 12, "router.in_flight": 3, "worker.worker-0.models": 2,
      "worker.host.example-7.models": 0.5, "worker.worker-0.sampled_tokens_total": 1e15,
      "tenant.a\"b\\c\nd.waiting": 1, "worker.worker-0.some_new_thing": 4, "nonsense": 1,
      "other.thing": 2,
    ])
    let read = try Exposition(collector.text)
    #expect(
      read.values == [
        "tinsmith_router_requests_total": 12, "tinsmith_router_in_flight": 3,
        #"tinsmith_worker_models{worker="worker-0"}"#: 2,
        #"tinsmith_worker_models{worker="host.example-7"}"#: 0.5,
        #"tinsmith_worker_sampled_tokens_total{worker="worker-0"}"#: 1e15,
        #"tinsmith_tenant_waiting{tenant="a\"b\\c\nd"}"#: 1,
        #"tinsmith_worker_some_new_thing{worker="worker-0"}"#: 4,
      ])
    #expect(read.types["tinsmith_router_requests_total"] == "counter")
    #expect(read.types["tinsmith_router_in_flight"] == "gauge")
    #expect(read.types["tinsmith_worker_sampled_tokens_total"] == "counter")
    #expect(read.help["tinsmith_worker_models"] == "Models that live on the worker.")
    #expect(Set(read.help.keys) == Set(read.types.keys))
  }

  @Test func countersNeverFallAndGaugesDo() throws {
    let collector = MetricsCollector()
    let metrics = ServiceMetrics(collector)
    for (total, gauge) in [(10.0, 5.0), (15, 2), (3, 9)] {
      metrics.update(["worker.w.a_total": total, "worker.w.b": gauge])
    }
    let read = try Exposition(collector.text)
    #expect(
      read.values == [
        #"tinsmith_worker_a_total{worker="w"}"#: 18, #"tinsmith_worker_b{worker="w"}"#: 9,
      ])
  }

  @Test func whatIsGoneIsForgotten() throws {
    let collector = MetricsCollector()
    let metrics = ServiceMetrics(collector)
    metrics.update(["worker.w.a_total": 10, "worker.w.b": 5, "router.workers": 1])
    metrics.update(["router.workers": 0])
    #expect(try Exposition(collector.text).values == ["tinsmith_router_workers": 0])
    metrics.update(["router.workers": 1, "worker.w.a_total": 2])
    #expect(
      try Exposition(collector.text).values == [
        "tinsmith_router_workers": 1, #"tinsmith_worker_a_total{worker="w"}"#: 2,
      ])
  }

  @Test func metricsOfOtherPartsAreKept() throws {
    let collector = MetricsCollector()
    let counter = Counter(label: "9 lives.total", dimensions: [("a-b", "x")], factory: collector)
    counter.increment(by: 2)
    Counter(label: "9 lives.total", dimensions: [("a-b", "x")], factory: collector).increment()
    let timer = Timer(label: "took", factory: collector)
    timer.recordNanoseconds(1_500_000_000)
    timer.recordNanoseconds(500_000_000)
    Gauge(label: "level", factory: collector).record(-0.25)
    let read = try Exposition(collector.text)
    #expect(
      read.values == [
        #"_9_lives_total{a_b="x"}"#: 3, "took_sum": 2, "took_count": 2, "level": -0.25,
      ])
    #expect(read.types == ["_9_lives_total": "counter", "took": "summary", "level": "gauge"])
    timer.destroy()
    #expect(try Exposition(collector.text).types["took"] == nil)
  }

  @Test func seriesAreBounded() throws {
    let collector = MetricsCollector()
    for number in 0..<MetricsCollector.maximumSeries + 10 {
      Counter(label: "c", dimensions: [("n", String(number))], factory: collector).increment()
    }
    let lines = collector.text.split(separator: "\n")
    #expect(lines.count == MetricsCollector.maximumSeries + 1)
  }
}
