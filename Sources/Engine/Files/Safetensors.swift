import CKernels
import Foundation

/// Element types of a safetensors file that we read.
package enum TensorType: String, Sendable {
  case f32 = "F32"
  case bf16 = "BF16"
  case f16 = "F16"
  case f64 = "F64"
  case i64 = "I64"
  case i32 = "I32"
  case u8 = "U8"
  case bool = "BOOL"

  var size: Int {
    switch self {
    case .f64, .i64: 8
    case .f32, .i32: 4
    case .bf16, .f16: 2
    case .u8, .bool: 1
    }
  }

  /// The kernel list's name of a weight type; nil for types that are not weights.
  var kernelType: ck_dtype? {
    switch self {
    case .f32: CK_F32
    case .bf16: CK_BF16
    case .f16: CK_F16
    default: nil
    }
  }
}

/// A tensor in a mapped file.
package struct StoredTensor: Sendable {
  package let name: String
  package let type: TensorType
  package let shape: [Int]
  /// Byte range in the file.
  package let range: Range<Int>
  package let file: MappedFile

  package var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: file.bytes[range])
  }
  package var count: Int { shape.reduce(1, *) }

  /// The same bytes under another name.
  func renamed(_ name: String) -> StoredTensor {
    StoredTensor(name: name, type: type, shape: shape, range: range, file: file)
  }

  /// Values widened to f32.
  ///
  /// - Throws: `unimplemented` for a type that is not a float of at most 32 bits.
  package func floats(_ kernels: Kernels) throws(EngineError) -> [Float] {
    guard let dtype = type.kernelType else {
      throw EngineError(
        .unimplemented, "has type \(type.rawValue), which is no type of weights", field: name)
    }
    var values = [Float](repeating: 0, count: count)
    ck_convert(kernels.handle, &values, bytes.baseAddress, dtype, Int64(count))
    return values
  }

  /// Whether this and `other` hold the same values bit for bit once widened to f32.
  ///
  /// - Throws: `unimplemented` for a type that is not a float of at most 32 bits.
  func hasValues(of other: StoredTensor, _ kernels: Kernels) throws(EngineError) -> Bool {
    guard shape == other.shape else { return false }
    if type == other.type {
      guard let a = bytes.baseAddress, let b = other.bytes.baseAddress else { return true }
      return memcmp(a, b, bytes.count) == 0
    }
    return try floats(kernels).elementsEqual(other.floats(kernels)) {
      $0.bitPattern == $1.bitPattern
    }
  }
}

/// A safetensors file: 8 bytes of header length, a JSON header, then the data. The header is
/// untrusted: every length and offset is checked before use.
package struct Safetensors: Sendable {
  package let file: MappedFile
  package let tensors: [String: StoredTensor]
  package let metadata: [String: String]

  /// Larger dimensions are damage, and would overflow where they are rounded up.
  private static let maxDimension = 1 << 40

  private struct Entry: Decodable {
    let dtype: String
    let shape: [Int]
    let dataOffsets: [Int]
  }

  /// - Parameter headerLimit: the largest header accepted, in bytes: reading one takes a second for
  ///   a megabyte or two.
  /// - Throws: `notFound`, or `dataLoss` naming what is wrong with the file.
  package init(
    path: String, headerLimit: Int = RegularFile.Limit.weightsHeader
  ) throws(EngineError) {
    file = try MappedFile(path: path)
    func damaged(_ what: String) -> EngineError {
      EngineError(.dataLoss, "\(path) is not a valid safetensors file: \(what)")
    }
    guard file.bytes.count >= 8 else { throw damaged("shorter than its length field") }
    let length = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(file.bytes.count - 8) else {
      throw damaged("header length \(length) exceeds the file")
    }
    guard length <= UInt64(headerLimit) else {
      throw damaged("its header has \(length) bytes, more than the \(headerLimit) it may have")
    }
    let dataStart = 8 + Int(length)
    let header = Data(file.bytes[8..<dataStart])
    let object = try JSONFiles.decode(
      [String: HeaderValue].self, header,
      "\(path) is not a valid safetensors file: its header is not valid JSON")
    var found: [String: StoredTensor] = [:]
    var metadata: [String: String] = [:]
    for (name, value) in object {
      switch value {
      case .metadata(let pairs) where name == "__metadata__": metadata = pairs
      case .metadata: throw damaged("\(name) is not a tensor entry")
      case .tensor(let dtype, let shape, let offsets):
        guard let type = TensorType(rawValue: dtype) else {
          throw EngineError(.unimplemented, "\(path): \(name) has unsupported type \(dtype)")
        }
        let size = try Self.byteCount(shape, type, name, damaged)
        guard offsets.count == 2, offsets[0] >= 0, offsets[1] >= offsets[0],
          offsets[1] <= file.bytes.count - dataStart, offsets[1] - offsets[0] == size
        else {
          throw damaged("\(name) has offsets \(offsets) that do not fit its shape or the file")
        }
        found[name] = StoredTensor(
          name: name, type: type, shape: shape,
          range: dataStart + offsets[0]..<dataStart + offsets[1], file: file)
      }
    }
    // As the format demands: no holes, no overlaps, nothing behind the last tensor. Another layout
    // is a file that was cut, glued or written wrongly.
    var end = dataStart
    for tensor in found.values.sorted(by: {
      ($0.range.lowerBound, $0.range.upperBound)
        < ($1.range.lowerBound, $1.range.upperBound)
    }) {
      guard tensor.range.lowerBound == end else {
        throw damaged("\(tensor.name) does not begin where the tensor before it ends")
      }
      end = tensor.range.upperBound
    }
    guard end == file.bytes.count else {
      throw damaged("\(file.bytes.count - end) bytes behind the last tensor")
    }
    tensors = found
    self.metadata = metadata
  }

  private static func byteCount(
    _ shape: [Int], _ type: TensorType, _ name: String, _ damaged: (String) -> EngineError
  ) throws(EngineError) -> Int {
    var size = type.size
    for dimension in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
      guard (0...maxDimension).contains(dimension), !overflow else {
        throw damaged("\(name) has shape \(shape)")
      }
      size = product
    }
    return size
  }

  /// Header values are tensor entries, but for the one of free text.
  private enum HeaderValue: Decodable {
    case tensor(dtype: String, shape: [Int], offsets: [Int])
    case metadata([String: String])

    init(from decoder: any Decoder) throws {
      if let entry = try? Entry(from: decoder) {
        self = .tensor(dtype: entry.dtype, shape: entry.shape, offsets: entry.dataOffsets)
      } else {
        self = .metadata(try [String: String](from: decoder))
      }
    }
  }
}
