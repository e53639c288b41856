/// Element type of a tensor on the wire; numbers are little-endian.
package enum DType: UInt32, Sendable, CaseIterable, CustomStringConvertible {
  case float32 = 1
  case int64 = 2
  case int32 = 3
  case bfloat16 = 4

  /// Bytes of one element.
  package var size: Int {
    switch self {
    case .float32, .int32: 4
    case .int64: 8
    case .bfloat16: 2
    }
  }

  /// Lower-case name, as in messages to users.
  package var description: String {
    switch self {
    case .float32: "float32"
    case .int64: "int64"
    case .int32: "int32"
    case .bfloat16: "bfloat16"
    }
  }
}

/// A tensor as it travels: a view of bytes, dense or compressed sparse rows.
///
/// A decoded tensor is consistent: the length is shape × dtype, a sparse one's indices are in range
/// and sorted. The values themselves (token ids, NaN) are for the receiver to check.
package struct Tensor: Sendable, Equatable {
  /// The elements.
  package enum Storage: Sendable, Equatable {
    /// Row-major elements; any alignment.
    case dense(Bytes)
    /// Stored cells of a matrix.
    case sparse(SparseRows)
  }

  /// Element type.
  package let dtype: DType
  /// Dimensions, outermost first; empty for a scalar.
  package let shape: [Int]
  /// The elements.
  package let storage: Storage

  /// A tensor whose parts are known to agree; use `validated` for others.
  init(unchecked dtype: DType, shape: [Int], storage: Storage) {
    self.dtype = dtype
    self.shape = shape
    self.storage = storage
  }

  /// A dense tensor of little-endian elements.
  ///
  /// - Throws: `WireError` if the length is not shape × dtype.
  package init(dtype: DType, shape: [Int], bytes: Bytes) throws(WireError) {
    let count = try Self.elementCount(shape)
    guard count <= Int.max / dtype.size, bytes.count == count * dtype.size else {
      throw WireError(
        .badAttachment,
        "\(bytes.count) bytes, but shape \(shape) of \(dtype) needs \(count)"
          + " elements of \(dtype.size)")
    }
    self.init(unchecked: dtype, shape: shape, storage: .dense(bytes))
  }

  /// A dense vector of float32 (n).
  package init(_ values: [Float]) {
    self.init(
      unchecked: .float32, shape: [values.count],
      storage: .dense(values.withUnsafeBytes { Bytes(copying: $0) }))
  }

  /// A dense vector of int32 (n).
  package init(_ values: [Int32]) {
    self.init(
      unchecked: .int32, shape: [values.count],
      storage: .dense(values.withUnsafeBytes { Bytes(copying: $0) }))
  }

  /// A dense vector of int64 (n).
  package init(_ values: [Int64]) {
    self.init(
      unchecked: .int64, shape: [values.count],
      storage: .dense(values.withUnsafeBytes { Bytes(copying: $0) }))
  }

  /// The same elements in another shape; nil if the number of elements differs or it is sparse.
  package func reshaped(_ shape: [Int]) -> Tensor? {
    guard case .dense = storage, let count = try? Self.elementCount(shape), count == self.count
    else { return nil }
    return Tensor(unchecked: dtype, shape: shape, storage: storage)
  }

  /// Number of elements, those that a sparse tensor does not store included.
  package var count: Int { shape.reduce(1, *) }

  /// The stored cells, if this is a sparse tensor.
  package var sparse: SparseRows? {
    guard case .sparse(let rows) = storage else { return nil }
    return rows
  }

  /// Product of the dimensions.
  ///
  /// - Throws: `WireError` for a negative dimension, too many, or an overflow.
  static func elementCount(_ shape: [Int]) throws(WireError) -> Int {
    guard shape.count <= Limits.maxRank else {
      throw WireError(
        .outOfRange, "\(shape.count) dimensions, at most \(Limits.maxRank) allowed", field: "shape")
    }
    guard shape.allSatisfy({ $0 >= 0 }) else {
      throw WireError(.outOfRange, "\(shape) has a negative dimension", field: "shape")
    }
    var product = 1
    // The dimensions that are not 0, too: a tensor with none of its elements must not claim others.
    for dimension in shape where dimension > 0 {
      let (next, overflows) = product.multipliedReportingOverflow(by: dimension)
      guard !overflows, next <= Int.max / 8 else {
        throw WireError(.outOfRange, "\(shape) has too many elements", field: "shape")
      }
      product = next
    }
    return shape.contains(0) ? 0 : product
  }
}

/// The stored cells of a sparse matrix (rows, columns), row by row; all others are 0.
package struct SparseRows: Sendable, Equatable {
  /// Where each row's cells begin (rows + 1); the first is 0, the last the number of cells.
  package let rowStarts: [Int64]
  /// Column of each cell, increasing within a row.
  package let columns: [Int64]
  /// Values of the cells, of the tensor's dtype; any alignment.
  package let values: Bytes

  /// Cells of a matrix of `shape` (rows, columns).
  ///
  /// - Throws: `WireError` naming the list that is wrong.
  package init(
    rowStarts: [Int64], columns: [Int64], values: Bytes, dtype: DType, shape: [Int]
  ) throws(WireError) {
    _ = try Tensor.elementCount(shape)
    guard shape.count == 2 else {
      throw WireError(
        .outOfRange, "a sparse tensor has 2 dimensions, not \(shape.count)",
        field: "shape")
    }
    guard rowStarts.count - 1 == shape[0] else {
      throw WireError(
        .badAttachment, "\(rowStarts.count) numbers for \(shape[0]) rows", field: "crow_indices")
    }
    guard values.count == columns.count * dtype.size else {
      throw WireError(
        .badAttachment, "\(values.count) bytes for \(columns.count) cells of \(dtype)",
        field: "values")
    }
    guard rowStarts.first == 0, rowStarts.last == Int64(columns.count) else {
      throw WireError(
        .outOfRange, "must begin with 0 and end with the number of cells", field: "crow_indices")
    }
    for row in 0..<shape[0] where rowStarts[row] > rowStarts[row + 1] {
      throw WireError(.outOfRange, "must not decrease (row \(row))", field: "crow_indices")
    }
    for row in 0..<shape[0] {
      var previous: Int64 = -1
      for column in columns[Int(rowStarts[row])..<Int(rowStarts[row + 1])] {
        guard column > previous, column < shape[1] else {
          throw WireError(
            .outOfRange,
            "row \(row) has column \(column), which is not below \(shape[1]) or does"
              + " not follow \(previous)", field: "col_indices")
        }
        previous = column
      }
    }
    self.rowStarts = rowStarts
    self.columns = columns
    self.values = values
  }
}
