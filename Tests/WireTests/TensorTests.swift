import Testing

@testable import Wire

@Suite struct TensorTests {
  /// The bytes of numbers at an address that is odd.
  private static func unaligned<Number: FixedWidthInteger & BitwiseCopyable>(_ numbers: [Number])
    -> Bytes
  {
    let bytes = Bytes(numbers: numbers).array
    let shifted = Bytes([0xff] + bytes)
    return shifted.withUnsafeBytes { buffer in
      Bytes(owner: Owner(shifted), pointer: buffer.baseAddress! + 1, count: bytes.count)
    }
  }

  private final class Owner {
    let bytes: Bytes
    init(_ bytes: Bytes) { self.bytes = bytes }
  }

  @Test func readsUnalignedMemory() throws {
    let floats: [Float] = [1.5, -2, .infinity, 1e-30]
    let tensor = try Tensor(
      dtype: .float32, shape: [2, 2], bytes: Self.unaligned(floats.map(\.bitPattern)))
    #expect(try tensor.floats() == floats)
    let integers: [Int64] = [.min, -1, 0, .max]
    let wide = try Tensor(dtype: .int64, shape: [4], bytes: Self.unaligned(integers))
    #expect(try wide.int64s() == integers)
    let narrow = try Tensor(dtype: .int32, shape: [3], bytes: Self.unaligned([Int32.min, 7, .max]))
    #expect(try narrow.int32s() == [.min, 7, .max])
    #expect(try narrow.int64s() == [Int64(Int32.min), 7, Int64(Int32.max)])
    let brain = try Tensor(
      dtype: .bfloat16, shape: [3], bytes: Self.unaligned([UInt16(0x3fc0), 0xc000, 0x7f80]))
    #expect(try brain.floats() == [1.5, -2, .infinity])
  }

  @Test func readsUnalignedAttachments() throws {
    var payload = ForwardBackwardRequest(data: [Samples.datum(300)], lossFn: "cross_entropy")
      .encode(inlineLimit: 0)
    let expected = try ForwardBackwardRequest.decode(payload)
    payload.attachments = payload.attachments.map { Self.unaligned($0.array) }
    let moved = try ForwardBackwardRequest.decode(payload)
    #expect(moved == expected)
    let weights = try #require(moved.data.first?.lossFnInputs["weights"])
    #expect(try weights.floats() == Samples.vector(301))
  }

  @Test func viewsAttachmentsInPlace() throws {
    let payload = PingRequest(payload: Bytes([UInt8](repeating: 1, count: 4096))).encode()
    let attachment = try #require(payload.attachments.first)
    let decoded = try PingRequest.decode(payload)
    let addresses = [attachment, decoded.payload].map { $0.withUnsafeBytes { $0.baseAddress } }
    #expect(addresses[0] == addresses[1])
  }

  @Test func copiesIntoBuffers() throws {
    let tensor = Tensor([Float](arrayLiteral: 1, 2, 3))
    var floats = [Float](repeating: 0, count: 3)
    try floats.withUnsafeMutableBufferPointer { buffer throws(WireError) in
      try tensor.copyFloats(into: buffer)
    }
    #expect(floats == [1, 2, 3])
    #expect(throws: WireError.self) {
      var short = [Float](repeating: 0, count: 2)
      try short.withUnsafeMutableBufferPointer { buffer throws(WireError) in
        try tensor.copyFloats(into: buffer)
      }
    }
    var numbers = [Int32](repeating: 0, count: 3)
    #expect(throws: WireError.self) {
      try numbers.withUnsafeMutableBufferPointer { buffer throws(WireError) in
        try tensor.copyInt32s(into: buffer)
      }
    }
    try numbers.withUnsafeMutableBufferPointer { buffer throws(WireError) in
      try Tensor([Int32](arrayLiteral: 4, 5, 6)).copyInt32s(into: buffer)
    }
    #expect(numbers == [4, 5, 6])
    var wide = [Int64](repeating: 0, count: 1)
    try wide.withUnsafeMutableBufferPointer { buffer throws(WireError) in
      try Tensor([Int64.max]).copyInt64s(into: buffer)
    }
    #expect(wide == [.max])
  }

  @Test func sparseWritesOutZeros() throws {
    let sparse = try #require(Samples.sparse)
    #expect(try sparse.floats() == [0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0])
    #expect(sparse.sparse?.columns == [1, 4, 0])
    #expect(sparse.count == 15)
  }

  @Test func wideSparseIsNotWrittenOut() throws {
    let shape = [1, Limits.maxDenseElements + 1]
    let rows = try SparseRows(
      rowStarts: [0, 0], columns: [], values: .empty, dtype: .float32, shape: shape)
    let tensor = Tensor(unchecked: .float32, shape: shape, storage: .sparse(rows))
    #expect(throws: WireError.self) { try tensor.floats() }
  }

  @Test func refusesOtherTypesAndNumbersThatDoNotFit() throws {
    #expect(throws: WireError.self) { try Tensor([Int64(1) << 31]).int32s() }
    #expect(try Tensor([Int64(1) << 30]).int32s() == [1 << 30])
    #expect(throws: WireError.self) { try Tensor([Float(1)]).int32s() }
    #expect(throws: WireError.self) { try Tensor([Float(1)]).int64s() }
    #expect(throws: WireError.self) { try Tensor([Int32(1)]).floats() }
  }

  @Test(arguments: [
    ([-1], 4), ([2], 4), ([2, 2], 15), ([Int.max, 2], 0), ([1 << 32, 1 << 32], 0), ([1 << 62], 0),
    ([1, 1, 1, 1, 1], 4), ([0, 1 << 40, 1 << 40], 0), ([0], 4), ([], 0),
  ])
  func refusesShape(_ shape: [Int], bytes: Int) {
    #expect(throws: WireError.self) {
      try Tensor(
        dtype: .float32, shape: shape, bytes: Bytes([UInt8](repeating: 0, count: bytes)))
    }
  }

  @Test func emptyAndScalarShapes() throws {
    #expect(try Tensor(dtype: .int64, shape: [0, 5], bytes: .empty).int64s() == [])
    let scalar = try Tensor(dtype: .int32, shape: [], bytes: Bytes([1, 0, 0, 0]))
    #expect(try scalar.int32s() == [1])
  }

  @Test(arguments: [
    ([0, 1], [5], "col_indices"), ([0, 1], [-1], "col_indices"), ([0, 2], [1, 1], "col_indices"),
    ([0, 2], [3, 1], "col_indices"), ([1, 1], [0], "crow_indices"), ([0, 2], [0], "crow_indices"),
    ([0], [], "crow_indices"), ([0, 0, 0], [], "crow_indices"), ([0, .max], [0], "crow_indices"),
    ([0, .min], [0], "crow_indices"), ([], [], "crow_indices"),
  ])
  func refusesSparseIndices(_ rowStarts: [Int64], _ columns: [Int64], _ field: String) {
    let error = #expect(throws: WireError.self) {
      try SparseRows(
        rowStarts: rowStarts, columns: columns,
        values: Bytes([UInt8](repeating: 0, count: columns.count * 4)), dtype: .int32,
        shape: [1, 5])
    }
    #expect(error?.field == field)
  }

  @Test func refusesDecreasingRows() {
    #expect(throws: WireError.self) {
      try SparseRows(
        rowStarts: [0, 2, 1, 3], columns: [0, 1, 2],
        values: Bytes([UInt8](repeating: 0, count: 12)),
        dtype: .int32, shape: [3, 5])
    }
  }
}
