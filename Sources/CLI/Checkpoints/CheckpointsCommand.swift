import ArgumentParser
import Tinsmith

/// `tinsmith checkpoints`: what a service has saved.
struct CheckpointsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoints", abstract: "Lists, moves and deletes checkpoints.",
    discussion: """
      A checkpoint has a path, tinsmith://MODEL/weights/NAME where training can go on from it, and \
      tinsmith://MODEL/sampler_weights/NAME where it can be sampled from. Where a service asks for \
      a key, TINSMITH_API_KEY has it.
      """,
    subcommands: [
      CheckpointsListCommand.self, CheckpointsInfoCommand.self, CheckpointsExportCommand.self,
      CheckpointsImportCommand.self, CheckpointsCopyCommand.self, CheckpointsDeleteCommand.self,
      CheckpointsTTLCommand.self, CheckpointsPublishCommand.self, CheckpointsUnpublishCommand.self,
    ])
}

/// The service that the commands ask.
struct CheckpointsService: ParsableArguments {
  @Option(help: ArgumentHelp("Where the service listens.", valueName: "endpoint"))
  var endpoint = ServiceClient.defaultEndpoint

  /// Lends a client, and ends its session afterwards.
  func use<Value: Sendable>(
    _ body: (ServiceClient) async throws -> Value
  ) async throws -> Value {
    Terminal.startLogging()
    let service = try await Connection(endpoint: endpoint).service
    let outcome = await Result.of { try await body(service) }
    await service.close()
    return try outcome.get()
  }
}

/// The option for scripts.
struct JSONOption: ParsableArguments {
  @Flag(help: "Print JSON.") var json = false
}
