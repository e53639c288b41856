import ArgumentParser
import Foundation
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
      valueName: "dir"))
  var tokenizer: String?
}

/// A service that answered.
struct Connection {
  let service: ServiceClient
  let capabilities: ServerCapabilities

  /// - Throws: `CommandError` if nothing answers within five seconds.
  init(endpoint: String) async throws {
    service = ServiceClient(endpoint: endpoint, displayName: "tinsmith command")
    let pending = service.getServerCapabilities()
    let timer = Task {
      try await Task.sleep(for: .seconds(5))
      pending.cancel()
    }
    defer { timer.cancel() }
    do {
      capabilities = try await pending.value()
    } catch  where error.code == .cancelled {
      throw CommandError("no service answers at \(endpoint); `tinsmith serve` starts one")
    }
  }

  /// A client for a base model or for a checkpoint.
  func sampler(_ model: String) async throws -> SamplingClient {
    model.hasPrefix("tinsmith://")
      ? try await service.createSamplingClient(modelPath: model).value()
      : try await service.createSamplingClient(baseModel: model).value()
  }
}
