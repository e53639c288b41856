import CKernels

/// Head counts and options of an attention layer: the geometry of its pages.
package struct AttentionShape: Sendable {
  var raw: ck_attention_shape

  init(heads: Int, kvHeads: Int, headDimension: Int) {
    raw = ck_attention_shape(
      heads: Int32(heads), kv_heads: Int32(kvHeads), k_dim: Int32(headDimension),
      v_dim: Int32(headDimension), scale: Float(1 / Double(headDimension).squareRoot()),
      softcap: 0, window: 0)
  }

  var queryWidth: Int { Int(raw.heads * raw.k_dim) }
  var keyWidth: Int { Int(raw.kv_heads * raw.k_dim) }
  var valueWidth: Int { Int(raw.kv_heads * raw.v_dim) }
  var outputWidth: Int { Int(raw.heads * raw.v_dim) }
  var heads: Int { Int(raw.heads) }
  /// Floats that one page of positions takes in one layer.
  var pageFloats: Int { withUnsafePointer(to: raw) { Int(ck_page_floats($0)) } }
}

/// Grouped-query self-attention with rotary positions; query and key norms where the family has
/// them (Qwen3).
package struct SelfAttention {
  let query, key, value, output: Linear
  let queryNorm, keyNorm: RMSNorm?
  let rotary: RotaryTable
  let shape: AttentionShape
  let layer: Int

  func callAsFunction(_ x: Slot, _ pass: Pass) throws(EngineError) -> Slot {
    var q = try query(x, pass)
    var k = try key(x, pass)
    let v = try value(x, pass)
    if let queryNorm { q = try queryNorm(q, pass) }
    if let keyNorm { k = try keyNorm(k, pass) }
    pass.rope(q, rotary)
    pass.rope(k, rotary)
    return try output(pass.attention(q: q, k: k, v: v, shape, layer: layer), pass)
  }
}
