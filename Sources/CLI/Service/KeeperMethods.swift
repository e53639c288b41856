import Catalog
import Engine
import RPC
import Trainer
import Wire

/// What the keeper of a service answers besides the built-in methods.
enum KeeperMethods {
  /// The table for these models and the checkpoints of a data folder.
  ///
  /// - Throws: `EngineError` naming the model that cannot be served.
  static func table(_ models: ServedModels, dataFolder: String) throws -> MethodTable {
    let capabilities = try models.capabilities(version: ProductVersion.text)
    var table = MethodTable()
    table.answer(.adminCapabilities) { (_: CapabilitiesRequest, _) in capabilities }
    table.merge(CheckpointKeeper(dataFolder: dataFolder, storage: FileStorage()).methods)
    return table
  }
}
