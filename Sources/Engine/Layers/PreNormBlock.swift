/// The block that Llama and most of its successors share: attention and MLP, each on a normed
/// input and added to the residual stream.
struct PreNormBlock: TransformerBlock {
  let inputNorm: RMSNorm
  let attention: SelfAttention
  let postNorm: RMSNorm
  let mlp: GatedMLP

  func callAsFunction(_ x: Slot, _ pass: Pass) throws(EngineError) -> Slot {
    let y = try pass.add(x, attention(inputNorm(x, pass), pass))
    return try pass.add(y, mlp(postNorm(y, pass), pass))
  }
}
