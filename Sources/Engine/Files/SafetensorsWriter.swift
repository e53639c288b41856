import JSON

/// Writes safetensors: tensors in the given order, header padded to 8 bytes as the reference
/// implementation does, so the same tensors give the same bytes.
package struct SafetensorsWriter {
  private struct Item {
    let name: String
    let type: TensorType
    let shape: [Int]
    let byteCount: Int
    let append: (any StorageFile) throws -> Void
  }

  private var items: [Item] = []
  private let metadata: [String: String]

  package init(metadata: [String: String] = ["format": "pt"]) { self.metadata = metadata }

  /// Adds an f32 tensor. The memory must stay valid until `write`.
  package mutating func add(_ name: String, _ values: UnsafePointer<Float>, shape: [Int]) {
    add(
      name, .f32, UnsafeRawBufferPointer(start: values, count: shape.reduce(4, *)), shape: shape)
  }

  /// Adds a tensor of any type. The memory must stay valid until `write`.
  package mutating func add(
    _ name: String, _ type: TensorType, _ bytes: UnsafeRawBufferPointer, shape: [Int]
  ) {
    add(name, type, shape: shape, byteCount: bytes.count) { try $0.append(bytes) }
  }

  /// Adds a tensor whose bytes are made when their turn comes: `append` must append all
  /// `byteCount` of them.
  package mutating func add(
    _ name: String, _ type: TensorType, shape: [Int], byteCount: Int,
    _ append: @escaping (any StorageFile) throws -> Void
  ) {
    items.append(Item(name: name, type: type, shape: shape, byteCount: byteCount, append: append))
  }

  /// Appends the whole file to `output`.
  package func write(to output: any StorageFile) throws {
    var header = "{\"__metadata__\":"
    let pairs = metadata.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
    header += JSONValue.object(JSONObject(pairs)).text
    var offset = 0
    for item in items {
      let shape = item.shape.map(String.init).joined(separator: ",")
      header +=
        ",\(JSONValue.string(item.name).text):{\"dtype\":\(JSONValue.string(item.type.rawValue).text),"
      header += "\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(offset + item.byteCount)]}"
      offset += item.byteCount
    }
    header += "}"
    while header.utf8.count % 8 != 0 { header += " " }
    var length = UInt64(header.utf8.count).littleEndian
    try withUnsafeBytes(of: &length) { try output.append($0) }
    try Array(header.utf8).withUnsafeBytes { try output.append($0) }
    for item in items { try item.append(output) }
  }
}
