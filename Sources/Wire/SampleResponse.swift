internal import CProto

/// Why a sequence ended.
package enum StopReason: UInt32, Sendable {
  /// Not ended; in PARTIAL events only.
  case none = 0
  /// A stop string, stop token or end token.
  case stop = 1
  /// max_tokens, or the end of the context.
  case length = 2
}

/// The k most probable tokens at each of n positions, best first.
package struct TopKLogprobs: Sendable, Equatable {
  /// int32 (n, k); 0 in an empty cell.
  package var tokenIDs: Tensor
  /// float32 (n, k); -99999 in an empty cell.
  package var logprobs: Tensor

  /// A table.
  package init(tokenIDs: Tensor, logprobs: Tensor) {
    self.tokenIDs = tokenIDs
    self.logprobs = logprobs
  }
}

extension TopKLogprobs: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__TopkLogprobs>?) {
    tinsmith__v1__topk_logprobs__init(c)
  }

  init(_ c: Tinsmith__V1__TopkLogprobs, _ reader: Reader) throws(WireError) {
    tokenIDs = try reader.required(c.token_ids, "token_ids")
    logprobs = try reader.required(c.logprobs, "logprobs")
    guard tokenIDs.shape.count == 2, tokenIDs.shape == logprobs.shape else {
      throw WireError(.outOfRange, "token_ids and logprobs need one shape (n, k)")
    }
  }

  func fill(_ c: inout Tinsmith__V1__TopkLogprobs, _ writer: Writer) {
    c.token_ids = writer.message(tokenIDs)
    c.logprobs = writer.message(logprobs)
  }
}

/// One sampled sequence.
package struct SampledSequence: Sendable, Equatable {
  /// Which of the num_samples this is.
  package var index: Int
  /// Why it ended.
  package var stopReason: StopReason
  /// The sampled tokens (n), a stop token included.
  package var tokens: [Int32]
  /// Their log-probs (n) at the temperature of the request.
  package var logprobs: [Float]
  /// The most probable tokens at each position, at that temperature, if asked for.
  package var topK: TopKLogprobs?
  /// Their log-probs (n) in the model's own distribution, if asked for.
  package var modelLogprobs: [Float]?

  /// A sequence.
  package init(
    index: Int = 0, stopReason: StopReason, tokens: [Int32], logprobs: [Float],
    topK: TopKLogprobs? = nil, modelLogprobs: [Float]? = nil
  ) {
    self.index = index
    self.stopReason = stopReason
    self.tokens = tokens
    self.logprobs = logprobs
    self.topK = topK
    self.modelLogprobs = modelLogprobs
  }
}

extension SampledSequence: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SampledSequence>?) {
    tinsmith__v1__sampled_sequence__init(c)
  }

  init(_ c: Tinsmith__V1__SampledSequence, _ reader: Reader) throws(WireError) {
    index = Int(c.index)
    guard let reason = StopReason(rawValue: UInt32(c.stop_reason.rawValue)) else {
      throw WireError(.unknownEnum, "unknown", field: "stop_reason")
    }
    stopReason = reason
    let tokens: Tensor = try reader.required(c.tokens, "tokens")
    do { self.tokens = try tokens.int32s() } catch { throw error.inside("tokens") }
    let logprobs: Tensor? = try reader.optional(c.logprobs, "logprobs")
    do { self.logprobs = try logprobs?.floats() ?? [] } catch { throw error.inside("logprobs") }
    topK = try reader.optional(c.topk_logprobs, "topk_logprobs")
    let model: Tensor? = try reader.optional(c.model_logprobs, "model_logprobs")
    do { modelLogprobs = try model?.floats() } catch { throw error.inside("model_logprobs") }
  }

  func fill(_ c: inout Tinsmith__V1__SampledSequence, _ writer: Writer) {
    c.index = UInt32(clamping: index)
    c.stop_reason = Tinsmith__V1__StopReason(rawValue: .init(stopReason.rawValue))
    c.tokens = writer.message(Tensor(tokens))
    c.logprobs = writer.message(Tensor(logprobs))
    c.topk_logprobs = writer.message(topK)
    c.model_logprobs = writer.message(modelLogprobs.map { Tensor($0) })
  }
}

/// Answer of `Sampling.Sample`, and a piece of it in PARTIAL events.
package struct SampleResponse: Sendable, Equatable {
  /// The sequences, in the order of their indices.
  package var sequences: [SampledSequence]
  /// The seed that was used.
  package var seed: UInt64
  /// float32 (prompt length) if asked for; the first is NaN.
  package var promptLogprobs: Tensor?
  /// n = prompt length, if asked for; the first row is empty cells.
  package var topKPromptLogprobs: TopKLogprobs?
  /// float32: of the request's `targetPromptLogprobs`, if asked for; in its shape, or of the stored
  /// cells of a sparse one in their order.
  package var targetPromptLogprobs: Tensor?

  /// An answer.
  package init(
    sequences: [SampledSequence], seed: UInt64, promptLogprobs: Tensor? = nil,
    topKPromptLogprobs: TopKLogprobs? = nil, targetPromptLogprobs: Tensor? = nil
  ) {
    self.sequences = sequences
    self.seed = seed
    self.promptLogprobs = promptLogprobs
    self.topKPromptLogprobs = topKPromptLogprobs
    self.targetPromptLogprobs = targetPromptLogprobs
  }
}

extension SampleResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SampleResponse>?) {
    tinsmith__v1__sample_response__init(c)
  }

  init(_ c: Tinsmith__V1__SampleResponse, _ reader: Reader) throws(WireError) {
    sequences = try reader.list(
      c.sequences, c.n_sequences, "sequences", limit: Limits.maxSamples)
    seed = c.seed
    promptLogprobs = try reader.optional(c.prompt_logprobs, "prompt_logprobs")
    topKPromptLogprobs = try reader.optional(c.topk_prompt_logprobs, "topk_prompt_logprobs")
    targetPromptLogprobs = try reader.optional(
      c.target_prompt_logprobs, "target_prompt_logprobs")
  }

  func fill(_ c: inout Tinsmith__V1__SampleResponse, _ writer: Writer) {
    writer.list(sequences, &c.n_sequences, &c.sequences)
    c.seed = seed
    c.prompt_logprobs = writer.message(promptLogprobs)
    c.topk_prompt_logprobs = writer.message(topKPromptLogprobs)
    c.target_prompt_logprobs = writer.message(targetPromptLogprobs)
  }
}
