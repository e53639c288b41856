/// A block of f32 rows in backend memory. Opaque: only kernels read or write the values.
/// Rows are `stride` floats apart and `width` floats long.
package struct Rows {
  package let pointer: UnsafeMutablePointer<Float>
  package let count: Int
  package let width: Int
  package let stride: Int

  package init(_ pointer: UnsafeMutablePointer<Float>, count: Int, width: Int, stride: Int? = nil) {
    self.pointer = pointer
    self.count = count
    self.width = width
    self.stride = stride ?? width
  }

  /// The rows `range` of this block.
  func slice(_ range: Range<Int>) -> Rows {
    Rows(pointer + range.lowerBound * stride, count: range.count, width: width, stride: stride)
  }

  /// The first `count` rows.
  func prefix(_ count: Int) -> Rows { slice(0..<count) }

  /// Number of values when rows are contiguous.
  var elements: Int { count * width }
}

/// A block of int32 values in backend memory (token ids, positions, row indices).
package struct Indices {
  package let pointer: UnsafeMutablePointer<Int32>
  package let count: Int
}
