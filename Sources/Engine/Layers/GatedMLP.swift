/// Gated feed-forward layer: down(silu(gate(x)) · up(x)) (Shazeer, arXiv 2002.05202).
package struct GatedMLP {
  let gate, up, down: Linear

  func callAsFunction(_ x: Slot, _ pass: Pass) throws(EngineError) -> Slot {
    try down(pass.swiglu(gate: gate(x, pass), up: up(x, pass)), pass)
  }
}
