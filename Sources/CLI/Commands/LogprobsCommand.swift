import ArgumentParser
import Engine
import Foundation

/// `tinsmith logprobs`: log-probs from the engine, with no service between. For the checks of
/// `Tools/verify.sh` against other software.
struct LogprobsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logprobs", abstract: "Scores token sequences with the engine.",
    shouldDisplay: false)

  @Option(help: "Hugging Face folder of the base model.") var base: String
  @Option(help: "PEFT folder of an adapter.") var adapter: String?
  @Option(help: "JSON file: lists of token ids.") var tokens: String
  @Option(help: "JSON file to write: lists of log-probs, null for each first token.") var out:
    String
  @Option(help: "Write the adapter again, to this folder.") var save: String?
  @Option(help: "Write the base with the adapter merged into it, to this folder.") var merged:
    String?
  @Option(help: "Compute threads.") var threads = ProcessInfo.processInfo.activeProcessorCount

  func validate() throws {
    if save != nil || merged != nil, adapter == nil {
      throw ValidationError("--save and --merged need --adapter")
    }
  }

  func run() throws {
    let sequences = try JSONDecoder().decode(
      [[Int32]].self, from: try Data(contentsOf: URL(fileURLWithPath: tokens)))
    let cache = FileManager.default.temporaryDirectory
      .appendingPathComponent("tinsmith-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: cache) }
    let (storage, kernels) = (FileStorage(), try Kernels(threads: threads))
    let model = try BaseModel(
      name: base, folder: base, cache: cache, storage: storage, kernels: kernels)
    let lora = try adapter.map { try AdapterFiles.read($0, model: model, kernels: kernels) }
    if let save, let lora {
      try storage.makeDirectory(save)
      try AdapterFiles.write(lora, base: base, to: save, storage: storage)
    }
    if let merged, let lora {
      try storage.makeDirectory(merged)
      try MergedModel.write(lora, model: model, to: merged, storage: storage, kernels: kernels)
    }
    let engine = TrainingEngine(
      model: model, kernels: kernels, arena: try Arena(bytes: 64 << 30))
    let rows = try sequences.enumerated().map { try score($1, "[\($0)]", lora, engine) }
    try JSONEncoder().encode(rows).write(to: URL(fileURLWithPath: out))
  }

  /// Log-probs of the tokens of one sequence; the first has none.
  private func score(
    _ tokens: [Int32], _ field: String, _ adapter: Adapter?, _ engine: TrainingEngine
  ) throws -> [Float?] {
    guard tokens.count > 1 else { return tokens.map { _ in nil } }
    let targets = tokens.dropFirst().map { Int64($0) }
    let loss = try LossFunction(name: "cross_entropy")
    let datum = try TrainingDatum(
      tokens: Array(tokens.dropLast()),
      inputs: [
        "target_tokens": LossInput(shape: [targets.count], values: .integers(targets)),
        "weights": LossInput(
          shape: [targets.count], values: .floats([Float](repeating: 1, count: targets.count))),
      ], loss: loss, config: engine.model.config, field: field)
    let request = TrainingRequest(adapter: adapter, data: [datum], loss: loss, accumulates: false)
    return [nil] + (try engine.run([request])[0].get().logprobs[0])
  }
}
