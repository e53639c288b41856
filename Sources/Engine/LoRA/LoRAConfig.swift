/// Shape of an adapter: y += scale · B·A·x at every target, with scale = alpha / rank
/// (Hu et al., arXiv 2106.09685).
package struct LoRAConfig: Sendable, Equatable {
  package var rank: Int
  package var alpha: Float
  /// scale = alpha / √rank instead (rsLoRA, Kalajdzievski, arXiv 2312.03732).
  package var isRankStabilized = false
  /// Ranks of modules that have another one, by module path; of an imported adapter.
  package var rankPattern: [String: Int] = [:]
  /// Alphas of modules that have another one, by module path; of an imported adapter.
  package var alphaPattern: [String: Float] = [:]
  /// Seed of A's initial values (B starts at zero).
  package var seed: UInt64
  package var groups: Set<TargetGroup>
  /// The modules of `groups` that have an adapter, by path or the end of it as in PEFT's
  /// `target_modules`; nil for all of them.
  package var targetModules: Set<String>?

  /// Largest rank that is served.
  package static let maxRank = 512

  /// - Throws: `invalidArgument` naming `lora.rank`, `lora.alpha` or the targets.
  package init(
    rank: Int, alpha: Float = 32, seed: UInt64 = 0,
    groups: Set<TargetGroup> = Set(TargetGroup.allCases)
  ) throws(EngineError) {
    guard rank >= 1, rank <= Self.maxRank else {
      throw .invalid("lora.rank", "must be 1...\(Self.maxRank), not \(rank)")
    }
    guard alpha.isFinite, alpha > 0 else {
      throw .invalid("lora.alpha", "must be a positive number, not \(alpha)")
    }
    guard !groups.isEmpty else {
      throw .invalid(
        "lora", "at least one of train_attn, train_mlp, train_unembed must be set")
    }
    self.rank = rank
    self.alpha = alpha
    self.seed = seed
    self.groups = groups
  }

  /// Whether a module of `groups` has an adapter.
  func targets(_ module: String) -> Bool {
    guard let targetModules else { return true }
    return PEFTName.ends(of: module).contains(where: targetModules.contains)
  }

  /// Rank of B·A at a module.
  func rank(of module: String) -> Int { rankPattern[module] ?? rank }

  /// Factor of B·A at a module.
  func scale(of module: String) -> Float {
    let (alpha, rank) = (alphaPattern[module] ?? alpha, rank(of: module))
    return isRankStabilized
      ? Float(Double(alpha) / Double(rank).squareRoot()) : alpha / Float(rank)
  }
}
