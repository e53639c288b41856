/// What we read of a Hugging Face `config.json`. Both spellings are understood: the flat one
/// (`rope_theta`, `rope_scaling`) and that of transformers 5 (`rope_parameters`, `dtype`).
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
  package let tiesEmbeddings: Bool
  package let ropeTheta: Double
  package let ropeScaling: RotaryScaling

  private struct File: Decodable {
    var modelType: String?
    var hiddenSize: Int?
    var numHiddenLayers: Int?
    var numAttentionHeads: Int?
    var numKeyValueHeads: Int?
    var headDim: Int?
    var intermediateSize: Int?
    var vocabSize: Int?
    var maxPositionEmbeddings: Int?
    var rmsNormEps: Float?
    var tieWordEmbeddings: Bool?
    var ropeTheta: Double?
    var ropeScaling: Rope?
    var ropeParameters: Rope?
    var hiddenAct: String?
    var attentionBias: Bool?
    var mlpBias: Bool?
    var useSlidingWindow: Bool?
    var quantizationConfig: Ignored?
  }

  private struct Ignored: Decodable {}

  /// Cosines and sines of all positions: a gigabyte.
  private static let maxRotaryValues = 1 << 28
  private static let epsilons: ClosedRange<Float> = 1e-30...1

  /// A number of the file that is in a range, and so not NaN either.
  private static func number<Number: BinaryFloatingPoint & Sendable>(
    _ value: Number?, _ key: String, _ range: ClosedRange<Number>
  ) throws(EngineError) -> Number {
    guard let value, range.contains(value) else {
      let given = value.map { "\($0)" } ?? "absent"
      throw .invalid(
        "config.\(key)", "must be \(range.lowerBound) to \(range.upperBound), is \(given)")
    }
    return value
  }

  private struct Rope: Decodable {
    var ropeType: String?
    var type: String?
    var ropeTheta: Double?
    var factor: Float?
    var lowFreqFactor: Float?
    var highFreqFactor: Float?
    var originalMaxPositionEmbeddings: Int?
  }

  /// - Throws: `notFound`, `dataLoss` for a file that is not JSON, `unimplemented` for a feature
  ///   that the engine does not have, `invalidArgument` for values out of range; each names the
  ///   key.
  package init(path: String) throws(EngineError) {
    let file = try JSONFiles.read(File.self, path, "model config")
    func need(_ value: Int?, _ key: String, max: Int = 1 << 24) throws(EngineError) -> Int {
      guard let value, value >= 1, value <= max else {
        throw .invalid(
          "config.\(key)", "must be 1...\(max), is \(value.map(String.init) ?? "absent")")
      }
      return value
    }
    guard let modelType = file.modelType else {
      throw .invalid("config.model_type", "is absent")
    }
    self.modelType = modelType
    hiddenSize = try need(file.hiddenSize, "hidden_size")
    layers = try need(file.numHiddenLayers, "num_hidden_layers", max: 1024)
    heads = try need(file.numAttentionHeads, "num_attention_heads", max: 4096)
    kvHeads = try need(file.numKeyValueHeads ?? heads, "num_key_value_heads", max: heads)
    guard heads % kvHeads == 0 else {
      throw .invalid("config.num_key_value_heads", "does not divide num_attention_heads")
    }
    headDimension = try need(file.headDim ?? hiddenSize / heads, "head_dim", max: 1024)
    guard headDimension % 2 == 0 else {
      throw .invalid("config.head_dim", "must be even, is \(headDimension)")
    }
    intermediateSize = try need(file.intermediateSize, "intermediate_size")
    vocabularySize = try need(file.vocabSize, "vocab_size")
    maxPositions = try need(
      file.maxPositionEmbeddings, "max_position_embeddings", max: 1 << 20)
    guard maxPositions * headDimension <= Self.maxRotaryValues else {
      throw .invalid(
        "config.max_position_embeddings",
        "\(maxPositions) positions of \(headDimension) are more than \(Self.maxRotaryValues) values"
      )
    }
    normEpsilon = try Self.number(file.rmsNormEps ?? 1e-6, "rms_norm_eps", Self.epsilons)
    tiesEmbeddings = file.tieWordEmbeddings ?? false
    let rope = file.ropeParameters ?? file.ropeScaling
    ropeTheta = try Self.number(
      rope?.ropeTheta ?? file.ropeTheta ?? 10000, "rope_theta", 1...1e15)
    ropeScaling = try Self.scaling(rope)
    try Self.refuseUnsupported(file)
  }

  /// - Throws: `unimplemented` when no architecture of this name is registered.
  package func checkArchitecture() throws(EngineError) {
    _ = try ModelRegistry.architecture(modelType)
  }

  /// Values in the frozen weights.
  package var parameterCount: Int {
    let attention = (2 * heads + 2 * kvHeads) * headDimension * hiddenSize
    let block = attention + 3 * hiddenSize * intermediateSize + 2 * hiddenSize
    let embedding = vocabularySize * hiddenSize
    return layers * block + hiddenSize + (tiesEmbeddings ? 1 : 2) * embedding
  }

  /// Geometry of a KV cache, and bytes of the tables that are made of this.
  package var cacheGeometry: KVCache.Geometry {
    let shape = AttentionShape(heads: heads, kvHeads: kvHeads, headDimension: headDimension)
    return KVCache.Geometry(Array(repeating: shape, count: layers))
  }
  package var tableBytes: Int { maxPositions * headDimension * 4 }

  private static func scaling(_ rope: Rope?) throws(EngineError) -> RotaryScaling {
    guard let rope, let type = rope.ropeType ?? rope.type, type != "default" else { return .none }
    func factor(
      _ value: Float?, _ key: String, _ range: ClosedRange<Float>
    ) throws(EngineError) -> Float { try number(value, "rope_scaling.\(key)", range) }
    switch type {
    case "linear": return .linear(factor: try factor(rope.factor, "factor", 1...1e6))
    case "llama3":
      let low = try factor(rope.lowFreqFactor, "low_freq_factor", 1e-6...1e6)
      let high = try factor(rope.highFreqFactor, "high_freq_factor", low...1e6)
      let length = rope.originalMaxPositionEmbeddings
      guard high > low, let length, (1...1 << 24).contains(length) else {
        throw .invalid(
          "config.rope_scaling",
          "needs high_freq_factor above low_freq_factor and original_max_position_embeddings of "
            + "1...\(1 << 24)")
      }
      return .llama3(
        factor: try factor(rope.factor, "factor", 1...1e6), lowFactor: low, highFactor: high,
        originalLength: length)
    default:
      throw EngineError(
        .unimplemented,
        "rope scaling \"\(type)\" is not supported (scalings that depend on the length of the "
          + "sequence break the promise of equal bits)", field: "config.rope_scaling")
    }
  }

  private static func refuseUnsupported(_ file: File) throws(EngineError) {
    func refuse(_ key: String, _ what: String) -> EngineError {
      EngineError(.unimplemented, "\(what) is not supported", field: "config.\(key)")
    }
    if let act = file.hiddenAct, act != "silu" { throw refuse("hidden_act", "\"\(act)\"") }
    if file.attentionBias == true { throw refuse("attention_bias", "a bias in attention") }
    if file.mlpBias == true { throw refuse("mlp_bias", "a bias in the MLP") }
    if file.useSlidingWindow == true {
      throw refuse("use_sliding_window", "sliding-window attention")
    }
    if file.quantizationConfig != nil {
      throw refuse("quantization_config", "a quantised checkpoint")
    }
  }
}
