import Engine
import Foundation
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
    let directory = URL(fileURLWithPath: folder)
    tokenizer = Result { () throws(TokenizerError) in try Tokenizer(directory: directory) }
    switch tokenizer {
    case .success(let tokenizer): endTokens = Set(tokenizer.eosTokenIds)
    case .failure: endTokens = Set(EndTokens(withoutTokenizer: directory).ids)
    }
    let warnings = model.warnings + Self.warnings(tokenizer, directory)
    for warning in warnings { worker.log.warning("base model \(name): \(warning)") }
  }

  /// What of a folder's tokenizer has no effect or cannot be used, in words.
  static func warnings(
    _ tokenizer: Result<Tokenizer, TokenizerError>, _ directory: URL
  ) -> [String] {
    switch tokenizer {
    case .success(let tokenizer): tokenizer.warnings
    case .failure(let error):
      [warning(noTokenizer: error)] + EndTokens(withoutTokenizer: directory).warnings
    }
  }

  /// What a model lacks without its tokenizer.
  private static func warning(noTokenizer error: TokenizerError) -> String {
    "the tokenizer cannot be read, so stop strings are refused: \(error.message)"
  }
}
