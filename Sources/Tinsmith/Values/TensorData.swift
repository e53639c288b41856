/// Numbers with a shape: an input or an output of a loss function.
///
/// Dense tensors hold all elements in row-major order. Sparse ones (two dimensions) hold the cells
/// that are not 0, row by row ("compressed sparse rows"); that is smaller for the (N, K) targets
/// and weights of a distillation, where most cells are empty.
public struct TensorData: Sendable, Hashable {
  /// The numbers, by element type.
  public enum Values: Sendable, Hashable {
    /// 32-bit floating-point numbers.
    case float32([Float])
    /// 64-bit integers.
    case int64([Int64])
    /// 32-bit integers.
    case int32([Int32])

    /// How many numbers there are.
    public var count: Int {
      switch self {
      case .float32(let numbers): numbers.count
      case .int64(let numbers): numbers.count
      case .int32(let numbers): numbers.count
      }
    }
  }

  /// Where the cells of a sparse tensor are.
  public struct SparseRows: Sendable, Hashable {
    /// Where each row's cells begin, and the number of cells: (rows + 1).
    public var rowStarts: [Int64]
    /// The column of each cell, increasing within a row.
    public var columns: [Int64]

    /// Positions of cells.
    public init(rowStarts: [Int64], columns: [Int64]) {
      self.rowStarts = rowStarts
      self.columns = columns
    }
  }

  /// The elements of a dense tensor, the cells of a sparse one.
  public var values: Values
  /// Dimensions, outermost first.
  public var shape: [Int]
  /// Where the cells are; nil if the tensor is dense.
  public var sparse: SparseRows?

  /// A dense tensor. Whether the shape fits is checked when it is sent.
  ///
  /// - Parameter shape: nil for a vector.
  public init(_ values: Values, shape: [Int]? = nil) {
    self.values = values
    self.shape = shape ?? [values.count]
  }

  /// A dense tensor of numbers, e.g. of `weights`.
  public init(_ numbers: [Float], shape: [Int]? = nil) {
    self.init(.float32(numbers), shape: shape)
  }

  /// A dense tensor of token ids, e.g. of `target_tokens`.
  public init(tokens: [Int32], shape: [Int]? = nil) { self.init(.int32(tokens), shape: shape) }

  /// A dense tensor of integers.
  public init(integers numbers: [Int64], shape: [Int]? = nil) {
    self.init(.int64(numbers), shape: shape)
  }

  /// A sparse tensor (rows, columns) from its cells. Whether they fit is checked when it is sent.
  public init(sparse rows: SparseRows, cells: Values, shape: [Int]) {
    values = cells
    self.shape = shape
    sparse = rows
  }

  /// Number of elements, those that a sparse tensor does not hold included.
  public var count: Int { shape.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue } }

  /// All elements as floating-point numbers, row by row; cells that are not held are 0.
  public var floats: [Float] {
    switch values {
    case .float32(let numbers): dense(numbers)
    case .int64(let numbers): dense(numbers.map { Float($0) })
    case .int32(let numbers): dense(numbers.map { Float($0) })
    }
  }

  /// All elements as integers, row by row; nil if they are floating-point numbers.
  public var integers: [Int64]? {
    switch values {
    case .float32: nil
    case .int64(let numbers): dense(numbers)
    case .int32(let numbers): dense(numbers.map { Int64($0) })
    }
  }

  /// Writes out the cells of a sparse tensor; those that lie outside of the shape are left out.
  private func dense<Number: Numeric>(_ cells: [Number]) -> [Number] {
    guard let sparse, shape.count == 2, count >= 0 else { return cells }
    var result = [Number](repeating: 0, count: count)
    for (row, (start, end)) in zip(sparse.rowStarts, sparse.rowStarts.dropFirst()).enumerated()
    where row < shape[0] && start >= 0 && end >= start {
      for cell in Int(start)..<Int(end) where cell < cells.count && cell < sparse.columns.count {
        let column = Int(sparse.columns[cell])
        if (0..<shape[1]).contains(column) { result[row * shape[1] + column] = cells[cell] }
      }
    }
    return result
  }
}
