/// A served base model: config, frozen weights and the transformer over them. Read-only and
/// shared by everything that runs on one compute thread.
package final class BaseModel {
  package let name: String
  package let folder: String
  package let config: ModelConfig
  package let transformer: Transformer
  /// Kept for its mappings, which the transformer's matrices point into.
  package let weights: WeightStore

  /// Loads the model in a Hugging Face folder, packing its weights on first use.
  ///
  /// - Throws: errors of `ModelConfig`, `StoredWeights` and `WeightStore`, naming file or key.
  package init(
    name: String, folder: String, cache: String, storage: any Storage, kernels: Kernels
  ) throws(EngineError) {
    self.name = name
    self.folder = folder
    config = try ModelConfig(path: "\(folder)/config.json")
    let stored = try StoredWeights(folder: folder, config: config)
    weights = try WeightStore(stored, cache: cache, storage: storage, kernels: kernels)
    var builder = ModelBuilder(config: config, weights: weights)
    transformer = try config.family.make(&builder)
  }

  /// The stored tensor that serves as `name`: a tied head is the embedding.
  func stored(_ name: String) -> StoredTensor? { weights.stored(name) }

  /// What is in the folder and has no effect, and where its files disagree, in words.
  package var warnings: [String] { config.warnings + weights.origin.warnings }

  package var sites: [AdapterSite] { transformer.sites }
  /// Geometry of a KV cache for this model, by layer.
  package var attentionShapes: [AttentionShape] { transformer.attentionShapes }
}
