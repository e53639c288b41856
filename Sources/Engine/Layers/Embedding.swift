import CKernels

/// Where the input embedding is read from.
enum Embedding {
  /// Tied to the output head: rows are read at stride from its panels.
  case packed(PackedMatrix)
  /// A table of its own, read in place from the mapped safetensors file.
  case table(UnsafeRawPointer, ck_dtype, width: Int)

  func callAsFunction(_ pass: Pass) throws(EngineError) -> Slot {
    switch self {
    case .packed(let matrix):
      let slot = try pass.tape.slot(pass.rows, matrix.inputs, needsGradient: false)
      pass.kernels.gather(pass.tape[slot].value, packed: matrix, pass.tokens)
      return slot
    case .table(let pointer, let dtype, let width):
      let slot = try pass.tape.slot(pass.rows, width, needsGradient: false)
      pass.kernels.gather(pass.tape[slot].value, table: pointer, dtype, pass.tokens)
      return slot
    }
  }
}
