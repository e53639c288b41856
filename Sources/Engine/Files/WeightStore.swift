import CKernels
import Foundation
import Glibc

/// The frozen weights of a model: the checkpoint's files and their packed copy.
///
/// Matrices are packed once per host into a cache file (bf16 stays bf16) that every worker maps
/// read-only, so N workers cost one copy of memory and start in the time of an mmap. An untied
/// input embedding stays in the safetensors mapping. The cache's name hashes the sources' headers,
/// sizes and times, the layout version and the backend.
package final class WeightStore {
  /// Raised when the packed layout changes.
  private static let layoutVersion = 2

  /// The checkpoint's files.
  let files: [Safetensors]
  private let sources: [String: StoredTensor]
  private let packed: PackedFile

  /// - Parameters:
  ///   - folder: a Hugging Face folder with `model.safetensors` or a sharded index.
  ///   - tied: whether the input embedding serves as output head (and so is packed).
  ///   - cache: folder for the packed file; made if it is not there.
  /// - Throws: `notFound`, `dataLoss` naming the damaged file or tensor.
  package init(
    folder: String, tied: Bool, cache: String, storage: any Storage, kernels: Kernels
  ) throws(EngineError) {
    let files = try Self.open(folder)
    self.files = files
    sources = files.reduce(into: [:]) { all, file in
      all.merge(file.tensors) { first, _ in first }
    }
    let plan = PackedFile.Plan(tensors: sources, skip: tied ? nil : "model.embed_tokens.weight")
    let path = "\(cache)/packed-\(Self.identity(files, tied)).bin"
    do {
      packed = try Self.withLock(on: "\(path).lock", cache, storage) { () throws in
        // A cache: one that is missing or damaged is made again.
        if access(path, F_OK) == 0, let intact = try? PackedFile(path: path, plan: plan) {
          return intact
        }
        try storage.replaceFile(path) { try plan.write(to: $0, kernels) }
        // All of the checkpoint was read, once: it need not stay in this process's memory.
        for file in files { file.file.releasePages() }
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

  /// A tensor of the checkpoint as stored.
  func stored(_ name: String) -> StoredTensor? { sources[name] }

  private func source(_ name: String, shape: [Int]) throws(EngineError) -> StoredTensor {
    guard let tensor = sources[name] else {
      throw EngineError(.notFound, "the checkpoint has no tensor \(name)")
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

  // MARK: Opening

  static let indexName = "model.safetensors.index.json"

  private struct Index: Decodable { let weightMap: [String: String] }

  private static func open(_ folder: String) throws(EngineError) -> [Safetensors] {
    let single = "\(folder)/model.safetensors"
    if access(single, F_OK) == 0 { return [try Safetensors(path: single)] }
    let indexPath = "\(folder)/\(indexName)"
    let index = try JSONFiles.read(
      Index.self, indexPath, "index of weight files", limit: RegularFile.Limit.index)
    var files: [Safetensors] = []
    for name in Set(index.weightMap.values).sorted() {
      guard !name.contains("/"), name.hasSuffix(".safetensors") else {
        throw EngineError(.dataLoss, "\(indexPath) names the file \(name)")
      }
      files.append(try Safetensors(path: "\(folder)/\(name)"))
    }
    return files
  }

  /// FNV-1a over what identifies the sources and the layout.
  private static func identity(_ files: [Safetensors], _ tied: Bool) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    func mix(_ bytes: UnsafeRawBufferPointer) {
      for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    }
    func mix(_ value: Int) { withUnsafeBytes(of: value) { mix($0) } }
    mix(layoutVersion)
    mix(tied ? 1 : 0)
    for file in files {
      var info = stat()
      _ = stat(file.file.path, &info)
      mix(info.st_size)
      mix(info.st_mtim.tv_sec)
      mix(info.st_mtim.tv_nsec)
      let header = min(file.file.bytes.count, 1 << 20)
      mix(UnsafeRawBufferPointer(rebasing: file.file.bytes[..<header]))
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
