internal import CProto

/// The adapter to train.
package struct LoraConfig: Sendable, Equatable {
  /// Rank of the factors, at least 1.
  package var rank: Int
  /// The adapter's product is scaled by alpha / rank.
  package var alpha: Double
  /// Seed of the initial weights; nil derives it from the stream's name.
  package var seed: UInt64?
  /// Whether attention layers get an adapter.
  package var trainAttention: Bool
  /// Whether MLP layers get an adapter.
  package var trainMLP: Bool
  /// Whether the output head gets an adapter.
  package var trainUnembed: Bool

  /// A configuration; all layers are trained unless told otherwise.
  package init(
    rank: Int = 32, alpha: Double = 32, seed: UInt64? = nil, trainAttention: Bool = true,
    trainMLP: Bool = true, trainUnembed: Bool = true
  ) {
    self.rank = rank
    self.alpha = alpha
    self.seed = seed
    self.trainAttention = trainAttention
    self.trainMLP = trainMLP
    self.trainUnembed = trainUnembed
  }
}

extension LoraConfig: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__LoraConfig>?) {
    tinsmith__v1__lora_config__init(c)
  }

  init(_ c: Tinsmith__V1__LoraConfig, _ reader: Reader) throws(WireError) {
    rank = try Check.range(c.rank, 1...Limits.maxLoraRank, "rank")
    let hasAlpha =
      c.alpha_presence_case == TINSMITH__V1__LORA_CONFIG__ALPHA_PRESENCE_ALPHA
    alpha = try Check.number(
      hasAlpha ? c.alpha : 32, "alpha", "a number above 0 that float32 can hold"
    ) { Float($0) > 0 && Float($0).isFinite }
    let hasSeed = c.seed_presence_case == TINSMITH__V1__LORA_CONFIG__SEED_PRESENCE_SEED
    seed = hasSeed ? c.seed : nil
    trainAttention =
      c.train_attn_presence_case
      != TINSMITH__V1__LORA_CONFIG__TRAIN_ATTN_PRESENCE_TRAIN_ATTN || c.train_attn != 0
    trainMLP =
      c.train_mlp_presence_case
      != TINSMITH__V1__LORA_CONFIG__TRAIN_MLP_PRESENCE_TRAIN_MLP || c.train_mlp != 0
    trainUnembed =
      c.train_unembed_presence_case
      != TINSMITH__V1__LORA_CONFIG__TRAIN_UNEMBED_PRESENCE_TRAIN_UNEMBED || c.train_unembed != 0
  }

  func fill(_ c: inout Tinsmith__V1__LoraConfig, _ writer: Writer) {
    c.rank = UInt32(clamping: rank)
    c.alpha_presence_case = TINSMITH__V1__LORA_CONFIG__ALPHA_PRESENCE_ALPHA
    c.alpha = alpha
    if let seed {
      c.seed_presence_case = TINSMITH__V1__LORA_CONFIG__SEED_PRESENCE_SEED
      c.seed = seed
    }
    c.train_attn_presence_case = TINSMITH__V1__LORA_CONFIG__TRAIN_ATTN_PRESENCE_TRAIN_ATTN
    c.train_attn = trainAttention ? 1 : 0
    c.train_mlp_presence_case = TINSMITH__V1__LORA_CONFIG__TRAIN_MLP_PRESENCE_TRAIN_MLP
    c.train_mlp = trainMLP ? 1 : 0
    c.train_unembed_presence_case = TINSMITH__V1__LORA_CONFIG__TRAIN_UNEMBED_PRESENCE_TRAIN_UNEMBED
    c.train_unembed = trainUnembed ? 1 : 0
  }
}
