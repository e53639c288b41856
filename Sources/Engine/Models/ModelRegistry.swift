/// Hugging Face `model_type` → architecture: one line each.
enum ModelRegistry {
  typealias Make = @Sendable (inout ModelBuilder) throws(EngineError) -> Transformer

  static let architectures: [String: Make] = [
    "llama": makeLlama,
    "qwen3": makeQwen3,
  ]

  /// - Throws: `unimplemented` naming the type and those that are supported.
  static func architecture(_ modelType: String) throws(EngineError) -> Make {
    guard let make = architectures[modelType] else {
      let known = architectures.keys.sorted().joined(separator: ", ")
      throw EngineError(
        .unimplemented, "architecture \"\(modelType)\" is not supported (supported: \(known))",
        field: "config.model_type")
    }
    return make
  }
}
