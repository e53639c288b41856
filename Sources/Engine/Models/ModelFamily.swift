import JSON

/// A family of models: what its configs say, which tensors it has, how it is built.
struct ModelFamily: Sendable {
  /// `model_type`.
  let name: String
  /// The keys of its config class in transformers 5.24, with types and defaults.
  let fields: [String: ConfigField]
  /// Norms over the heads of queries and keys.
  let hasHeadNorms: Bool

  /// - Throws: `unimplemented` naming the type and those that are supported.
  static func named(_ modelType: String) throws(EngineError) -> ModelFamily {
    guard let family = all.first(where: { $0.name == modelType }) else {
      let known = all.map(\.name).joined(separator: ", ")
      throw EngineError(
        .unimplemented, "architecture \"\(modelType)\" is not supported (supported: \(known))",
        field: "config.model_type")
    }
    return family
  }

  private static let all = [llama, qwen3]

  /// Llama 2 and 3 (and models of the same form): rotary positions, grouped-query attention, gated
  /// MLP.
  private static let llama = ModelFamily(
    name: "llama",
    fields: common.merging([
      "vocab_size": ConfigField(.integer, 32000),
      "hidden_size": ConfigField(.integer, 4096),
      "intermediate_size": ConfigField(.integer, 11008),
      "num_hidden_layers": ConfigField(.integer, 32),
      "num_attention_heads": ConfigField(.integer, 32),
      "num_key_value_heads": ConfigField([.integer, .null]),
      "head_dim": ConfigField([.integer, .null]),
      "max_position_embeddings": ConfigField(.integer, 2048),
      "mlp_bias": ConfigField(.flag, false),
      "pretraining_tp": ConfigField([.integer, .null]),
      // Not Llama's, but transformers looks at it.
      "sliding_window": ConfigField([.integer, .null]),
    ]) { $1 },
    hasHeadNorms: false)

  /// Qwen3 dense: Llama's block with a norm over each head of the queries and keys before the
  /// rotary embedding.
  private static let qwen3 = ModelFamily(
    name: "qwen3",
    fields: common.merging([
      "vocab_size": ConfigField(.integer, 151936),
      "hidden_size": ConfigField(.integer, 4096),
      "intermediate_size": ConfigField(.integer, 22016),
      "num_hidden_layers": ConfigField(.integer, 32),
      "num_attention_heads": ConfigField(.integer, 32),
      "num_key_value_heads": ConfigField([.integer, .null], 32),
      "head_dim": ConfigField(.integer, 128),
      "max_position_embeddings": ConfigField(.integer, 32768),
      "use_sliding_window": ConfigField(.flag, false),
      "sliding_window": ConfigField([.integer, .null], 4096),
      "max_window_layers": ConfigField(.integer, 28),
    ]) { $1 },
    hasHeadNorms: true)

  private static let common: [String: ConfigField] = [
    "model_type": ConfigField(.text),
    "hidden_act": ConfigField(.text, "silu"),
    "rms_norm_eps": ConfigField(.float, .double(1e-6)),
    "tie_word_embeddings": ConfigField(.flag, false),
    "attention_bias": ConfigField(.flag, false),
    "rope_parameters": ConfigField([.table, .null]),
    "rope_scaling": ConfigField([.table, .null, .list]),
    "layer_types": ConfigField([.list, .null]),
    // These change nothing of what is computed here.
    "initializer_range": ConfigField(.float),
    "use_cache": ConfigField(.flag),
    "attention_dropout": ConfigField([.float, .integer]),
    "bos_token_id": ConfigField([.integer, .null]),
    "eos_token_id": ConfigField([.integer, .integers, .null]),
    "pad_token_id": ConfigField([.integer, .null]),
  ]

  /// Names and shapes of all tensors of a model, but for the output head of one that ties it.
  func tensors(_ config: ModelConfig) -> [String: [Int]] {
    let (hidden, inner) = (config.hiddenSize, config.intermediateSize)
    let query = config.heads * config.headDimension
    let key = config.kvHeads * config.headDimension
    var layer: [String: [Int]] = [
      "input_layernorm": [hidden], "post_attention_layernorm": [hidden],
      "self_attn.q_proj": [query, hidden], "self_attn.k_proj": [key, hidden],
      "self_attn.v_proj": [key, hidden], "self_attn.o_proj": [hidden, query],
      "mlp.gate_proj": [inner, hidden], "mlp.up_proj": [inner, hidden],
      "mlp.down_proj": [hidden, inner],
    ]
    if hasHeadNorms {
      layer["self_attn.q_norm"] = [config.headDimension]
      layer["self_attn.k_norm"] = [config.headDimension]
    }
    var tensors = [
      TensorName.embedding: [config.vocabularySize, hidden], "model.norm.weight": [hidden],
    ]
    for index in 0..<config.layers {
      for (name, shape) in layer { tensors["model.layers.\(index).\(name).weight"] = shape }
    }
    return tensors
  }

  /// Builds the transformer over a checkpoint's weights.
  func make(_ builder: inout ModelBuilder) throws(EngineError) -> Transformer {
    var blocks: [any TransformerBlock] = []
    for layer in 0..<builder.config.layers {
      blocks.append(try builder.preNormBlock(layer, headNorms: hasHeadNorms))
    }
    return try builder.transformer(blocks)
  }
}
