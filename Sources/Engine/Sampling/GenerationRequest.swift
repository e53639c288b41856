/// How tokens are drawn. Names and meanings of `tinker-api.md` section 5.
package struct SamplingParameters: Sendable {
  package var maxTokens: Int = 128
  package var seed: UInt64 = 0
  /// Tokens that end a sequence (and are part of it).
  package var stopTokens: Set<Int32> = []
  /// 0 is argmax.
  package var temperature: Float = 1
  /// At most this many candidates; 0 or less is off.
  package var topK: Int = -1
  /// Smallest set of candidates with this mass; 1 is off.
  package var topP: Float = 1

  package init() {}

  /// - Throws: `invalidArgument` naming the parameter.
  package func validate() throws(EngineError) {
    guard maxTokens >= 0, maxTokens <= 1 << 20 else {
      throw .invalid("sampling_params.max_tokens", "must be 0...\(1 << 20), not \(maxTokens)")
    }
    guard temperature.isFinite, temperature >= 0 else {
      throw .invalid("sampling_params.temperature", "must be a number ≥ 0, not \(temperature)")
    }
    guard topP > 0, topP <= 1 else {
      throw .invalid("sampling_params.top_p", "must be in (0, 1], not \(topP)")
    }
    guard topK <= Int(Int32.max) else {
      throw .invalid("sampling_params.top_k", "must be at most \(Int32.max), not \(topK)")
    }
  }
}

/// A prompt to continue, or only to score.
package struct GenerationRequest {
  package var prompt: [Int32]
  package var adapter: Adapter?
  package var sampleCount = 1
  package var parameters = SamplingParameters()
  /// Log-probs of the prompt's tokens.
  package var wantsPromptLogprobs = false
  /// The k most likely tokens at each prompt position; 0 is off.
  package var topPromptLogprobs = 0
  /// Of both only those of the last n tokens of the prompt; nil for all.
  package var lastPromptLogprobs: Int?
  /// Tokens to score in place of those of the prompt.
  package var promptTargets: PromptTargets?
  /// The same for each sampled token, in the distribution of its temperature.
  package var topSampleLogprobs = 0
  /// Log-probs of sampled tokens in the model's own distribution beside those at the temperature.
  package var wantsModelLogprobs = false
  /// Decides after each token whether a sequence ends (stop strings; the engine knows no text).
  /// Called with the sample's index and its tokens so far.
  package var shouldStop: ((_ sample: Int, _ tokens: [Int32]) -> Bool)?
  /// Who shares pages and places with others like itself.
  package var tenant = ""
  /// Requests of one scope (a tenant and the exact weights) share pages of common prefixes; nil
  /// shares nothing.
  package var cacheScope: String?

  /// Whatever is to live as long as the request: who counts its memory keeps the account here.
  package var charge: AnyObject?

  package init(prompt: [Int32], adapter: Adapter? = nil) {
    self.prompt = prompt
    self.adapter = adapter
  }

  /// Largest k of the top-k log-probs and largest number of samples.
  package static let maxTopK = 64
  package static let maxSamples = 1024

  /// The first prompt token whose log-probs are wanted; the first of all follows nothing.
  var firstLogprob: Int {
    guard wantsPromptLogprobs || topPromptLogprobs > 0 else { return prompt.count }
    return max(prompt.count - (lastPromptLogprobs ?? prompt.count), 1)
  }

  /// - Throws: `invalidArgument` naming the field.
  func validate(_ config: ModelConfig) throws(EngineError) {
    try TrainingDatum.check(tokens: prompt, config: config, field: "prompt")
    try promptTargets?.validate(config, prompt: prompt.count)
    try parameters.validate()
    guard (1...Self.maxSamples).contains(sampleCount) else {
      throw .invalid("num_samples", "must be 1...\(Self.maxSamples), not \(sampleCount)")
    }
    let longest = prompt.count + parameters.maxTokens
    guard longest <= config.maxPositions else {
      throw .invalid(
        "sampling_params.max_tokens",
        "prompt (\(prompt.count)) and max_tokens (\(parameters.maxTokens)) exceed the model's "
          + "\(config.maxPositions) positions")
    }
    let limit = min(Self.maxTopK, config.vocabularySize)
    for (name, k) in [
      ("topk_prompt_logprobs", topPromptLogprobs), ("topk_sample_logprobs", topSampleLogprobs),
    ] where !(0...limit).contains(k) {
      throw .invalid(name, "must be 0...\(limit), not \(k)")
    }
  }
}

/// Tokens to score at positions of a prompt, row by row: those of row i in place of token i + 1.
package struct PromptTargets: Sendable {
  /// Where the tokens of each row begin, and their number.
  package let rowStarts: [Int]
  /// -1 asks for nothing.
  package let tokens: [Int32]

  package init(rowStarts: [Int], tokens: [Int32]) {
    self.rowStarts = rowStarts
    self.tokens = tokens
  }

  /// The cells of a row.
  func cells(_ row: Int) -> Range<Int> { rowStarts[row]..<rowStarts[row + 1] }

  /// Whether a row asks for anything.
  func asks(_ row: Int) -> Bool { tokens[cells(row)].contains { $0 >= 0 } }

  /// - Throws: `invalidArgument` naming the field.
  func validate(_ config: ModelConfig, prompt: Int) throws(EngineError) {
    let field = "target_prompt_logprobs"
    guard rowStarts.count == prompt else {
      throw .invalid(
        field,
        "needs \(prompt - 1) rows, one less than the prompt has tokens, not "
          + "\(rowStarts.count - 1)")
    }
    if let token = tokens.first(where: { !(-1..<Int32(config.vocabularySize)).contains($0) }) {
      throw .invalid(
        field, "\(token) is neither -1 nor a token: there are \(config.vocabularySize)")
    }
    guard tokens.contains(where: { $0 >= 0 }) else { throw .invalid(field, "names no token") }
  }
}

/// A token and its log-prob among the most likely of a position.
package struct TokenLogprob: Sendable, Equatable {
  package let token: Int32
  package let logprob: Float
}

/// One sampled continuation.
package struct GeneratedSequence: Sendable {
  package enum StopReason: Sendable { case stop, length }

  package internal(set) var tokens: [Int32] = []
  /// Log-probs of `tokens` at the temperature of the request: in softmax(logits / temperature) over
  /// the whole vocabulary, without top-k and top-p. At 0 those of the model's own distribution.
  package internal(set) var logprobs: [Float] = []
  /// The same at temperature 1, the model's own distribution; empty unless asked for.
  package internal(set) var modelLogprobs: [Float] = []
  /// Per token, likeliest first; empty unless asked for.
  package internal(set) var top: [[TokenLogprob]] = []
  /// Nil while the sequence is being decoded.
  package internal(set) var stopReason: StopReason?
}

/// The answer to a generation request.
package struct GenerationResult: Sendable {
  package internal(set) var sequences: [GeneratedSequence]
  /// Per prompt token; the first has none, nor have those that were not asked for.
  package internal(set) var promptLogprobs: [Float?]
  package internal(set) var topPromptLogprobs: [[TokenLogprob]]
  /// Of the tokens of `promptTargets`; 0 where nothing was asked for.
  package internal(set) var targetLogprobs: [Float] = []
  /// Prompt tokens whose keys and values were found in the cache.
  package internal(set) var cachedPromptTokens = 0
}
