/// Llama 2 and 3 (and models of the same form): rotary positions with optional llama3 scaling,
/// grouped-query attention, gated MLP.
func makeLlama(_ builder: inout ModelBuilder) throws(EngineError) -> Transformer {
  var blocks: [any TransformerBlock] = []
  for layer in 0..<builder.config.layers {
    blocks.append(try builder.preNormBlock(layer, headNorms: false))
  }
  return try builder.transformer(blocks)
}
