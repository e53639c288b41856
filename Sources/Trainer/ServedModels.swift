package import Engine
import Foundation
import Tokenizers
package import Wire

/// The base models that a service offers, by public name. `tinsmith/mini` is always among them.
package struct ServedModels: Sendable {
  package static let miniName = "tinsmith/mini"

  /// Folder of the embedded resources.
  package static var resourceFolder: String {
    // Not `resourceURL`: that one looks into a folder called Resources by itself.
    Bundle.module.bundleURL.appendingPathComponent("Resources").path
  }
  /// The embedded model's Hugging Face folder.
  package static var miniFolder: String { "\(resourceFolder)/mini" }

  /// Name → Hugging Face folder.
  package let folders: [String: String]

  /// - Parameter bases: names and folders beside the embedded model.
  package init(bases: [String: String] = [:]) {
    folders = bases.merging([Self.miniName: Self.miniFolder]) { given, _ in given }
  }

  /// - Throws: `notFound` naming the models there are.
  package func folder(of name: String) throws(EngineError) -> String {
    guard let folder = folders[name] else {
      let known = folders.keys.sorted().joined(separator: ", ")
      throw EngineError(
        .notFound, "base model \"\(name)\" is not served (served: \(known))", field: "base_model")
    }
    return folder
  }

  /// What `Admin.Capabilities` says, read from the models' config files.
  ///
  /// - Parameter memory: of each worker.
  /// - Throws: `EngineError` naming the model whose folder cannot be served.
  package func capabilities(
    version: String, memory: MemoryOptions = MemoryOptions()
  ) throws(EngineError) -> CapabilitiesResponse {
    let configs = try configs()
    let plan = try memoryPlan(memory.resolved(), configs)
    var models: [Wire.BaseModel] = []
    for (name, config) in configs.sorted(by: { $0.key < $1.key }) {
      let folder = try folder(of: name)
      models.append(
        Wire.BaseModel(
          name: name, maxContextLength: plan.contextLengths[name] ?? 0, tokenizer: folder,
          architecture: config.modelType, parameters: UInt64(config.parameterCount),
          precision: Numerics.precision, numericsVersion: String(Numerics.version),
          vocabularySize: config.vocabularySize, isTrainable: true, isSampleable: true))
    }
    return CapabilitiesResponse(
      serviceVersion: version, protocolVersions: [RequestHeader.currentVersion], models: models,
      lossFns: LossFunction.Name.allCases.map(\.rawValue))
  }

  /// How the memory of a worker is divided.
  ///
  /// - Throws: `EngineError` when it does not suffice, or naming a model that cannot be served.
  package func memoryPlan(_ options: MemoryOptions) throws(EngineError) -> MemoryPlan {
    try memoryPlan(options, configs())
  }

  private func memoryPlan(
    _ options: MemoryOptions, _ configs: [String: ModelConfig]
  ) throws(EngineError) -> MemoryPlan {
    var bases: [MemoryPlan.Base] = []
    for (name, config) in configs.sorted(by: { $0.key < $1.key }) {
      bases.append(
        MemoryPlan.Base(
          name: name, bytes: WeightFiles.bytes(in: try folder(of: name)) + config.tableBytes,
          cache: config.cacheGeometry, maxPositions: config.maxPositions,
          leastWorkspace: Workspace(config).decoding))
    }
    return try MemoryPlan(options, bases: bases)
  }

  private func configs() throws(EngineError) -> [String: ModelConfig] {
    var configs: [String: ModelConfig] = [:]
    for (name, folder) in folders {
      do {
        let config = try ModelConfig(path: "\(folder)/config.json")
        try config.checkArchitecture()
        configs[name] = config
      } catch {
        throw EngineError(error.code, "base model \(name): \(error.message)", cause: error)
      }
    }
    return configs
  }
}
