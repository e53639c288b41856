/// Backward: pops the tape. Gradients of shared inputs add in reverse order of the forward; where
/// nothing below needs a gradient the product is skipped.
extension Pass {
  /// Propagates `gradient` (of the slot `output`) to every adapter in the batch. Adapter gradients
  /// are added to each adapter's working block.
  func backward(from output: Slot, gradient: Rows, model: Transformer) throws(EngineError) {
    tape[output].gradient = gradient
    try popOperations(downTo: 0, model: model)
  }

  private func popOperations(downTo floor: Int, model: Transformer) throws(EngineError) {
    // Gradients inside a scope are freed at its start; marks of the open scopes.
    var marks: [Int] = []
    while tape.operations.count > floor {
      switch tape.operations.removeLast() {
      case .linear(let x, let y, let layer, let products):
        try linearBackward(x, y, layer, products)
      case .rmsNorm(let x, let y, let norm):
        guard let dy = tape[y].gradient, tape[x].needsGradient else { continue }
        let (dx, accumulate) = try gradient(of: x)
        kernels.rmsNormBackward(dx, dy, tape[x].value, norm, accumulate: accumulate)
      case .rope(let x, let table):
        guard let dx = tape[x].gradient else { continue }
        kernels.rope(dx, table, positions: positions, inverse: true)
      case .attention(let q, let k, let v, let out, let saved, let shape):
        guard let dOut = tape[out].gradient else { continue }
        let (dq, _) = try gradient(of: q)
        let (dk, _) = try gradient(of: k)
        let (dv, _) = try gradient(of: v)
        kernels.attentionBackward(
          dq: dq, dk: dk, dv: dv, dOut: dOut, saved, shape, sequences)
      case .swiglu(let gate, let up, let y):
        guard let dy = tape[y].gradient else { continue }
        let (dgate, _) = try gradient(of: gate)
        let (dup, _) = try gradient(of: up)
        kernels.swigluBackward(
          dgate, dup, dy, gate: tape[gate].value, up: tape[up].value)
      case .add(let a, let b, let y):
        addBackward(a, b, y)
      case .scopeEnd:
        marks.append(arena.mark)
      case .scopeBegin(let x):
        try closeScope(input: x, mark: marks.removeLast())
      case .recompute(let block, let input, let output):
        try recomputeBackward(block, input, output, model)
      }
    }
  }

  /// The gradient rows of a slot, and whether they hold something to add to.
  private func gradient(of slot: Slot) throws(EngineError) -> (Rows, accumulate: Bool) {
    if let existing = tape[slot].gradient { return (existing, true) }
    let value = tape[slot].value
    let fresh = try arena.rows(value.count, value.width)
    tape[slot].gradient = fresh
    return (fresh, false)
  }

  /// dx = dy·W, its chain continued by the adapters of each segment.
  private func linearBackward(
    _ x: Slot, _ y: Slot, _ layer: Linear, _ products: ArraySlice<AdapterProduct>
  ) throws(EngineError) {
    guard let dy = tape[y].gradient else { return }
    var dx: Rows?
    if tape[x].needsGradient {
      let (rows, accumulate) = try gradient(of: x)
      kernels.linearBackward(rows, dy, layer.weight, accumulate: accumulate)
      dx = rows
    }
    try adapterBackward(
      products, site: layer.site, x: tape[x].value, dy: dy, dx: dx, kernels: kernels,
      arena: arena)
  }

  /// Both inputs of a sum have the gradient of the sum. The rows are shared, not copied: every
  /// operation that adds to `a`'s gradient lies below the whole branch that reads `b`'s.
  private func addBackward(_ a: Slot, _ b: Slot, _ y: Slot) {
    guard let dy = tape[y].gradient else { return }
    for input in [a, b] where tape[input].needsGradient {
      if let existing = tape[input].gradient {
        kernels.add(existing, existing, dy)
      } else {
        tape[input].gradient = dy
      }
    }
  }

  /// Frees the gradients of a scope; its input's survives (moved below the mark if need be).
  private func closeScope(input: Slot, mark: Int) throws(EngineError) {
    guard let dx = tape[input].gradient, arena.isAllocated(dx.pointer, after: mark) else {
      arena.reset(to: mark)
      return
    }
    arena.reset(to: mark)
    let moved = try arena.rows(dx.count, dx.width)
    // The destination starts at or below the source: a forward move, as memmove does it.
    if moved.pointer != dx.pointer { kernels.copy(moved, dx) }
    tape[input].gradient = moved
  }

  /// Runs a block again with recording on, then pops what it recorded.
  private func recomputeBackward(
    _ block: Int, _ input: Slot, _ output: Slot, _ model: Transformer
  ) throws(EngineError) {
    guard let dy = tape[output].gradient else { return }
    let mark = arena.mark
    let slotCount = tape.slots.count
    let floor = tape.operations.count
    tape.isRecording = true
    let again = try model.blocks[block](input, self)
    tape.isRecording = false
    tape[again].gradient = dy
    try popOperations(downTo: floor, model: model)
    tape.truncate(slots: slotCount, operations: floor)
    try closeScope(input: input, mark: mark)
  }
}
