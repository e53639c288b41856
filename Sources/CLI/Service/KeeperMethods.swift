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
  ///   - configuration: of the router, which is to tell the keeper of sessions, and clients what is
  ///     served.
  /// - Throws: `EngineError` when none of the models can be served, or the memory does not suffice.
  static func table(
    _ models: ServedModels, memory: MemoryOptions, dataFolder: String,
    _ configuration: inout RouterConfiguration
  ) throws -> MethodTable {
    configuration.capabilities = try models.capabilities(
      version: ProductVersion.text, memory: memory)
    let keeper = CheckpointKeeper(dataFolder: dataFolder, storage: FileStorage())
    configuration.sessionsAlive = { [weak keeper] in keeper?.sessionsAlive($0) }
    configuration.sessionBegins = keeper.sessionBegins
    configuration.sessionEnded = keeper.sessionEnded
    return keeper.methods
  }
}
