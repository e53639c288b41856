import ArgumentParser
import Foundation

/// `tinsmith-conformance ENDPOINT SCENARIO`: runs the scenario of `Tests/Conformance` with the wire
/// types that service and SDK use, and prints its lines.
@main
struct ConformanceMain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tinsmith-conformance",
    abstract: "Executes a conformance scenario against a live service.")

  @Argument(help: "Where the service listens, e.g. tcp://127.0.0.1:7410.") var endpoint: String
  @Argument(help: "The file scenario.json.") var scenario: String

  func run() throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: scenario))
    let decoder = JSONDecoder()
    // Keys of dictionaries, and so of bodies, stay as they are.
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let scenario = try decoder.decode(Scenario.self, from: data)
    try Runner(endpoint: endpoint, scenario: scenario).run()
  }
}
