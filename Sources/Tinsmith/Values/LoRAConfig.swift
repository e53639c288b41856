internal import Wire

/// The adapter that a model trains.
public struct LoRAConfig: Sendable, Hashable {
  /// Rank of the factors, at least 1.
  public var rank: Int
  /// The product of the factors is scaled by alpha / rank.
  public var alpha: Double
  /// Seed of the initial weights; nil derives one from the model's id.
  public var seed: UInt64?
  /// Whether the MLP layers have an adapter.
  public var trainMLP: Bool
  /// Whether the attention layers have an adapter.
  public var trainAttention: Bool
  /// Whether the output head has an adapter.
  public var trainUnembed: Bool

  /// An adapter; on all layers unless told otherwise.
  public init(
    rank: Int = 32, alpha: Double = 32, seed: UInt64? = nil, trainMLP: Bool = true,
    trainAttention: Bool = true, trainUnembed: Bool = true
  ) {
    self.rank = rank
    self.alpha = alpha
    self.seed = seed
    self.trainMLP = trainMLP
    self.trainAttention = trainAttention
    self.trainUnembed = trainUnembed
  }

  init(_ wire: Wire.LoraConfig) {
    self.init(
      rank: wire.rank, alpha: wire.alpha, seed: wire.seed, trainMLP: wire.trainMLP,
      trainAttention: wire.trainAttention, trainUnembed: wire.trainUnembed)
  }

  var wire: Wire.LoraConfig {
    Wire.LoraConfig(
      rank: rank, alpha: alpha, seed: seed, trainAttention: trainAttention, trainMLP: trainMLP,
      trainUnembed: trainUnembed)
  }
}
