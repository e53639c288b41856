/// Rounding of f32 values to the types that weights are stored in.
enum Narrowing {
  /// Rounds `values` to nearest, ties to even, into `output`, which is aligned for the type.
  ///
  /// - Returns: whether every result is finite.
  static func round(
    _ values: UnsafeBufferPointer<Float>, to type: TensorType, _ output: UnsafeMutableRawPointer
  ) throws(EngineError) -> Bool {
    var isFinite = true
    switch type {
    case .f32:
      let floats = output.assumingMemoryBound(to: Float.self)
      for (i, value) in values.enumerated() {
        floats[i] = value
        isFinite = isFinite && value.isFinite
      }
    case .f16:
      let halves = output.assumingMemoryBound(to: Float16.self)
      for (i, value) in values.enumerated() {
        halves[i] = Float16(value)
        isFinite = isFinite && halves[i].isFinite
      }
    case .bf16:
      let patterns = output.assumingMemoryBound(to: UInt16.self)
      for (i, value) in values.enumerated() {
        patterns[i] = bfloat16(value)
        isFinite = isFinite && patterns[i] & 0x7f80 != 0x7f80
      }
    default:
      throw EngineError(.unimplemented, "weights of type \(type.rawValue) cannot be written")
    }
    return isFinite
  }

  /// The upper half of the pattern, rounded by what the lower half holds; a NaN stays one.
  private static func bfloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    guard value.isFinite else { return UInt16(bits >> 16) | (value.isNaN ? 0x40 : 0) }
    return UInt16((bits + 0x7fff + (bits >> 16 & 1)) >> 16)
  }
}
