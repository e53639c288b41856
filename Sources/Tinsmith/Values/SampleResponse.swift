internal import Wire

/// A token and its log-prob.
public struct TokenLogprob: Sendable, Hashable {
  /// The token.
  public var token: Int32
  /// Its log-prob: of a prompt's position in the model's own distribution, of a sampled one in that
  /// of `SampledSequence.logprobs`.
  public var logprob: Float

  /// A token and its log-prob.
  public init(token: Int32, logprob: Float) {
    self.token = token
    self.logprob = logprob
  }
}

/// One sampled sequence.
public struct SampledSequence: Sendable, Hashable {
  /// Why a sequence ended.
  public enum StopReason: Sendable, Hashable {
    /// At an end token or at what `SamplingParams.stop` names.
    case stop
    /// At `maxTokens`, or at the end of the context.
    case length
  }

  /// The sampled tokens (n), with the one that it stopped on.
  public var tokens: [Int32]
  /// Their log-probs (n) at the temperature they were drawn at, in softmax(logits / temperature) over
  /// the whole vocabulary; `topK` and `topP` do not enter. At temperature 1 (and at 0, where nothing is
  /// drawn) what `forward` gives, bit for bit.
  public var logprobs: [Float]
  /// Their log-probs (n) in the model's own distribution, if asked for: what `forward` gives, bit for
  /// bit, whatever the temperature.
  public var modelLogprobs: [Float]?
  /// Why it ended.
  public var stopReason: StopReason
  /// The most probable tokens at each position, best first, if asked for.
  public var topKLogprobs: [[TokenLogprob]]?

  init(_ wire: Wire.SampledSequence) throws(WireError) {
    tokens = wire.tokens
    logprobs = wire.logprobs
    modelLogprobs = wire.modelLogprobs
    stopReason = wire.stopReason == .length ? .length : .stop
    topKLogprobs = try wire.topK?.rows()
  }
}

/// Answer to `sample`.
public struct SampleResponse: Sendable, Hashable {
  /// The sequences.
  public var sequences: [SampledSequence]
  /// The seed that was used.
  public var seed: UInt64
  /// The log-prob of each prompt token in the model's own distribution, if asked for; nil for the
  /// first, which follows nothing, and for those that were not asked for.
  public var promptLogprobs: [Float?]?
  /// The most probable tokens at each prompt position, if asked for; none for the first.
  public var topKPromptLogprobs: [[TokenLogprob]]?
  /// The log-probs of `targetPromptLogprobs`, if asked for: in its shape and with its cells; 0 where
  /// it has -1 or, if it is sparse, no cell.
  public var targetPromptLogprobs: TensorData?
  /// Prompt tokens that the service had in its cache. The one part of an answer that depends on
  /// what else was served.
  public var promptCacheHitTokens: Int

  /// - Parameter targets: the tokens that were to be scored at the prompt's positions.
  init(
    _ wire: Wire.SampleResponse, targets: TensorData? = nil, cacheHits: Int
  ) throws(WireError) {
    sequences = []
    for sequence in wire.sequences { sequences.append(try SampledSequence(sequence)) }
    seed = wire.seed
    promptLogprobs = try wire.promptLogprobs.map { tensor throws(WireError) in
      try tensor.optionalFloats()
    }
    topKPromptLogprobs = try wire.topKPromptLogprobs?.rows()
    if let targets, let answer = wire.targetPromptLogprobs {
      targetPromptLogprobs = targets
      targetPromptLogprobs?.values = .float32(try answer.floats())
    }
    promptCacheHitTokens = cacheHits
  }
}

extension Tensor {
  /// The elements, nil where they are NaN: log-probs of tokens that have none.
  func optionalFloats() throws(WireError) -> [Float?] { try floats().map { $0.isNaN ? nil : $0 } }
}

extension TopKLogprobs {
  /// Log-prob of a cell that holds no token.
  private static var empty: Float { -99999 }

  /// The cells that hold a token, position by position.
  func rows() throws(WireError) -> [[TokenLogprob]] {
    let (ids, values) = (try tokenIDs.int32s(), try logprobs.floats())
    guard ids.count == values.count, tokenIDs.shape.count == 2 else {
      throw WireError(.outOfRange, "token_ids and logprobs differ in size")
    }
    let width = tokenIDs.shape[1]
    return (0..<tokenIDs.shape[0]).map { row in
      (row * width..<(row + 1) * width).compactMap { cell in
        values[cell] == Self.empty ? nil : TokenLogprob(token: ids[cell], logprob: values[cell])
      }
    }
  }
}
