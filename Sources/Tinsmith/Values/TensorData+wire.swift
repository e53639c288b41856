internal import Wire

extension TensorData {
  /// Estimated bytes on the wire.
  var byteCount: Int {
    let size =
      switch values {
      case .float32(let numbers): 4 * numbers.count
      case .int32(let numbers): 4 * numbers.count
      case .int64(let numbers): 8 * numbers.count
      }
    guard let sparse else { return size }
    return size + 8 * (sparse.rowStarts.count + sparse.columns.count)
  }

  /// The tensor as it travels.
  ///
  /// - Throws: `WireError` if shape, cells and numbers do not fit together.
  func wire() throws(WireError) -> Tensor {
    let flat =
      switch values {
      case .float32(let numbers): Tensor(numbers)
      case .int64(let numbers): Tensor(numbers)
      case .int32(let numbers): Tensor(numbers)
      }
    guard case .dense(let bytes) = flat.storage else { return flat }
    guard let sparse else { return try Tensor(dtype: flat.dtype, shape: shape, bytes: bytes) }
    return try Tensor(
      dtype: flat.dtype, shape: shape, rowStarts: sparse.rowStarts, columns: sparse.columns,
      cells: bytes)
  }

  /// A tensor from the wire; bfloat16 is widened.
  init(_ tensor: Tensor) throws(WireError) {
    if let rows = tensor.sparse {
      let cells = try Tensor(
        dtype: tensor.dtype, shape: [rows.columns.count], bytes: rows.values)
      self.init(
        sparse: SparseRows(rowStarts: rows.rowStarts, columns: rows.columns),
        cells: try Self.values(cells), shape: tensor.shape)
    } else {
      self.init(try Self.values(tensor), shape: tensor.shape)
    }
  }

  private static func values(_ tensor: Tensor) throws(WireError) -> Values {
    switch tensor.dtype {
    case .float32, .bfloat16: .float32(try tensor.floats())
    case .int64: .int64(try tensor.int64s())
    case .int32: .int32(try tensor.int32s())
    }
  }
}
