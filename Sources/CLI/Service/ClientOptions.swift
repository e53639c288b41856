import ArgumentParser
import Foundation
import Operations
import Tinsmith
import Trainer

/// Options of commands that use a service.
struct ClientOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Where the service listens.", valueName: "endpoint"))
  var endpoint = ServiceClient.defaultEndpoint

  @Option(
    help: ArgumentHelp(
      "A base model's name, or the path of a checkpoint saved for sampling (tinsmith://…).",
      valueName: "name"))
  var model = ServedModels.miniName

  @Option(
    help: ArgumentHelp(
      "Folder of the tokenizer, where the service's own cannot be read from here.",
      valueName: "dir"), transform: PathText.check)
  var tokenizer: String?
}

/// A service that answered.
struct Connection {
  let service: ServiceClient
  let capabilities: ServerCapabilities

  /// - Throws: `CommandError` if nothing answers within five seconds.
  init(endpoint: String) async throws {
    if let problem = EndpointText.problem(endpoint, .connect) { throw CommandError(problem) }
    // Not an option: a command line is there for everybody to see.
    let key = ProcessInfo.processInfo.environment["TINSMITH_API_KEY"] ?? ""
    service = ServiceClient(endpoint: endpoint, apiKey: key, displayName: "tinsmith command")
    capabilities = try await Self.ask(service, endpoint)
  }

  private static func ask(
    _ service: ServiceClient, _ endpoint: String
  ) async throws -> ServerCapabilities {
    guard let capabilities = try await service.getServerCapabilities().value(within: .seconds(5))
    else {
      throw CommandError("no service answers at \(endpoint); `tinsmith serve` starts one")
    }
    return capabilities
  }

  /// A client for a base model or for a checkpoint.
  func sampler(_ model: String) async throws -> SamplingClient {
    model.hasPrefix("tinsmith://")
      ? try await service.createSamplingClient(modelPath: model).value()
      : try await service.createSamplingClient(baseModel: model).value()
  }
}

extension ServerCapabilities {
  /// A line for each base model that was to be served and cannot be.
  var refusals: [String] {
    refusedModels.sorted { $0.key < $1.key }.map { "\($0.key) is not served: \($0.value)" }
  }
}

extension Pending {
  /// The answer, if it comes soon enough; nil if not, and the call is given up.
  func value(within limit: Duration) async throws -> Value? {
    let timer = Task {
      try await Task.sleep(for: limit)
      cancel()
    }
    defer { timer.cancel() }
    do throws(TinsmithError) {
      return try await value()
    } catch {
      guard error.code == .cancelled else { throw error }
      return nil
    }
  }
}
