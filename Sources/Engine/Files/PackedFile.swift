import CKernels
import Glibc

/// The packed weights of a model in one mapped file: every matrix in panels, every vector in f32,
/// each at a 64-byte boundary. The order and offsets follow from the checkpoint's tensors, so the
/// file needs no header; its last 64 bytes hold a CRC-32C of all before.
struct PackedFile {
  /// Names, sources and offsets of what the file holds.
  struct Plan {
    struct Item {
      /// The model's name of it.
      let name: String
      let tensor: StoredTensor
      let offset: Int
      let bytes: Int
    }

    private static let trailerBytes = 64

    let items: [Item]
    /// Of the weights and the trailer.
    let totalBytes: Int

    /// Everything of rank 1 and 2 except `skip`, in name order.
    init(tensors: [String: StoredTensor], skip: String?) {
      var offset = 0
      var items: [Item] = []
      for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) where name != skip {
        guard let type = tensor.type.kernelType else { continue }
        let bytes: Int
        switch tensor.shape.count {
        case 1: bytes = tensor.shape[0] * 4
        case 2: bytes = ck_packed_bytes(type, Int64(tensor.shape[0]), Int64(tensor.shape[1]))
        default: continue
        }
        items.append(Item(name: name, tensor: tensor, offset: offset, bytes: bytes))
        offset += (bytes + 63) & ~63
      }
      self.items = items
      totalBytes = max(offset, 64) + Self.trailerBytes
    }

    /// Packs every item in order.
    ///
    /// - Throws: `invalidArgument` naming a tensor that holds NaN or infinity.
    func write(to file: any StorageFile, _ kernels: Kernels) throws {
      var checksum = CRC32C()
      func append(_ bytes: UnsafeRawBufferPointer) throws {
        checksum.add(bytes)
        try file.append(bytes)
      }
      for item in items {
        try Self.checkFinite(item.tensor, kernels)
        let padded = (item.bytes + 63) & ~63
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: padded, alignment: 64)
        defer { buffer.deallocate() }
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        guard let panels = buffer.baseAddress, let source = item.tensor.bytes.baseAddress else {
          continue
        }
        let type = try WeightStore.kernelType(item.tensor)
        let shape = item.tensor.shape
        if shape.count == 2 {
          kernels.pack(panels, source, type, outputs: shape[0], inputs: shape[1])
        } else {
          let floats = panels.assumingMemoryBound(to: Float.self)
          ck_convert(kernels.handle, floats, source, type, Int64(shape[0]))
        }
        try append(UnsafeRawBufferPointer(buffer))
      }
      if items.isEmpty { try [UInt8](repeating: 0, count: 64).withUnsafeBytes(append) }
      var trailer = [UInt8](repeating: 0, count: Self.trailerBytes)
      withUnsafeBytes(of: checksum.value.littleEndian) { trailer.replaceSubrange(0..<4, with: $0) }
      try trailer.withUnsafeBytes { try file.append($0) }
    }

    /// Whether these bytes are what `write` makes.
    func isIntact(_ bytes: UnsafeRawBufferPointer) -> Bool {
      guard bytes.count == totalBytes else { return false }
      let end = totalBytes - Self.trailerBytes
      let expected = UInt32(
        littleEndian: bytes.loadUnaligned(fromByteOffset: end, as: UInt32.self))
      return CRC32C.of(UnsafeRawBufferPointer(rebasing: bytes[..<end])) == expected
        && bytes[(end + 4)...].allSatisfy { $0 == 0 }
    }

    private static func checkFinite(_ tensor: StoredTensor, _ kernels: Kernels) throws(EngineError)
    {
      let type = try WeightStore.kernelType(tensor)
      guard let base = tensor.bytes.baseAddress else { return }
      let block = 1 << 20
      let size = tensor.bytes.count / max(tensor.count, 1)
      var values = [Float](repeating: 0, count: min(block, tensor.count))
      for start in stride(from: 0, to: tensor.count, by: block) {
        let count = min(block, tensor.count - start)
        ck_convert(
          kernels.handle, &values, base + start * size, type, Int64(count))
        guard kernels.allFinite(values, count: count) else {
          throw EngineError(.invalidArgument, "\(tensor.name) holds a value that is not finite")
        }
      }
    }
  }

  let file: MappedFile
  private let offsets: [String: Int]

  /// - Throws: `dataLoss` when the file is not what `plan` writes.
  init(path: String, plan: Plan) throws(EngineError) {
    file = try MappedFile(path: path)
    guard plan.isIntact(file.bytes) else {
      throw EngineError(.dataLoss, "the packed weights \(path) are damaged")
    }
    // They were read from begin to end; what is used comes back, shared with other processes.
    file.releasePages()
    offsets = plan.items.reduce(into: [:]) { $0[$1.name] = $1.offset }
  }

  func address(_ name: String) throws(EngineError) -> UnsafeRawPointer {
    guard let offset = offsets[name], let base = file.bytes.baseAddress else {
      throw EngineError(.notFound, "the packed weights hold no \(name)")
    }
    return base + offset
  }
}
