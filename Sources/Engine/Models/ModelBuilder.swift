/// Builds a model's parts from a checkpoint: asks for weights by name, numbers the adapter sites.
/// One architecture is one function that fills this in.
struct ModelBuilder {
  let config: ModelConfig
  let weights: WeightStore
  private(set) var sites: [AdapterSite] = []
  let rotary: RotaryTable
  let attentionShape: AttentionShape

  init(config: ModelConfig, weights: WeightStore) {
    self.config = config
    self.weights = weights
    rotary = RotaryTable(
      headDimension: config.headDimension, positions: config.maxPositions,
      theta: config.ropeTheta, scaling: config.ropeScaling)
    attentionShape = AttentionShape(
      heads: config.heads, kvHeads: config.kvHeads, headDimension: config.headDimension)
  }

  mutating func linear(
    _ module: String, _ group: TargetGroup, outputs: Int, inputs: Int
  ) throws(EngineError) -> Linear {
    let weight = try weights.matrix("\(module).weight", outputs: outputs, inputs: inputs)
    return Linear(weight: weight, site: addSite(module, group, outputs: outputs, inputs: inputs))
  }

  private mutating func addSite(
    _ module: String, _ group: TargetGroup, outputs: Int, inputs: Int
  ) -> AdapterSite {
    let site = AdapterSite(
      index: sites.count, module: module, group: group, inputs: inputs, outputs: outputs)
    sites.append(site)
    return site
  }

  func norm(_ name: String, width: Int) throws(EngineError) -> RMSNorm {
    RMSNorm(
      weight: try weights.vector("\(name).weight", count: width), width: width,
      epsilon: config.normEpsilon)
  }

  /// Attention in Hugging Face names under `prefix`; `headNorms` asks for q_norm and k_norm.
  mutating func attention(
    _ prefix: String, layer: Int, headNorms: Bool
  ) throws(EngineError) -> SelfAttention {
    let shape = attentionShape
    let hidden = config.hiddenSize
    return SelfAttention(
      query: try linear(
        "\(prefix).q_proj", .attention, outputs: shape.queryWidth, inputs: hidden),
      key: try linear("\(prefix).k_proj", .attention, outputs: shape.keyWidth, inputs: hidden),
      value: try linear("\(prefix).v_proj", .attention, outputs: shape.valueWidth, inputs: hidden),
      output: try linear(
        "\(prefix).o_proj", .attention, outputs: hidden, inputs: shape.outputWidth),
      queryNorm: headNorms ? try norm("\(prefix).q_norm", width: config.headDimension) : nil,
      keyNorm: headNorms ? try norm("\(prefix).k_norm", width: config.headDimension) : nil,
      rotary: rotary, shape: shape, layer: layer)
  }

  mutating func gatedMLP(_ prefix: String) throws(EngineError) -> GatedMLP {
    let (hidden, inner) = (config.hiddenSize, config.intermediateSize)
    return GatedMLP(
      gate: try linear("\(prefix).gate_proj", .mlp, outputs: inner, inputs: hidden),
      up: try linear("\(prefix).up_proj", .mlp, outputs: inner, inputs: hidden),
      down: try linear("\(prefix).down_proj", .mlp, outputs: hidden, inputs: inner))
  }

  /// Layer `layer` in Hugging Face names.
  mutating func preNormBlock(_ layer: Int, headNorms: Bool) throws(EngineError) -> PreNormBlock {
    let prefix = "model.layers.\(layer)"
    return PreNormBlock(
      inputNorm: try norm("\(prefix).input_layernorm", width: config.hiddenSize),
      attention: try attention("\(prefix).self_attn", layer: layer, headNorms: headNorms),
      postNorm: try norm("\(prefix).post_attention_layernorm", width: config.hiddenSize),
      mlp: try gatedMLP("\(prefix).mlp"))
  }

  /// Wraps the blocks with embedding, final norm and head in Hugging Face names.
  mutating func transformer(_ blocks: [any TransformerBlock]) throws(EngineError) -> Transformer {
    let (hidden, vocabulary) = (config.hiddenSize, config.vocabularySize)
    let finalNorm = try norm("model.norm", width: hidden)
    let tied = weights.origin.isHeadTied
    let headWeight = try weights.matrix(
      tied ? TensorName.embedding : TensorName.head, outputs: vocabulary, inputs: hidden)
    let head = Linear(
      weight: headWeight,
      site: addSite("lm_head", .unembedding, outputs: vocabulary, inputs: hidden))
    let embedding: Embedding =
      tied
      ? .packed(headWeight)
      : try weights.table(TensorName.embedding, rows: vocabulary, width: hidden)
    rotary.fill()
    return Transformer(
      embedding: embedding, blocks: blocks, finalNorm: finalNorm, head: OutputHead(linear: head),
      attentionShapes: Array(repeating: attentionShape, count: config.layers), sites: sites)
  }
}
