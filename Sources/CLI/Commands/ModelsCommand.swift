import ArgumentParser
import Operations
import Tinsmith

/// `tinsmith models`: what a service offers.
struct ModelsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "models", abstract: "Lists the base models of a service.")

  @Option(help: ArgumentHelp("Where the service listens.", valueName: "endpoint"))
  var endpoint = ServiceClient.defaultEndpoint

  func run() async throws {
    Terminal.startLogging()
    let connection = try await Connection(endpoint: endpoint)
    var rows = [["NAME", "ARCHITECTURE", "PARAMETERS", "CONTEXT", "PRECISION"]]
    for model in connection.capabilities.models {
      rows.append([
        model.name, model.architecture, Self.short(model.parameters),
        String(model.maxContextLength), model.precision,
      ])
    }
    for line in Table.lines(rows) { Terminal.say(line) }
    for model in connection.capabilities.models {
      for warning in model.warnings { Terminal.say("\(model.name): \(warning)") }
    }
    for line in connection.capabilities.refusals { Terminal.say(line) }
    await connection.service.close()
  }

  /// A count in millions or billions.
  private static func short(_ count: UInt64) -> String {
    let millions = Double(count) / 1e6
    let (value, unit) = millions < 1000 ? (millions, "M") : (millions / 1000, "B")
    return "\((value * 10).rounded() / 10) \(unit)"
  }
}
