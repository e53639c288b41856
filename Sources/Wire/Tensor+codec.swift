internal import CProto

extension Tensor: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__Tensor>?) {
    tinsmith__v1__tensor__init(c)
  }

  init(_ c: Tinsmith__V1__Tensor, _ reader: Reader) throws(WireError) {
    guard let dtype = DType(rawValue: UInt32(c.dtype.rawValue)) else {
      throw WireError(.missing, "must be given", field: "dtype")
    }
    // A list as long as its bytes allow is not worth an array before it is refused.
    guard c.n_shape <= Limits.maxRank else {
      throw WireError(
        .outOfRange, "\(c.n_shape) dimensions, at most \(Limits.maxRank) allowed", field: "shape")
    }
    let shape = UnsafeBufferPointer(start: c.shape, count: c.n_shape).map { Int($0) }
    switch c.data_case {
    case TINSMITH__V1__TENSOR__DATA_RAW:
      try self.init(dtype: dtype, shape: shape, bytes: reader.bytes(c.raw))
    case TINSMITH__V1__TENSOR__DATA_ATTACHMENT:
      try self.init(dtype: dtype, shape: shape, bytes: try reader.attachment(c.attachment))
    case TINSMITH__V1__TENSOR__DATA_SPARSE:
      try reader.takeDense(Self.elementCount(shape))
      let csr: SparseBlobs = try reader.required(c.sparse, "sparse")
      do {
        let rows = try SparseRows(
          rowStarts: try csr.rowStarts.int64s("crow_indices"),
          columns: try csr.columns.int64s("col_indices"), values: csr.values.bytes,
          dtype: dtype, shape: shape)
        self.init(unchecked: dtype, shape: shape, storage: .sparse(rows))
      } catch {
        throw error.field == "shape" ? error : error.inside("sparse")
      }
    default:
      // An empty tensor may leave out its bytes: proto3 writers do not all keep an empty oneof.
      try self.init(dtype: dtype, shape: shape, bytes: .empty)
    }
  }

  func fill(_ c: inout Tinsmith__V1__Tensor, _ writer: Writer) {
    c.dtype = Tinsmith__V1__DType(rawValue: .init(dtype.rawValue))
    writer.fill(shape.map { Int64($0) }, &c.n_shape, &c.shape)
    switch storage {
    case .dense(let bytes):
      if let index = writer.attach(bytes) {
        c.data_case = TINSMITH__V1__TENSOR__DATA_ATTACHMENT
        c.attachment = index
      } else {
        c.data_case = TINSMITH__V1__TENSOR__DATA_RAW
        c.raw = writer.data(bytes)
      }
    case .sparse(let rows):
      c.data_case = TINSMITH__V1__TENSOR__DATA_SPARSE
      c.sparse = writer.message(
        SparseBlobs(
          rowStarts: Blob(Bytes(numbers: rows.rowStarts)),
          columns: Blob(Bytes(numbers: rows.columns)), values: Blob(rows.values)))
    }
  }
}

/// `SparseCsr` before its indices are checked.
private struct SparseBlobs: Coded {
  var rowStarts: Blob
  var columns: Blob
  var values: Blob

  init(rowStarts: Blob, columns: Blob, values: Blob) {
    self.rowStarts = rowStarts
    self.columns = columns
    self.values = values
  }

  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SparseCsr>?) {
    tinsmith__v1__sparse_csr__init(c)
  }

  init(_ c: Tinsmith__V1__SparseCsr, _ reader: Reader) throws(WireError) {
    rowStarts = try reader.required(c.crow_indices, "crow_indices")
    columns = try reader.required(c.col_indices, "col_indices")
    values = try reader.required(c.values, "values")
  }

  func fill(_ c: inout Tinsmith__V1__SparseCsr, _ writer: Writer) {
    c.crow_indices = writer.message(rowStarts)
    c.col_indices = writer.message(columns)
    c.values = writer.message(values)
  }
}

/// Bytes that travel in the body or as an attachment.
struct Blob: Coded {
  var bytes: Bytes

  init(_ bytes: Bytes) { self.bytes = bytes }

  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__Blob>?) {
    tinsmith__v1__blob__init(c)
  }

  init(_ c: Tinsmith__V1__Blob, _ reader: Reader) throws(WireError) {
    switch c.place_case {
    case TINSMITH__V1__BLOB__PLACE_ATTACHMENT: bytes = try reader.attachment(c.attachment)
    case TINSMITH__V1__BLOB__PLACE_RAW: bytes = reader.bytes(c.raw)
    default: bytes = .empty
    }
  }

  func fill(_ c: inout Tinsmith__V1__Blob, _ writer: Writer) {
    if let index = writer.attach(bytes) {
      c.place_case = TINSMITH__V1__BLOB__PLACE_ATTACHMENT
      c.attachment = index
    } else {
      c.place_case = TINSMITH__V1__BLOB__PLACE_RAW
      c.raw = writer.data(bytes)
    }
  }

  /// The bytes as int64 numbers.
  func int64s(_ name: String) throws(WireError) -> [Int64] {
    guard bytes.count % 8 == 0 else {
      throw WireError(.badAttachment, "\(bytes.count) bytes are not int64 numbers", field: name)
    }
    return bytes.numbers(Int64.self)
  }
}
