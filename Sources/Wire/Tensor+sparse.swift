extension Tensor {
  /// A sparse matrix from its stored cells.
  ///
  /// - Throws: `WireError` naming the list that does not fit the shape.
  package init(
    dtype: DType, shape: [Int], rowStarts: [Int64], columns: [Int64], cells: Bytes
  ) throws(WireError) {
    _ = try Self.elementCount(shape)
    let rows = try SparseRows(
      rowStarts: rowStarts, columns: columns, values: cells, dtype: dtype, shape: shape)
    self.init(unchecked: dtype, shape: shape, storage: .sparse(rows))
  }
}
