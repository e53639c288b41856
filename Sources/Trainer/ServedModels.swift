package import Engine
import Foundation
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

  /// What `Admin.Capabilities` says, read from the models' config files.
  ///
  /// - Parameter memory: of each worker.
  /// - Throws: `EngineError` when none of the given models can be served, or the memory does not
  ///   suffice.
  package func capabilities(
    version: String, memory: MemoryOptions = MemoryOptions()
  ) throws(EngineError) -> CapabilitiesResponse {
    let (configs, refused) = configs()
    try check(refused: refused)
    let plan = try memoryPlan(memory.resolved(), configs)
    var models: [Wire.BaseModel] = []
    for (name, config) in configs.sorted(by: { $0.key < $1.key }) {
      models.append(
        Wire.BaseModel(
          name: name, maxContextLength: plan.contextLengths[name] ?? 0,
          tokenizer: folders[name] ?? "",
          architecture: config.modelType, parameters: UInt64(config.parameterCount),
          precision: Numerics.precision, numericsVersion: String(Numerics.version),
          vocabularySize: config.vocabularySize, isTrainable: true, isSampleable: true,
          warnings: Self.warnings(of: folders[name] ?? "")))
    }
    return CapabilitiesResponse(
      serviceVersion: version, protocolVersions: [RequestHeader.currentVersion], models: models,
      lossFns: LossFunction.Name.allCases.map(\.rawValue),
      refusedModels: refused.mapValues(\.sentence))
  }

  /// What in a model's folder has no effect or cannot be read, and where its files disagree, in
  /// words. What keeps the model from being served is not among it.
  package static func warnings(of folder: String) -> [String] {
    var warnings: [String] = []
    if let config = try? ModelConfig(path: "\(folder)/config.json") {
      let weights = try? StoredWeights(folder: folder, config: config)
      warnings = config.warnings + (weights?.warnings ?? [])
    }
    return warnings + FolderTokenizer(folder).warnings
  }

  /// What a worker maps of weights.
  package var weightBytes: Int {
    configs().configs.reduce(0) { $0 + weightBytes($1.key, $1.value) }
  }

  /// None of a model whose weights cannot be read: it is not served.
  private func weightBytes(_ name: String, _ config: ModelConfig) -> Int {
    (try? StoredWeights(folder: folders[name] ?? "", config: config))?.residentBytes ?? 0
  }

  /// How the memory of a worker is divided.
  ///
  /// - Throws: `EngineError` when it does not suffice.
  package func memoryPlan(_ options: MemoryOptions) throws(EngineError) -> MemoryPlan {
    try memoryPlan(options, configs().configs)
  }

  /// One model that cannot be served is no reason to serve none, but nobody asks for a service only
  /// to get the embedded one.
  /// - Parameter refused: the models that cannot be served, with the reasons.
  /// - Throws: `failedPrecondition` with the reasons where that leaves none of those that were given.
  package func check(refused: [String: EngineError]) throws(EngineError) {
    let given = folders.count > 1 ? folders.keys.filter { $0 != Self.miniName } : [Self.miniName]
    guard given.allSatisfy({ refused[$0] != nil }) else { return }
    let reasons = refused.sorted { $0.key < $1.key }
      .map { "base model \($0.key): \($0.value.sentence)" }
    throw EngineError(.failedPrecondition, reasons.joined(separator: "; "))
  }

  private func memoryPlan(
    _ options: MemoryOptions, _ configs: [String: ModelConfig]
  ) throws(EngineError) -> MemoryPlan {
    var bases: [MemoryPlan.Base] = []
    for (name, config) in configs.sorted(by: { $0.key < $1.key }) {
      bases.append(
        MemoryPlan.Base(
          name: name, bytes: weightBytes(name, config) + config.tableBytes,
          cache: config.cacheGeometry, maxPositions: config.maxPositions,
          leastWorkspace: Workspace(config).decoding))
    }
    return try MemoryPlan(options, bases: bases)
  }

  /// The models whose config can be read, and why the others cannot be served.
  private func configs() -> (configs: [String: ModelConfig], refused: [String: EngineError]) {
    var configs: [String: ModelConfig] = [:]
    var refused: [String: EngineError] = [:]
    for (name, folder) in folders {
      do {
        configs[name] = try ModelConfig(path: "\(folder)/config.json")
      } catch {
        refused[name] = error.inFolder(folder)
      }
    }
    return (configs, refused)
  }
}
