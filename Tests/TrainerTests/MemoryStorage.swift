import Engine
import Foundation
import Synchronization

/// Storage that keeps what is written, for a look at it.
final class MemoryStorage: Storage {
  private let contents = Mutex<[String: [UInt8]]>([:])

  /// The files by path.
  var files: [String: [UInt8]] { contents.withLock { $0 } }

  func makeDirectory(_ path: String) {}
  func syncDirectory(_ path: String) {}
  func remove(_ path: String) { contents.withLock { $0[path] = nil } }
  func createNew(_ path: String) -> any StorageFile { create(path) }

  func create(_ path: String) -> any StorageFile {
    contents.withLock { $0[path] = [] }
    return File(path, self)
  }

  func rename(_ source: String, to destination: String) {
    contents.withLock { $0[destination] = $0.removeValue(forKey: source) }
  }

  func exchange(_ source: String, with destination: String) {
    contents.withLock { ($0[source], $0[destination]) = ($0[destination], $0[source]) }
  }

  private final class File: StorageFile {
    private let path: String
    private let storage: MemoryStorage

    init(_ path: String, _ storage: MemoryStorage) { (self.path, self.storage) = (path, storage) }

    func append(_ bytes: UnsafeRawBufferPointer) {
      storage.contents.withLock { $0[path, default: []] += bytes }
    }

    func sync() {}
    func close() {}
  }
}
