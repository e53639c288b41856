/// Qwen3 dense: Llama's block with a norm over each head of the queries and keys before the
/// rotary embedding.
func makeQwen3(_ builder: inout ModelBuilder) throws(EngineError) -> Transformer {
  var blocks: [any TransformerBlock] = []
  for layer in 0..<builder.config.layers {
    blocks.append(try builder.preNormBlock(layer, headNorms: true))
  }
  return try builder.transformer(blocks)
}
