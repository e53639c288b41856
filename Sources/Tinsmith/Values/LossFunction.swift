internal import Wire

/// A loss function of the service, by name.
///
/// All losses are sums over tokens and data. Below, p is the log-prob of the target token, q the
/// input `logprobs`, A `advantages`, w `weights` and r = exp(p − q).
public struct LossFunction: Sendable, Hashable, ExpressibleByStringLiteral {
  /// The name on the wire.
  public var name: String

  /// A loss that this version may not know; the service refuses what it does not know.
  public init(_ name: String) { self.name = name }

  /// A loss by name.
  public init(stringLiteral name: String) { self.name = name }

  /// −Σ w·p, of `target_tokens` and `weights`: (N), or (N, K) for K targets at each position.
  public static let crossEntropy: LossFunction = "cross_entropy"
  /// −Σ r·A, of `target_tokens`, `logprobs` and `advantages`.
  public static let importanceSampling: LossFunction = "importance_sampling"
  /// −Σ min(r·A, clamp(r)·A); options `clip_low_threshold`, `clip_high_threshold`.
  public static let ppo: LossFunction = "ppo"
  /// −Σ clamp(r)·p·A with the clamped ratio held constant; options as for `ppo`.
  public static let cispo: LossFunction = "cispo"
  /// −Σ (p·A − ½·β·(p − q)²); option `beta`.
  public static let dro: LossFunction = "dro"
  /// PPO with one ratio per sequence, over `sequence_ratio_mask`; options as for `ppo`.
  public static let gspo: LossFunction = "gspo"
}

/// Value of an option of a loss function.
public enum LossOption: Sendable, Hashable, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByStringLiteral
{
  /// A number, e.g. a threshold.
  case number(Double)
  /// A text.
  case text(String)

  /// A number.
  public init(floatLiteral value: Double) { self = .number(value) }
  /// A number.
  public init(integerLiteral value: Int) { self = .number(Double(value)) }
  /// A text.
  public init(stringLiteral value: String) { self = .text(value) }

  var wire: Wire.LossOption {
    switch self {
    case .number(let number): .number(number)
    case .text(let text): .text(text)
    }
  }
}
