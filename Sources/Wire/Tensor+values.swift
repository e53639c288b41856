extension Tensor {
  /// The elements as float32: of a float32 tensor as they are, of a bfloat16 tensor widened.
  ///
  /// - Throws: `WireError` for another dtype, or if a sparse tensor is too large to write out.
  package func floats() throws(WireError) -> [Float] {
    switch dtype {
    case .float32: return try elements(UInt32.self).map { Float(bitPattern: $0) }
    case .bfloat16: return try elements(UInt16.self).map { Float(bitPattern: UInt32($0) << 16) }
    case .int32, .int64: throw WireError(.outOfRange, "\(dtype), not float32", field: "dtype")
    }
  }

  /// The elements as int64; int32 is widened.
  ///
  /// - Throws: `WireError` for another dtype, or if a sparse tensor is too large to write out.
  package func int64s() throws(WireError) -> [Int64] {
    switch dtype {
    case .int64: return try elements(Int64.self)
    case .int32: return try elements(Int32.self).map { Int64($0) }
    case .float32, .bfloat16: throw WireError(.outOfRange, "\(dtype), not int64", field: "dtype")
    }
  }

  /// The elements as int32, of an int64 tensor if all fit.
  ///
  /// - Throws: `WireError` for another dtype, for a number that does not fit, or if a sparse tensor
  ///   is too large to write out.
  package func int32s() throws(WireError) -> [Int32] {
    switch dtype {
    case .int32: return try elements(Int32.self)
    case .int64:
      var result: [Int32] = []
      result.reserveCapacity(count)
      for number in try elements(Int64.self) {
        guard let narrow = Int32(exactly: number) else {
          throw WireError(.outOfRange, "\(number) is not an int32")
        }
        result.append(narrow)
      }
      return result
    case .float32, .bfloat16: throw WireError(.outOfRange, "\(dtype), not int32", field: "dtype")
    }
  }

  /// Copies the elements of a dense float32 tensor into memory of `count` floats, without an array
  /// in between.
  ///
  /// - Throws: `WireError` if it is not dense float32 or the buffer has another length.
  package func copyFloats(into target: UnsafeMutableBufferPointer<Float>) throws(WireError) {
    try copy(into: UnsafeMutableRawBufferPointer(target), .float32)
  }

  /// Copies the elements of a dense int32 tensor into memory of `count` numbers.
  ///
  /// - Throws: `WireError` if it is not dense int32 or the buffer has another length.
  package func copyInt32s(into target: UnsafeMutableBufferPointer<Int32>) throws(WireError) {
    try copy(into: UnsafeMutableRawBufferPointer(target), .int32)
  }

  /// Copies the elements of a dense int64 tensor into memory of `count` numbers.
  ///
  /// - Throws: `WireError` if it is not dense int64 or the buffer has another length.
  package func copyInt64s(into target: UnsafeMutableBufferPointer<Int64>) throws(WireError) {
    try copy(into: UnsafeMutableRawBufferPointer(target), .int64)
  }

  private func copy(
    into target: UnsafeMutableRawBufferPointer, _ wanted: DType
  ) throws(WireError) {
    guard dtype == wanted else {
      throw WireError(.outOfRange, "\(dtype), not \(wanted)", field: "dtype")
    }
    guard case .dense(let bytes) = storage else {
      throw WireError(.unsupported, "a sparse tensor where a dense one is needed")
    }
    guard target.count == bytes.count else {
      throw WireError(
        .outOfRange, "\(bytes.count) bytes for a buffer of \(target.count)", field: "shape")
    }
    bytes.withUnsafeBytes { target.copyMemory(from: $0) }
  }

  /// All elements, zeros included; the bytes may have any alignment.
  private func elements<Element: FixedWidthInteger & BitwiseCopyable>(
    _ type: Element.Type
  ) throws(WireError) -> [Element] {
    switch storage {
    case .dense(let bytes):
      return bytes.numbers(type)
    case .sparse(let rows):
      guard count <= Limits.maxDenseElements else {
        throw WireError(
          .tooLarge, "\(count) elements, at most \(Limits.maxDenseElements) allowed", field: "shape"
        )
      }
      let cells = rows.values.numbers(type)
      var result = [Element](repeating: 0, count: count)
      for row in 0..<shape[0] {
        for cell in Int(rows.rowStarts[row])..<Int(rows.rowStarts[row + 1]) {
          result[row * shape[1] + Int(rows.columns[cell])] = cells[cell]
        }
      }
      return result
    }
  }
}

extension Bytes {
  /// Little-endian numbers at any alignment; a rest shorter than one number is left out.
  func numbers<Element: FixedWidthInteger & BitwiseCopyable>(_ type: Element.Type) -> [Element] {
    let count = self.count / MemoryLayout<Element>.size
    return withUnsafeBytes { source in
      var numbers = [Element](unsafeUninitializedCapacity: count) { target, initialised in
        UnsafeMutableRawBufferPointer(target).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: source[..<(count * MemoryLayout<Element>.size)]))
        initialised = count
      }
      if Element(littleEndian: 1) != 1 {
        for index in numbers.indices { numbers[index] = Element(littleEndian: numbers[index]) }
      }
      return numbers
    }
  }

  /// The memory of little-endian numbers.
  init<Element: FixedWidthInteger & BitwiseCopyable>(numbers: [Element]) {
    self = numbers.map(\.littleEndian).withUnsafeBytes { Bytes(copying: $0) }
  }
}
