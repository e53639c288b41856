/// How a worker process runs.
package struct TrainerConfiguration: Sendable {
  /// The router's endpoint for workers.
  package var routerEndpoint: String
  /// Unique in the installation; a restarted worker keeps its name.
  package var name: String
  package var dataFolder: String
  package var models: ServedModels
  /// Compute threads.
  package var threads = 1
  /// Address space of the KV cache per base model, touched on demand.
  package var kvCacheBytes = 1 << 30

  package init(
    routerEndpoint: String, name: String, dataFolder: String, models: ServedModels = ServedModels()
  ) {
    self.routerEndpoint = routerEndpoint
    self.name = name
    self.dataFolder = dataFolder
    self.models = models
  }
}
