import CKernels
import Foundation
import Glibc
import JSON

/// An element type of a safetensors file, by its name there. Some are weights; the others may stand
/// beside them.
package struct TensorType: RawRepresentable, Hashable, Sendable {
  package let rawValue: String

  package init(rawValue: String) { self.rawValue = rawValue }

  package static let f32 = TensorType(rawValue: "F32")
  package static let bf16 = TensorType(rawValue: "BF16")
  package static let f16 = TensorType(rawValue: "F16")
  package static let f64 = TensorType(rawValue: "F64")
  package static let i32 = TensorType(rawValue: "I32")

  private static let sizes = [
    "C64": 8, "F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "BF16": 2, "F16": 2,
    "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1,
  ]

  /// Bytes of an element; nil for a type that is not known or takes a part of a byte.
  var size: Int? { Self.sizes[rawValue] }

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
  func hasValues(of other: StoredTensor) throws(EngineError) -> Bool {
    guard shape == other.shape else { return false }
    if type == other.type {
      guard let a = bytes.baseAddress, let b = other.bytes.baseAddress else { return true }
      return memcmp(a, b, bytes.count) == 0
    }
    let (one, two) = (try elements(), try other.elements())
    return (0..<count).allSatisfy { one($0).bitPattern == two($0).bitPattern }
  }

  /// Values by their index, widened to f32.
  private func elements() throws(EngineError) -> (Int) -> Float {
    let bytes = bytes
    func bits(_ index: Int) -> UInt16 {
      UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
    }
    switch type {
    case .f32:
      return { index in
        Float(
          bitPattern: UInt32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
      }
    case .bf16: return { Float(bitPattern: UInt32(bits($0)) << 16) }
    case .f16: return { Float(Float16(bitPattern: bits($0))) }
    default:
      throw EngineError(
        .unimplemented, "has type \(type.rawValue), which is no type of weights", field: name)
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
    let header = try JSONFiles.object(
      in: Data(file.bytes[8..<dataStart]), "\(path) is not a valid safetensors file: its header")
    var found: [String: StoredTensor] = [:]
    var metadata: [String: String] = [:]
    for (name, value) in header.members {
      guard name != "__metadata__" else {
        for (key, text) in value.object?.members ?? [] { metadata[key] = text.string }
        guard value.isNull || metadata.count == value.object?.members.count else {
          throw damaged("its metadata are not texts by name")
        }
        continue
      }
      guard let entry = value.object, let dtype = entry["dtype"]?.string,
        let shape = Self.integers(entry["shape"]),
        let offsets = Self.integers(entry["data_offsets"])
      else { throw damaged("\(name) is not a tensor entry") }
      let type = TensorType(rawValue: dtype)
      let size = try Self.byteCount(shape, type, name, damaged)
      guard offsets.count == 2, offsets[0] >= 0, offsets[1] >= offsets[0],
        offsets[1] <= file.bytes.count - dataStart, size == nil || offsets[1] - offsets[0] == size
      else {
        throw damaged("\(name) has offsets \(offsets) that do not fit its shape or the file")
      }
      found[name] = StoredTensor(
        name: name, type: type, shape: shape,
        range: dataStart + offsets[0]..<dataStart + offsets[1], file: file)
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

  private static func integers(_ value: JSONValue?) -> [Int]? {
    guard let items = value?.array else { return nil }
    let integers = items.compactMap(\.int)
    return integers.count == items.count ? integers : nil
  }

  /// Nil for a type whose elements have no known size.
  private static func byteCount(
    _ shape: [Int], _ type: TensorType, _ name: String, _ damaged: (String) -> EngineError
  ) throws(EngineError) -> Int? {
    var size = type.size ?? 1
    for dimension in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
      guard (0...maxDimension).contains(dimension), !overflow else {
        throw damaged("\(name) has shape \(shape)")
      }
      size = product
    }
    return type.size == nil ? nil : size
  }
}
