package import Engine

/// How a worker process runs.
package struct TrainerConfiguration: Sendable {
  /// The router's endpoint for workers.
  package var routerEndpoint: String
  /// Unique in the installation; a restarted worker keeps its name.
  package var name: String
  package var dataFolder: String
  package var models: ServedModels
  /// Models are recorded and recovered when their worker has ended; otherwise they are lost with it.
  package var keepsModels = true
  /// What checkpoints and records are written with.
  package var storage: any Storage = FileStorage()
  /// What tests make happen.
  package var failpoints = Failpoints.none
  /// Compute threads.
  package var threads = 1
  /// What it may use; without figures, what there is.
  package var memory = MemoryOptions()

  package init(
    routerEndpoint: String, name: String, dataFolder: String, models: ServedModels = ServedModels()
  ) {
    self.routerEndpoint = routerEndpoint
    self.name = name
    self.dataFolder = dataFolder
    self.models = models
  }
}
