/// Index of a value on the tape.
package struct Slot: Equatable {
  let index: Int
}

/// A value and, during backward, its gradient.
struct SlotState {
  var value: Rows
  /// Nil until the first consumer has written it.
  var gradient: Rows?
  /// False where nothing below can use a gradient: everything frozen is skipped.
  var needsGradient: Bool
}

/// What attention's backward reads: exactly what forward computed (numerics rule i).
struct AttentionSaved {
  let q, k, v, out, max, sum: Rows
}

/// A recorded operation. One value type and a switch over it: no closures, so what a step costs
/// is visible here.
enum Operation {
  case linear(x: Slot, y: Slot, Linear, ArraySlice<AdapterProduct>)
  case rmsNorm(x: Slot, y: Slot, RMSNorm)
  case rope(Slot, RotaryTable)
  case attention(q: Slot, k: Slot, v: Slot, out: Slot, AttentionSaved, AttentionShape)
  case swiglu(gate: Slot, up: Slot, y: Slot)
  case add(a: Slot, b: Slot, y: Slot)
  /// Start of a scope whose only outside input is the slot.
  case scopeBegin(Slot)
  /// End of a scope that kept its slots; everything between is on the tape.
  case scopeEnd
  /// A scope that kept only its input: backward runs the block again.
  case recompute(block: Int, input: Slot, output: Slot)
}

/// Record of a pass: its values and, when gradients are wanted, the operations that made them.
final class Tape {
  let arena: Arena
  /// Whether operations are recorded. Scoring and decoding only need the values.
  var isRecording: Bool
  private(set) var slots: [SlotState] = []
  var operations: [Operation] = []

  init(arena: Arena, isRecording: Bool) {
    self.arena = arena
    self.isRecording = isRecording
  }

  subscript(_ slot: Slot) -> SlotState {
    get { slots[slot.index] }
    _modify { yield &slots[slot.index] }
  }

  /// A new uninitialised value.
  func slot(_ rows: Int, _ width: Int, needsGradient: Bool) throws(EngineError) -> Slot {
    let value = try arena.rows(rows, width)
    return slot(value, needsGradient: needsGradient)
  }

  /// A value that lies in memory already.
  func slot(_ value: Rows, needsGradient: Bool) -> Slot {
    slots.append(SlotState(value: value, gradient: nil, needsGradient: needsGradient))
    return Slot(index: slots.count - 1)
  }

  /// Forgets slots and operations beyond the given counts.
  func truncate(slots slotCount: Int, operations operationCount: Int) {
    slots.removeSubrange(slotCount...)
    operations.removeSubrange(operationCount...)
  }

  func record(_ operation: @autoclosure () -> Operation) {
    if isRecording { operations.append(operation()) }
  }
}
