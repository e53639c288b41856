/// Adapters that were made elsewhere: a folder of PEFT becomes an adapter that trains on here.
package enum AdapterImport {
  /// Reads `adapter_config.json` and `adapter_model.safetensors`; the optimizer is cold.
  ///
  /// f32, f16 and bf16 are widened exactly. Any subset of the model's linear layers, ranks and
  /// alphas per module and rank-stabilised scaling are kept as they are; a saved embedding or head
  /// must equal the base's.
  ///
  /// - Parameter seed: for the adapter's config; nothing is drawn from it.
  /// - Throws: `notFound` when a file is absent; `invalidArgument` for one that is damaged, does
  ///   not fit the model or holds a value out of range; `unimplemented` for what an adapter of ours
  ///   cannot express. All name the file, setting or tensor.
  package static func read(
    _ folder: String, model: BaseModel, kernels: Kernels, seed: UInt64 = 0,
    admit: AdapterAdmission = { _ in nil }
  ) throws(EngineError) -> Adapter {
    do throws(EngineError) {
      return try AdapterFiles.read(
        folder, model: model, kernels: kernels, seed: seed, isTrained: true, isForeign: true,
        admit: admit)
    } catch {
      // What is damage in a file of ours is a wrong argument in one that was brought here; and
      // where it was put meanwhile concerns nobody.
      throw EngineError(
        error.code == .dataLoss ? .invalidArgument : error.code,
        error.message.replacing("\(folder)/", with: ""), field: error.field ?? "files",
        cause: error.cause)
    }
  }
}
