import Foundation
import FoundationXML
import LoadTestCore
import Testing

@Suite struct ReportTests {
  private let report = Fixture.report()

  @Test func figuresAreThoseOfTheHistogram() throws {
    let ping = try #require(report.figures(labels: ["ping"]))
    #expect(ping.requests == 1000)
    #expect(ping.errors == 0)
    // Three significant digits.
    for (name, expected) in [
      ("p50", 500.0), ("p90", 900), ("p99", 990), ("p99.9", 999), ("p99.99", 1000), ("max", 1000),
      ("mean", 500.5), ("min", 1),
    ] {
      let value = try #require(ping.latency[name])
      #expect(abs(value / expected - 1) < 0.002, "\(name) \(value)")
    }
    #expect(report.total.errorsByCode == ["UNAVAILABLE": 1])
    #expect(report.total.requests == 1100)
    #expect(report.names(of: "tenant") == ["bob", "alice"])
    #expect(
      report.shownParts.map(\.kind) == ["total", "primitive", "primitive", "tenant", "tenant"])
    #expect(report.figures(labels: ["carol"]) == nil)
    // A stage is measured over its own time.
    let steady = try #require(report.figures(labels: ["steady", "ping"]))
    #expect(abs(steady.throughput - ping.throughput * 12 / 10) < 1e-9)
  }

  @Test func theCurveRises() {
    let curve = report.curve(labels: ["ping"])
    #expect(curve.first?.inverse == 1)
    #expect(curve.map(\.milliseconds) == curve.map(\.milliseconds).sorted())
    // 1000 requests say nothing beyond one in a thousand.
    #expect((curve.last?.inverse ?? 0) <= 1001)
    #expect(report.curve(labels: ["optim_step"]).isEmpty)
  }

  @Test func jsonComesBackTheSame() throws {
    let data = try report.json()
    #expect(try Report(json: data) == report)
    let text = String(decoding: data, as: UTF8.self)
    #expect(text.contains("\"p99.99\""))
    #expect(text.contains("\"format\":\"tinsmith-load/1\""))
  }

  @Test func badFilesAreRefused() throws {
    #expect(throws: LoadError.self) { try Report(json: Data("{}".utf8)) }
    #expect(throws: LoadError.self) { try Report(json: Data("x".utf8)) }
    var other = report
    other.format = "tinsmith-load/0"
    #expect(throws: LoadError.self) { try Report(json: try other.json()) }
    other = report
    other.series[0].latency = [[1, .max], [2, .max]]
    #expect(throws: LoadError.self) { try Report(json: try other.json()) }
    other = report
    other.series[0].latency = [[1]]
    #expect(throws: LoadError.self) { try Report(json: try other.json()) }
    other = report
    other.series[0].ok = .max
    #expect(throws: LoadError.self) { try Report(json: try other.json()) }
  }

  /// The page parses as XML, needs nothing from elsewhere, and shows what it should.
  @Test func thePageIsWellFormedAndAlone() throws {
    let page = report.page()
    let parser = XMLParser(data: Data(page.utf8))
    let reader = PageReader()
    parser.delegate = reader
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    #expect(reader.elements["svg"] ?? 0 >= 6)
    #expect(reader.elements["polyline"] ?? 0 >= 8)
    #expect(reader.links.isEmpty)
    for word in ["http://", "https://", "url(", "@import", "fetch("] {
      #expect(!page.contains(word), "\(word)")
    }
    #expect(page.contains("known &lt;&amp;&gt; &#39;figures&#39;"))
    #expect(page.contains("UNAVAILABLE"))
    #expect(page.contains("router.in_flight"))
    #expect(page.contains("prefers-color-scheme:dark"))
  }

  @Test func anEmptyRunHasAPage() {
    var scenario = Scenario()
    var group = Group()
    group.mix = [Work(.ping)]
    group.stages = [Stage(seconds: 1, load: .idle)]
    scenario.groups = [group]
    let empty = Report(
      Recorder(scenario), scenario, endpoint: "", service: "", started: "")
    #expect(XMLParser(data: Data(empty.page().utf8)).parse())
    #expect(empty.lines.count >= 3)
  }

  @Test func theTableHasAllParts() {
    let text = report.lines.joined(separator: "\n")
    for word in ["total", "primitive ping", "tenant bob", "error UNAVAILABLE: 1", "p99.99"] {
      #expect(text.contains(word))
    }
  }

  @Test func secondsAreComplete() {
    #expect(report.timeline.map(\.time) == Array(0...11))
    #expect(report.timeline.reduce(0) { $0 + $1.ok } == 1099)
    #expect(report.timeline.reduce(0) { $0 + $1.errors } == 1)
    #expect(report.timeline[11].service == ["router.in_flight": 3])
  }
}

@Suite struct ComparisonTests {
  @Test func ratiosAreOfTheSecondToTheFirst() throws {
    let comparison = Comparison(Fixture.report(), Fixture.report(factor: 2))
    let row = try #require(comparison.rows.first { $0.figure == "ping.p50" })
    #expect(abs((row.ratio ?? 0) - 2) < 0.01)
    #expect(row.unit == "ms")
    let errors = try #require(comparison.rows.first { $0.figure == "alice.errors" })
    #expect(errors.ratio == nil)
    #expect(comparison.unmatched.isEmpty)
    #expect(comparison.lines[0].hasPrefix("figure"))

  }

  @Test func partsOfOneOnlyAreNamed() {
    var other = Fixture.report()
    other.parts.removeAll { $0.labels == ["ping"] }
    let comparison = Comparison(Fixture.report(), other)
    #expect(comparison.unmatched == ["primitive ping (only in the first)"])
    #expect(
      Comparison(other, Fixture.report()).unmatched == ["primitive ping (only in the second)"])
  }
}

/// Counts elements, and attributes that would fetch something.
private final class PageReader: NSObject, XMLParserDelegate {
  var elements: [String: Int] = [:]
  var links: [String] = []

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String] = [:]
  ) {
    elements[name, default: 0] += 1
    links += ["src", "href"].compactMap { attributes[$0] }
  }
}
