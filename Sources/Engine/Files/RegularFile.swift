package import Foundation
import Glibc

/// Opens files that were put there by somebody else: those of model folders and adapters. Symbolic
/// links are followed, as the caches of Hugging Face consist of them, but what they lead to must be
/// a regular file of a sensible size: opening a pipe would wait for a writer for ever.
package enum RegularFile {
  /// How large the files of each kind may be, in bytes.
  package enum Limit {
    /// `config.json`, `adapter_config.json`, `training_state.json`, a checkpoint's manifest.
    package static let settings = 1 << 20
    /// `model.safetensors.index.json`: some hundred thousand tensors.
    package static let index = 16 << 20
    /// The header of a file of base weights.
    package static let weightsHeader = 16 << 20
    /// The header of an adapter: six thousand tensors.
    package static let adapterHeader = 1 << 20
    /// The header of an adapter's moments and gradients: three for each tensor of the adapter.
    package static let optimizerHeader = 4 << 20
    /// What belongs to a tokenizer, and goes with a merged model.
    package static let companion = 1 << 28
  }

  /// A descriptor, to be closed by the caller, and the file's size.
  ///
  /// - Throws: `notFound` for one that is not there or is no regular file, `invalidArgument` for one
  ///   that is too large; both name the path.
  static func open(_ path: String, limit: Int) throws(EngineError) -> (descriptor: Int32, size: Int)
  {
    let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard descriptor >= 0 else {
      throw EngineError(.notFound, "cannot open \(path): \(String(cString: strerror(errno)))")
    }
    var info = stat()
    guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw EngineError(.notFound, "\(path) is not a regular file")
    }
    let size = Int(info.st_size)
    guard size <= limit else {
      close(descriptor)
      throw EngineError(
        .invalidArgument, "\(path) has \(size) bytes, more than the \(limit) that it may have")
    }
    return (descriptor, size)
  }

  /// The contents of a small file, copied: nothing happens to them when the file is cut later.
  ///
  /// - Throws: as `open`; `dataLoss` for a file that cannot be read.
  package static func read(_ path: String, limit: Int) throws(EngineError) -> Data {
    let (descriptor, size) = try open(path, limit: limit)
    defer { close(descriptor) }
    var data = Data(count: size)
    let got = data.withUnsafeMutableBytes { buffer -> Int in
      var done = 0
      while done < size {
        let count = Glibc.read(descriptor, buffer.baseAddress.map { $0 + done }, size - done)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else { return count < 0 ? -1 : done }
        done += count
      }
      return done
    }
    guard got >= 0 else {
      throw EngineError(.dataLoss, "cannot read \(path): \(String(cString: strerror(errno)))")
    }
    return data.prefix(got)
  }
}
