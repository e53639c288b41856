/// Which part of the model an adapter target belongs to, for `train_attn`, `train_mlp` and
/// `train_unembed`.
package enum TargetGroup: String, Sendable, CaseIterable {
  case attention, mlp, unembedding
}

/// One place where an adapter can sit: the name its tensors have in a PEFT file and the shape of
/// the frozen matrix beside it.
package struct AdapterSite: Sendable, Equatable {
  /// Index of the site in the model: adapters are lists in this order.
  package let index: Int
  /// Module path, for instance `model.layers.3.self_attn.q_proj` or `lm_head`.
  package let module: String
  package let group: TargetGroup
  package let inputs: Int
  package let outputs: Int
}

/// A frozen linear layer y = x · Wᵀ (+ the adapter's B·A of each segment of rows).
package struct Linear {
  package let weight: PackedMatrix
  package let site: AdapterSite

  func callAsFunction(_ x: Slot, _ pass: Pass) throws(EngineError) -> Slot {
    try pass.linear(x, self)
  }
}
