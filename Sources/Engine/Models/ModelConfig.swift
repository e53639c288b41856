import JSON

/// What a Hugging Face `config.json` says of a model, as transformers 5 reads it: both spellings
/// (`rope_theta` and `rope_scaling`; `rope_parameters`), defaults by `model_type`, and only values of
/// the declared types.
package struct ModelConfig: Sendable {
  package let modelType: String
  package let hiddenSize: Int
  package let layers: Int
  package let heads: Int
  package let kvHeads: Int
  package let headDimension: Int
  package let intermediateSize: Int
  package let vocabularySize: Int
  /// Longest sequence served.
  package let maxPositions: Int
  package let normEpsilon: Float
  /// What the config says; the tensors decide (`StoredWeights.isHeadTied`).
  package let tiesEmbeddings: Bool
  package let ropeTheta: Double
  package let ropeScaling: RotaryScaling
  /// What is in the file and has no effect, in words.
  package let warnings: [String]
  let family: ModelFamily

  /// Cosines and sines of all positions: a gigabyte.
  private static let maxRotaryValues = 1 << 28

  /// - Throws: `notFound`, `dataLoss` for a file that is not JSON, `unimplemented` for a feature
  ///   that the engine does not have, `invalidArgument` for values of another type or out of range;
  ///   each names the key.
  package init(path: String) throws(EngineError) {
    let object = try JSONFiles.object(path)
    guard let type = object["model_type"] else { throw .invalid("config.model_type", "is absent") }
    guard let modelType = type.string else {
      throw .invalid("config.model_type", "must be a text, is \(type.text.prefix(40))")
    }
    family = try ModelFamily.named(modelType)
    let table = try ConfigTable(object, fields: family.fields)
    func need(_ key: String, max: Int = 1 << 24) throws(EngineError) -> Int {
      try table.integer(key, 1...max)
    }
    self.modelType = modelType
    hiddenSize = try need("hidden_size")
    layers = try need("num_hidden_layers", max: 1024)
    heads = try need("num_attention_heads", max: 4096)
    guard hiddenSize % heads == 0 || modelType != "llama" else {
      throw .invalid(
        "config.num_attention_heads", "\(heads) do not divide hidden_size \(hiddenSize)")
    }
    func isNull(_ key: String) -> Bool { table[key]?.isNull ?? true }
    kvHeads =
      isNull("num_key_value_heads") ? heads : try need("num_key_value_heads", max: heads)
    guard heads % kvHeads == 0 else {
      throw .invalid("config.num_key_value_heads", "does not divide num_attention_heads")
    }
    headDimension = isNull("head_dim") ? hiddenSize / heads : try need("head_dim", max: 1024)
    guard headDimension % 2 == 0, headDimension > 0 else {
      throw .invalid("config.head_dim", "must be even, is \(headDimension)")
    }
    intermediateSize = try need("intermediate_size")
    vocabularySize = try need("vocab_size")
    maxPositions = try need("max_position_embeddings", max: 1 << 20)
    guard maxPositions * headDimension <= Self.maxRotaryValues else {
      throw .invalid(
        "config.max_position_embeddings",
        "\(maxPositions) positions of \(headDimension) are more than \(Self.maxRotaryValues) values"
      )
    }
    normEpsilon = Float(try table.number("rms_norm_eps", 1e-30...1))
    tiesEmbeddings = table.flag("tie_word_embeddings")
    let rope = try RopeTable(table, maxPositions: maxPositions)
    ropeTheta = rope.theta
    ropeScaling = rope.scaling
    try Self.refuseUnsupported(table, layers: layers)
    let ignored = table.undeclared.filter { !Self.harmless.contains($0) }
    let keys = ignored.prefix(8).joined(separator: ", ") + (ignored.count > 8 ? ", …" : "")
    warnings =
      rope.warnings
      + (ignored.isEmpty ? [] : ["config.json: a \(modelType) model does not read \(keys)"])
  }

  /// Values in the frozen weights.
  package var parameterCount: Int {
    family.tensors(self).values.reduce(tiesEmbeddings ? 0 : vocabularySize * hiddenSize) {
      $0 + $1.reduce(1, *)
    }
  }

  /// Geometry of a KV cache, and bytes of the tables that are made of this.
  package var cacheGeometry: KVCache.Geometry {
    let shape = AttentionShape(heads: heads, kvHeads: kvHeads, headDimension: headDimension)
    return KVCache.Geometry(Array(repeating: shape, count: layers))
  }
  package var tableBytes: Int { maxPositions * headDimension * 4 }

  /// Keys that families do not declare and that change nothing of what is computed: who wrote the
  /// file and how, what is read elsewhere, settings of generation and of other tasks.
  private static let harmless: Set<String> = [
    "_attn_implementation_autoset", "_commit_hash", "_name_or_path", "add_cross_attention",
    "architectures", "attn_implementation", "auto_map", "bad_words_ids", "begin_suppress_tokens",
    "chunk_size_feed_forward", "cross_attention_hidden_size", "decoder_start_token_id",
    "diversity_penalty", "do_sample", "dtype", "early_stopping", "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id",
    "forced_eos_token_id", "head_dim", "id2label", "is_causal", "is_decoder", "is_encoder_decoder",
    "label2id",
    "length_penalty", "max_length", "max_window_layers", "min_length", "mlp_bias", "name_or_path",
    "no_repeat_ngram_size", "num_beam_groups", "num_beams", "num_labels", "num_return_sequences",
    "original_max_position_embeddings", "output_attentions", "output_hidden_states",
    "output_scores", "partial_rotary_factor", "prefix", "pretraining_tp", "problem_type",
    "pruned_heads", "quantization_config", "remove_invalid_values", "repetition_penalty",
    "return_dict", "return_dict_in_generate", "rope_theta", "sep_token_id", "suppress_tokens",
    "task_specific_params", "temperature", "tf_legacy_loss", "tie_encoder_decoder",
    "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript", "transformers_version",
    "typical_p", "unsloth_fixed", "unsloth_version", "use_bfloat16",
  ]

  /// Types of weights that transformers makes models of.
  private static let dtypes: Set<String> = [
    "auto", "bfloat16", "float", "float16", "float32", "float64", "double", "half",
  ]

  private static func refuseUnsupported(
    _ table: ConfigTable, layers: Int
  ) throws(EngineError) {
    func refuse(_ key: String, _ what: String) -> EngineError {
      EngineError(.unimplemented, "\(what) is not supported", field: "config.\(key)")
    }
    let act = table["hidden_act"]?.string ?? ""
    if act != "silu", act != "swish" { throw refuse("hidden_act", "\"\(act)\"") }
    if table.flag("attention_bias") { throw refuse("attention_bias", "a bias in attention") }
    if let bias = table["mlp_bias"]?.bool, bias { throw refuse("mlp_bias", "a bias in the MLP") }
    if table["is_causal"]?.bool == false { throw refuse("is_causal", "attention to what follows") }
    for (key, what) in [
      ("quantization_config", "a quantised checkpoint"),
      ("per_layer_config", "a config of its own for a layer"),
      ("transformers_weights", "another name of the weights' file"),
    ] {
      if let value = table[key], !value.isNull { throw refuse(key, what) }
    }
    if let dtype = table["dtype"]?.string, !dtypes.contains(dtype) {
      throw refuse("dtype", "\"\(dtype)\"")
    }
    try checkLayerTypes(table, layers: layers)
  }

  /// All layers attend to everything before them, by `layer_types` or by what Qwen says instead.
  private static func checkLayerTypes(_ table: ConfigTable, layers: Int) throws(EngineError) {
    guard let types = table["layer_types"]?.array else {
      let windowed = max(0, layers - (table["max_window_layers"]?.int ?? layers))
      if table.flag("use_sliding_window"), table["sliding_window"]?.isNull == false, windowed > 0 {
        throw EngineError(
          .unimplemented, "sliding-window attention (in \(windowed) layers) is not supported",
          field: "config.use_sliding_window")
      }
      return
    }
    guard types.count == layers else {
      throw .invalid(
        "config.layer_types", "lists \(types.count) layers, num_hidden_layers says \(layers)")
    }
    for type in types where type.string != "full_attention" && type.string != "attention" {
      throw EngineError(
        .unimplemented, "a layer of type \(type.text.prefix(40)) is not supported",
        field: "config.layer_types")
    }
  }
}
