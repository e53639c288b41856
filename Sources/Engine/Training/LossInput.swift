/// A tensor of `loss_fn_inputs`: integers or floats, dense or in compressed sparse rows (a missing
/// cell is 0).
package struct LossInput: Sendable {
  package enum Values: Sendable {
    case floats([Float])
    case integers([Int64])

    var count: Int {
      switch self {
      case .floats(let values): values.count
      case .integers(let values): values.count
      }
    }
  }

  package let shape: [Int]
  package let values: Values

  package init(shape: [Int], values: Values) {
    self.shape = shape
    self.values = values
  }

  /// Dense form of a CSR matrix [rows, columns].
  ///
  /// - Throws: `invalidArgument` when row pointers or columns are out of order or range.
  package init(
    rows: Int, columns: Int, rowPointers: [Int64], columnIndices: [Int64], values: Values,
    field: String
  ) throws(EngineError) {
    guard rows >= 0, columns >= 1, rows <= 1 << 24, columns <= 1 << 16,
      rows * columns <= 1 << 26
    else { throw .invalid(field, "sparse shape [\(rows), \(columns)] is out of range") }
    guard rowPointers.count == rows + 1, rowPointers.first == 0,
      rowPointers.last == Int64(columnIndices.count), values.count == columnIndices.count,
      zip(rowPointers, rowPointers.dropFirst()).allSatisfy({ $0 <= $1 })
    else { throw .invalid(field, "sparse row pointers do not fit the shape or the values") }
    guard columnIndices.allSatisfy({ (0..<Int64(columns)).contains($0) }) else {
      throw .invalid(field, "a sparse column index is outside 0..<\(columns)")
    }
    shape = [rows, columns]
    func scatter<T: Numeric>(_ source: [T]) -> [T] {
      var dense = [T](repeating: 0, count: rows * columns)
      for row in 0..<rows {
        for i in Int(rowPointers[row])..<Int(rowPointers[row + 1]) {
          dense[row * columns + Int(columnIndices[i])] = source[i]
        }
      }
      return dense
    }
    switch values {
    case .floats(let source): self.values = .floats(scatter(source))
    case .integers(let source): self.values = .integers(scatter(source))
    }
  }
}
