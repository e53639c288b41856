internal import Wire

/// How sequences are drawn.
public struct SamplingParams: Sendable, Hashable {
  /// Where a sequence ends besides its length. What it stopped on is part of the sequence.
  public enum Stop: Sendable, Hashable {
    /// At the model's end tokens.
    case endOfText
    /// Behind one of these texts.
    case strings([String])
    /// Behind one of these tokens.
    case tokens([Int32])
    /// Nowhere, not even at an end token.
    case never
  }

  /// Most tokens of a sequence; nil for as many as the context holds.
  public var maxTokens: Int?
  /// The same seed gives the same tokens. Nil derives one from the place of the request.
  public var seed: UInt64?
  /// Where a sequence ends.
  public var stop: Stop
  /// 0 takes the most probable token, 1 samples from the model's own distribution.
  public var temperature: Double
  /// Sample among the k most probable tokens; -1 for all.
  public var topK: Int
  /// Sample among the most probable tokens that together reach p.
  public var topP: Double

  /// Parameters of a request.
  public init(
    maxTokens: Int? = nil, seed: UInt64? = nil, stop: Stop = .endOfText, temperature: Double = 1,
    topK: Int = -1, topP: Double = 1
  ) {
    self.maxTokens = maxTokens
    self.seed = seed
    self.stop = stop
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
  }

  var wire: Wire.SamplingParams {
    let stop: Wire.SamplingParams.Stop =
      switch stop {
      case .endOfText: .modelDefault
      case .strings(let texts): .strings(texts)
      case .tokens(let ids): .tokens(ids)
      case .never: .tokens([])
      }
    return Wire.SamplingParams(
      maxTokens: maxTokens, seed: seed, stop: stop, temperature: temperature, topK: topK,
      topP: topP)
  }
}
