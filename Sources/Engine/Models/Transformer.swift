/// One layer of a model: `x` in, `x` out. An architecture file supplies it.
package protocol TransformerBlock {
  func callAsFunction(_ x: Slot, _ pass: Pass) throws(EngineError) -> Slot
}

/// A decoder-only transformer: embedding, blocks, final norm, output head.
package struct Transformer {
  let embedding: Embedding
  let blocks: [any TransformerBlock]
  let finalNorm: RMSNorm
  let head: OutputHead
  /// Attention geometry by layer: what a KV cache page holds.
  let attentionShapes: [AttentionShape]
  /// Every place where an adapter can sit, in the order of an adapter's tensors.
  package let sites: [AdapterSite]

  /// Final hidden states [rows, hidden], normed: the input of the head.
  func hidden(_ pass: Pass) throws(EngineError) -> Slot {
    var x = try embedding(pass)
    for (i, block) in blocks.enumerated() {
      x = try pass.scope(i, x) { (input) throws(EngineError) -> Slot in try block(input, pass) }
    }
    return try finalNorm(x, pass)
  }
}
