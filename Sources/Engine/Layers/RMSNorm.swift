/// Root-mean-square norm: x · (1 / sqrt(mean(x²) + ε)) · w (Zhang & Sennrich, arXiv 1910.07467).
///
/// `weight` points into the mapped weights, `width` floats.
package struct RMSNorm {
  let weight: UnsafePointer<Float>
  let width: Int
  let epsilon: Float

  func callAsFunction(_ x: Slot, _ pass: Pass) throws(EngineError) -> Slot {
    try pass.rmsNorm(x, self)
  }
}
