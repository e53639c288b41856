import CKernels
import Foundation
import Glibc

/// The frozen weights of a model: as they are stored, and their packed copy.
///
/// Matrices are packed once per host into a cache file (bf16 stays bf16) that every worker maps
/// read-only, so N workers cost one copy of memory and start in the time of an mmap. An untied
/// input embedding stays in the safetensors mapping. The cache's name hashes which tensors it
/// is made of, the sources' headers, sizes and times, and the layout version.
package final class WeightStore {
  /// Raised when the packed layout changes.
  private static let layoutVersion = 3

  let origin: StoredWeights
  private let packed: PackedFile

  /// - Parameter cache: folder for the packed file; made if it is not there.
  /// - Throws: `dataLoss` naming a damaged file, `invalidArgument` naming a tensor that holds NaN or
  ///   infinity.
  package init(
    _ origin: StoredWeights, cache: String, storage: any Storage, kernels: Kernels
  ) throws(EngineError) {
    self.origin = origin
    // An untied embedding is read in place.
    let plan = PackedFile.Plan(
      tensors: origin.tensors, skip: origin.isHeadTied ? nil : TensorName.embedding)
    let path = "\(cache)/packed-\(Self.identity(origin)).bin"
    do {
      packed = try Self.withLock(on: "\(path).lock", cache, storage) { () throws in
        // A cache: one that is missing or damaged is made again.
        if access(path, F_OK) == 0, let intact = try? PackedFile(path: path, plan: plan) {
          return intact
        }
        try storage.replaceFile(path) { try plan.write(to: $0, kernels) }
        // All of the checkpoint was read, once: it need not stay in this process's memory.
        for shard in origin.shards { shard.file.file.releasePages() }
        return try PackedFile(path: path, plan: plan)
      }
    } catch let error as EngineError {
      throw error
    } catch {
      throw EngineError(.internal, "cannot prepare the packed weights", cause: error)
    }
  }

  /// The packed matrix [outputs, inputs] called `name`.
  ///
  /// - Throws: `notFound` or `invalidArgument` when it is missing or has another shape.
  func matrix(_ name: String, outputs: Int, inputs: Int) throws(EngineError) -> PackedMatrix {
    let tensor = try source(name, shape: [outputs, inputs])
    return PackedMatrix(
      panels: try packed.address(name), dtype: ck_packed_dtype(try Self.kernelType(tensor)),
      outputs: outputs, inputs: inputs)
  }

  /// The f32 vector called `name`.
  func vector(_ name: String, count: Int) throws(EngineError) -> UnsafePointer<Float> {
    _ = try source(name, shape: [count])
    return try packed.address(name).assumingMemoryBound(to: Float.self)
  }

  /// A table that is read in place, row by row.
  func table(_ name: String, rows: Int, width: Int) throws(EngineError) -> Embedding {
    let tensor = try source(name, shape: [rows, width])
    guard let base = tensor.bytes.baseAddress else {
      throw EngineError(.dataLoss, "\(name) is empty")
    }
    return .table(base, try Self.kernelType(tensor), width: width)
  }

  /// A tensor of the model as stored; a tied head is the embedding.
  func stored(_ name: String) -> StoredTensor? {
    origin.tensors[
      origin.isHeadTied && name == TensorName.head ? TensorName.embedding : name]
  }

  private func source(_ name: String, shape: [Int]) throws(EngineError) -> StoredTensor {
    guard let tensor = origin.tensors[name] else {
      throw EngineError(.notFound, "the weights have no tensor \(name)")
    }
    guard tensor.shape == shape else {
      throw EngineError(
        .invalidArgument, "\(name) has shape \(tensor.shape), the config says \(shape)")
    }
    return tensor
  }

  static func kernelType(_ tensor: StoredTensor) throws(EngineError) -> ck_dtype {
    guard let type = tensor.type.kernelType else {
      throw EngineError(
        .unimplemented, "\(tensor.name) has type \(tensor.type.rawValue), not f32, f16 or bf16")
    }
    return type
  }

  /// FNV-1a over what identifies the sources and the layout.
  private static func identity(_ origin: StoredWeights) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func mix(_ bytes: UnsafeRawBufferPointer) {
      for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    }
    func mix(_ value: Int) { withUnsafeBytes(of: value) { mix($0) } }
    func mix(_ text: String) { Array(text.utf8).withUnsafeBytes { mix($0) } }
    mix(layoutVersion)
    mix(origin.isHeadTied ? 1 : 0)
    for (name, tensor) in origin.tensors.sorted(by: { $0.key < $1.key }) {
      mix(name)
      mix(tensor.file.path)
      mix(tensor.range.lowerBound)
    }
    for shard in origin.shards {
      let file = shard.file.file
      var info = stat()
      _ = stat(file.path, &info)
      mix(info.st_size)
      mix(info.st_mtim.tv_sec)
      mix(info.st_mtim.tv_nsec)
      let header = min(file.bytes.count, 1 << 20)
      mix(UnsafeRawBufferPointer(rebasing: file.bytes[..<header]))
    }
    return String(hash, radix: 16)
  }

  /// One process at a time packs; the others wait and then find the file.
  private static func withLock<T>(
    on path: String, _ folder: String, _ storage: any Storage, _ body: () throws -> T
  ) throws -> T {
    try storage.makeDirectory(folder)
    let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw EngineError(.internal, "cannot lock \(path): \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    flock(descriptor, LOCK_EX)
    return try body()
  }
}
