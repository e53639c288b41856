import Engine
import Logging
import Tokenizers

/// A base model with everything that serves it on one worker.
final class LoadedBase {
  let model: Engine.BaseModel
  let engine: TrainingEngine
  /// The training requests under way.
  let run: TrainingRun
  let decoder: Decoder
  /// For stop strings.
  let tokenizer: Result<Tokenizer, TokenizerError>
  /// What ends an answer when a request does not say it.
  let endTokens: Set<Int32>

  init(
    name: String, folder: String, cache: String, worker: Worker
  ) throws(EngineError) {
    // A cache: whatever becomes of it costs time only.
    model = try Engine.BaseModel(
      name: name, folder: folder, cache: cache, storage: FileStorage(), kernels: worker.kernels)
    engine = TrainingEngine(model: model, kernels: worker.kernels, arena: worker.arena)
    run = TrainingRun(engine: engine)
    let pages = try KVCache(
      shapes: model.attentionShapes, bytes: worker.memory.plan.kvCache[name] ?? 0)
    decoder = Decoder(
      Generator(model: model, kernels: worker.kernels, arena: worker.arena, cache: pages),
      worker.statistics)
    let text = FolderTokenizer(folder)
    (tokenizer, endTokens) = (text.tokenizer, text.endTokens)
    let warnings = model.warnings + text.warnings
    for warning in warnings { worker.log.warning("base model \(name): \(warning)") }
  }
}
