import CKernels

/// Rows that belong to one adapter (nil: the base model alone). The same adapter may appear in
/// several segments.
package struct Segment {
  package let rows: Range<Int>
  package let adapter: Adapter?

  package init(rows: Range<Int>, adapter: Adapter?) {
    self.rows = rows
    self.adapter = adapter
  }
}

/// The sequences of a batch in backend memory: which rows are which positions, and their pages.
package struct SequenceTable {
  let pointer: UnsafeMutablePointer<ck_sequence>
  let count: Int
}

/// How much of a pass is kept for backward.
package enum ScopePolicy {
  /// Nothing: scoring and decoding.
  case inference
  /// Every value.
  case keepAll
  /// Only the input of each block; backward runs the block again.
  case recompute
}

/// Where attention keeps keys and values.
enum KeyValueStore {
  /// Whole sequences: pages are scratch of the attention call.
  case scratch
  /// Paged cache, written before it is read.
  case cache(KVCache)
}

/// One run of rows through the model: the descriptor of the batch and the operations that layers
/// call. Layers contain their forward only; what is recorded here is undone by `Pass+Backward`.
package final class Pass {
  let kernels: Kernels
  let arena: Arena
  let tape: Tape
  let policy: ScopePolicy

  let tokens: Indices
  let positions: Indices
  let segments: [Segment]
  let sequences: SequenceTable
  let store: KeyValueStore

  var rows: Int { tokens.count }

  init(
    kernels: Kernels, arena: Arena, policy: ScopePolicy, batch: RowBatch, store: KeyValueStore
  ) throws(EngineError) {
    self.kernels = kernels
    self.arena = arena
    self.policy = policy
    self.store = store
    tape = Tape(arena: arena, isRecording: policy != .inference)
    tokens = try arena.indices(batch.tokens)
    positions = try arena.indices(batch.positions)
    segments = batch.segments
    sequences = try batch.sequenceTable(in: arena)
  }

  // MARK: Scopes

  /// Runs block `index` on `x`, keeping what the policy says.
  func scope(
    _ index: Int, _ x: Slot, _ body: (Slot) throws(EngineError) -> Slot
  ) throws(EngineError) -> Slot {
    if policy == .keepAll {
      tape.record(.scopeBegin(x))
      let y = try body(x)
      tape.record(.scopeEnd)
      return y
    }
    let state = tape[x]
    // Nothing reads a block's input again in inference: its output goes there.
    let kept =
      policy == .inference
      ? state.value : try arena.rows(state.value.count, state.value.width)
    let mark = arena.mark
    let count = tape.slots.count
    // What stands outside of scopes (the final norm) is recorded under either policy.
    tape.isRecording = false
    let y = try body(x)
    tape.isRecording = policy == .recompute
    kernels.copy(kept, tape[y].value)
    let needsGradient = tape[y].needsGradient
    tape.truncate(slots: count, operations: tape.operations.count)
    arena.reset(to: mark)
    let output = tape.slot(kept, needsGradient: needsGradient)
    if policy == .recompute {
      tape.operations.append(.recompute(block: index, input: x, output: output))
    }
    return output
  }

  // MARK: Operations (their backward: Pass+Backward.swift, in the same order)

  /// y = x · Wᵀ, then for each segment with an adapter here: u = scale · x·Aᵀ, and the chain of
  /// y continues over u·Bᵀ (numerics rule g).
  func linear(_ x: Slot, _ layer: Linear) throws(EngineError) -> Slot {
    let input = tape[x]
    let products = try adapterProducts(
      input.value, segments: segments, site: layer.site, kernels: kernels, arena: arena)
    let y = try tape.slot(
      rows, layer.weight.outputs, needsGradient: input.needsGradient || !products.isEmpty)
    let value = tape[y].value
    kernels.linear(value, input.value, layer.weight, accumulate: false)
    addAdapterProducts(products, to: value, kernels: kernels)
    tape.record(.linear(x: x, y: y, layer, products[...]))
    return y
  }

  func rmsNorm(_ x: Slot, _ norm: RMSNorm) throws(EngineError) -> Slot {
    let input = tape[x]
    let y = try tape.slot(rows, input.value.width, needsGradient: input.needsGradient)
    kernels.rmsNorm(tape[y].value, input.value, norm)
    tape.record(.rmsNorm(x: x, y: y, norm))
    return y
  }

  /// Rotates in place: the value before is never needed again.
  func rope(_ x: Slot, _ table: RotaryTable) {
    kernels.rope(tape[x].value, table, positions: positions, inverse: false)
    tape.record(.rope(x, table))
  }

  func attention(
    q: Slot, k: Slot, v: Slot, _ shape: AttentionShape, layer: Int
  ) throws(EngineError) -> Slot {
    let needs = tape[q].needsGradient || tape[k].needsGradient || tape[v].needsGradient
    let out = try tape.slot(rows, shape.outputWidth, needsGradient: needs)
    let keep = tape.isRecording
    let max = keep ? try arena.rows(rows, shape.heads) : nil
    let sum = keep ? try arena.rows(rows, shape.heads) : nil
    let mark = arena.mark
    let pages =
      switch store {
      case .scratch: try PagePool.scratch(shape, sequences, arena)
      case .cache(let cache): cache.pool(layer: layer)
      }
    kernels.writeKV(pages, tape[k].value, tape[v].value, sequences)
    kernels.attention(
      tape[out].value, max: max, sum: sum, tape[q].value, pages, sequences)
    arena.reset(to: mark)
    if let max, let sum {
      let saved = AttentionSaved(
        q: tape[q].value, k: tape[k].value, v: tape[v].value, out: tape[out].value, max: max,
        sum: sum)
      tape.record(.attention(q: q, k: k, v: v, out: out, saved, shape))
    }
    return out
  }

  func swiglu(gate: Slot, up: Slot) throws(EngineError) -> Slot {
    let needs = tape[gate].needsGradient || tape[up].needsGradient
    let y = try tape.slot(rows, tape[gate].value.width, needsGradient: needs)
    kernels.swiglu(tape[y].value, gate: tape[gate].value, up: tape[up].value)
    tape.record(.swiglu(gate: gate, up: up, y: y))
    return y
  }

  func add(_ a: Slot, _ b: Slot) throws(EngineError) -> Slot {
    let needs = tape[a].needsGradient || tape[b].needsGradient
    let y = try tape.slot(rows, tape[a].value.width, needsGradient: needs)
    kernels.add(tape[y].value, tape[a].value, tape[b].value)
    tape.record(.add(a: a, b: b, y: y))
    return y
  }
}
