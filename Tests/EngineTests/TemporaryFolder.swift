import Foundation
import TestSupport

@testable import Engine

extension TemporaryFolder {
  /// Copies everything in `folder` here.
  convenience init(copying folder: String) throws {
    try self.init()
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      try FileManager.default.copyItem(atPath: "\(folder)/\(name)", toPath: "\(path)/\(name)")
    }
  }

  /// Changes the JSON object in a file.
  func editJSON(_ name: String, _ edit: (inout [String: Any]) -> Void) throws {
    let url = URL(filePath: "\(path)/\(name)")
    let value = try JSONSerialization.jsonObject(with: Data(contentsOf: url))
    var object = value as? [String: Any] ?? [:]
    edit(&object)
    try JSONSerialization.data(withJSONObject: object).write(to: url)
  }

  /// A tensor on its way from one safetensors file to another.
  struct Tensor {
    var name: String
    var type: TensorType
    var shape: [Int]
    var bytes: [UInt8]

    init(_ name: String, floats: [Float], shape: [Int]) {
      (self.name, type, self.shape) = (name, .f32, shape)
      bytes = floats.flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
    }

    init(_ stored: StoredTensor) {
      (name, type, shape, bytes) = (stored.name, stored.type, stored.shape, Array(stored.bytes))
    }
  }

  /// Changes the tensors of a safetensors file.
  func editTensors(_ name: String, _ edit: (inout [Tensor]) -> Void) throws {
    var tensors = try Safetensors(path: "\(path)/\(name)").tensors.values.map { Tensor($0) }
      .sorted { $0.name < $1.name }
    edit(&tensors)
    var writer = SafetensorsWriter()
    for tensor in tensors {
      writer.add(
        tensor.name, tensor.type, shape: tensor.shape, byteCount: tensor.bytes.count
      ) { file in
        try tensor.bytes.withUnsafeBytes { try file.append($0) }
      }
    }
    try FileStorage().replaceFile("\(path)/\(name)") { try writer.write(to: $0) }
  }
}
