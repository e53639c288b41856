import Catalog
import Engine
import RPC
import Trainer
import Wire

/// What the keeper of a service answers besides the built-in methods.
enum KeeperMethods {
  /// The table for these models and the checkpoints of a data folder.
  ///
  /// - Parameters:
  ///   - memory: of each worker, which decides how long sequences can be.
  ///   - configuration: of the router, which is to tell the keeper what sessions there are.
  /// - Throws: `EngineError` naming the model that cannot be served.
  static func table(
    _ models: ServedModels, memory: MemoryOptions, dataFolder: String,
    _ configuration: inout RouterConfiguration
  ) throws -> MethodTable {
    let capabilities = try models.capabilities(version: ProductVersion.text, memory: memory)
    var table = MethodTable()
    table.answer(.adminCapabilities) { (_: CapabilitiesRequest, _) in capabilities }
    let keeper = CheckpointKeeper(dataFolder: dataFolder, storage: FileStorage())
    configuration.sessionsAlive = { [weak keeper] in keeper?.sessionsAlive($0) }
    table.merge(keeper.methods)
    return table
  }
}
