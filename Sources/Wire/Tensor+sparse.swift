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

  /// Number of cells that are there: all elements, or those that a sparse matrix stores.
  package var storedCount: Int { sparse?.columns.count ?? count }

  /// Where the cells of each row of a matrix begin, and their number (rows + 1).
  package var rowStarts: [Int] {
    if let sparse { return sparse.rowStarts.map { Int($0) } }
    return (0...shape[0]).map { $0 * shape[1] }
  }

  /// The cells that are there, row by row.
  ///
  /// - Throws: `WireError` as `int32s`.
  package func storedInt32s() throws(WireError) -> [Int32] {
    guard let sparse else { return try int32s() }
    return try Tensor(dtype: dtype, shape: [storedCount], bytes: sparse.values).int32s()
  }
}
