import Engine
import Synchronization

/// Storage on the local file system on which chosen operations fail.
final class FaultyStorage: Storage {
  enum Operation: Equatable {
    case create(String)
    case rename(to: String)
    case syncDirectory(String)
    case remove(String)
  }

  private let local = FileStorage()
  private let isFaulty = Mutex<@Sendable (Operation) -> Bool>({ _ in false })

  /// What fails from now on.
  func fail(_ isFaulty: @escaping @Sendable (Operation) -> Bool) {
    self.isFaulty.withLock { $0 = isFaulty }
  }

  private func check(_ operation: Operation) throws {
    if isFaulty.withLock({ $0(operation) }) {
      throw EngineError(.internal, "input/output error (\(operation))")
    }
  }

  func makeDirectory(_ path: String) throws { try local.makeDirectory(path) }

  func create(_ path: String) throws -> any StorageFile {
    try check(.create(path))
    return try local.create(path)
  }

  func createNew(_ path: String) throws -> any StorageFile {
    try check(.create(path))
    return try local.createNew(path)
  }

  func rename(_ source: String, to destination: String) throws {
    try check(.rename(to: destination))
    try local.rename(source, to: destination)
  }

  func exchange(_ source: String, with destination: String) throws {
    try check(.rename(to: destination))
    try local.exchange(source, with: destination)
  }

  func syncDirectory(_ path: String) throws {
    try check(.syncDirectory(path))
    try local.syncDirectory(path)
  }

  func remove(_ path: String) throws {
    try check(.remove(path))
    try local.remove(path)
  }
}
