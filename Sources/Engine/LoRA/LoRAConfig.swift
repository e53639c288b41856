/// Shape of an adapter: y += alpha / rank · B·A·x at every target (Hu et al., arXiv 2106.09685).
package struct LoRAConfig: Sendable, Equatable {
  package var rank: Int
  package var alpha: Float
  /// Seed of A's initial values (B starts at zero).
  package var seed: UInt64
  package var groups: Set<TargetGroup>

  /// Largest rank that is served.
  package static let maxRank = 512

  /// - Throws: `invalidArgument` naming `lora_config.rank`, `lora_config.alpha` or the targets.
  package init(
    rank: Int, alpha: Float = 32, seed: UInt64 = 0,
    groups: Set<TargetGroup> = Set(TargetGroup.allCases)
  ) throws(EngineError) {
    guard rank >= 1, rank <= Self.maxRank else {
      throw .invalid("lora_config.rank", "must be 1...\(Self.maxRank), not \(rank)")
    }
    guard alpha.isFinite, alpha > 0 else {
      throw .invalid("lora_config.alpha", "must be a positive number, not \(alpha)")
    }
    guard !groups.isEmpty else {
      throw .invalid(
        "lora_config", "at least one of train_attn, train_mlp, train_unembed must be set")
    }
    self.rank = rank
    self.alpha = alpha
    self.seed = seed
    self.groups = groups
  }
}
