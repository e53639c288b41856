import ArgumentParser
import Foundation
import LoadTestCore

/// `tinsmith-load`: puts a service under load and says how it bears it.
struct LoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tinsmith-load",
    abstract: "Puts a service under load; closed and open loops, percentiles, a page with charts.",
    discussion: """
      Latency counts from the moment a request was due, so that a stall is seen by all requests \
      that it delayed. Results go to stdout, progress to stderr. Exit codes: 0 done, 1 failed or \
      an assertion does not hold, 2 wrong usage.

      tinsmith-load --clients 4 --outstanding 8 --mix ping
      tinsmith-load --rate 10..200 --poisson --mix 'sample=1 prompt=uniform(8,64) new=16'
      tinsmith-load --scenario mixed.yaml --json a.json --html a.html --assert 'p99<2s'
      tinsmith-load --compare a.json b.json
      """)

  @OptionGroup(title: "Load") var load: LoadOptions

  @Option(help: ArgumentHelp("Where the service listens.", valueName: "endpoint"))
  var endpoint = "tcp://127.0.0.1:7410"

  @Option(
    help: ArgumentHelp(
      "Writes the result as JSON; - for stdout, in place of the table.", valueName: "file"))
  var json: String?

  @Option(help: ArgumentHelp("Writes the result as one HTML page.", valueName: "file"))
  var html: String?

  @Option(
    name: .customLong("assert"),
    help: ArgumentHelp(
      "Fails unless it holds, e.g. 'p99<50ms', 'errors==0', 'sample.throughput>10/s', "
        + "'a.p95<=3*b.p95+250ms'. May be given many times.", valueName: "condition"))
  var assertions: [String] = []

  @Option(
    help: ArgumentHelp("Shows a saved result instead of running.", valueName: "file"))
  var from: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Compares two saved results.", valueName: "file"))
  var compare: [String] = []

  @Flag(help: "No progress on stderr.") var quiet = false

  func run() async throws {
    let conditions = try assertions.map { text in try Assertion(text) }
    if !compare.isEmpty { return try runComparison() }
    let report: Report
    if let from {
      report = try Files.report(from)
      for condition in conditions where !condition.labels.isSubset(of: report.labels) {
        throw LoadError("\"\(condition.text)\" names something that the result does not have")
      }
    } else {
      let scenario = try load.plan()
      for condition in conditions { try scenario.check(condition) }
      report = try await LoadRun(scenario, endpoint: endpoint, isQuiet: quiet).run()
    }
    try show(report)
    try judge(conditions, report)
  }

  private func show(_ report: Report) throws {
    if let html { try Files.write(Data(report.page().utf8), to: html) }
    if let json { try Files.write(try report.json(), to: json) }
    if json != "-" { Output.say(report.lines.joined(separator: "\n")) }
  }

  private func judge(_ conditions: [Assertion], _ report: Report) throws {
    let verdicts = try conditions.map { condition in try condition.verdict(on: report) }
    for verdict in verdicts {
      // Beside the figures, unless those are JSON.
      if json == "-" { Output.complain(verdict.line) } else { Output.say(verdict.line) }
    }
    let failed = verdicts.count { !$0.holds }
    if failed > 0 {
      throw RunError("error: \(failed) of \(verdicts.count) assertions do not hold")
    }
  }

  private func runComparison() throws {
    guard compare.count == 2, from == nil, html == nil, assertions.isEmpty else {
      throw LoadError("--compare takes two files and goes with --json only")
    }
    let comparison = Comparison(try Files.report(compare[0]), try Files.report(compare[1]))
    if let json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      try Files.write(try encoder.encode(comparison), to: json)
    }
    if json != "-" { Output.say(comparison.lines.joined(separator: "\n")) }
  }
}

/// A run that failed: exit code 1. What is wrong with the request itself is a `LoadError`: 2.
struct RunError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

@main
struct Main {
  static func main() async {
    do {
      let command = try LoadCommand.parse()
      try await command.run()
    } catch let error as LoadError {
      Output.complain("error: \(error)")
      exit(2)
    } catch let error as RunError {
      Output.complain(error.description)
      exit(1)
    } catch {
      let code = LoadCommand.exitCode(for: error)
      let text = LoadCommand.fullMessage(for: error)
      if code.isSuccess { Output.say(text) } else { Output.complain(text) }
      exit(code == .validationFailure ? 2 : code.isSuccess ? 0 : 1)
    }
  }
}
