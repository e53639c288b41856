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
  /// - Throws: errors of `ModelConfig`, `WeightStore` and the architecture, naming file or key.
  package init(
    name: String, folder: String, cache: String, storage: any Storage, kernels: Kernels
  ) throws(EngineError) {
    self.name = name
    self.folder = folder
    config = try ModelConfig(path: "\(folder)/config.json")
    let make = try ModelRegistry.architecture(config.modelType)
    weights = try WeightStore(
      folder: folder, tied: config.tiesEmbeddings, cache: cache, storage: storage,
      kernels: kernels)
    var builder = ModelBuilder(config: config, weights: weights)
    transformer = try make(&builder)
  }

  /// The stored tensor that serves as `name`: a tied head is the embedding.
  func stored(_ name: String) -> StoredTensor? {
    weights.stored(
      config.tiesEmbeddings && name == "lm_head.weight" ? "model.embed_tokens.weight" : name)
  }

  package var sites: [AdapterSite] { transformer.sites }
  /// Geometry of a KV cache for this model, by layer.
  package var attentionShapes: [AttentionShape] { transformer.attentionShapes }
}
