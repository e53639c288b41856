import CSystem
import Foundation
import Glibc

/// A file being written. Nothing is durable before `sync`.
package protocol StorageFile: AnyObject {
  func append(_ bytes: UnsafeRawBufferPointer) throws
  func sync() throws
  func close() throws
}

/// The one seam through which every durable write goes, so that tests can fail, tear and reorder
/// writes, and a crash leaves either the old state or the new one.
package protocol Storage: Sendable {
  /// Makes a folder, and those above it that are missing; their names are durable.
  func makeDirectory(_ path: String) throws
  /// Creates or truncates a file.
  func create(_ path: String) throws -> any StorageFile
  /// Creates a file that must not be there.
  /// - Throws: `failedPrecondition` when it is.
  func createNew(_ path: String) throws -> any StorageFile
  /// Replaces `destination` (a file, or a folder that does not exist) by `source`.
  func rename(_ source: String, to destination: String) throws
  /// Gives two files or folders each other's names, in one step.
  func exchange(_ source: String, with destination: String) throws
  /// Makes the names in a folder durable.
  func syncDirectory(_ path: String) throws
  /// Removes a file or a folder with its contents; nothing to remove is no error.
  func remove(_ path: String) throws
}

extension Storage {
  /// Writes a file aside, syncs it, renames it into place and syncs the folder: after a crash the
  /// path holds the old content or the new, never a part.
  package func replaceFile(_ path: String, _ write: (any StorageFile) throws -> Void) throws {
    let aside = "\(path).\(getpid()).tmp"
    do {
      let file = try create(aside)
      try write(file)
      try file.sync()
      try file.close()
    } catch {
      try? remove(aside)
      throw error
    }
    try rename(aside, to: path)
    try syncDirectory((path as NSString).deletingLastPathComponent)
  }

  /// Writes a folder aside and renames it into place, as `replaceFile` does for one file. Files
  /// that `write` makes must be synced by it.
  package func replaceDirectory(_ path: String, _ write: (String) throws -> Void) throws {
    let aside = "\(path).\(getpid()).tmp"
    do {
      try remove(aside)
      try makeDirectory(aside)
      try write(aside)
      try syncDirectory(aside)
    } catch {
      try? remove(aside)
      throw error
    }
    // A folder cannot be renamed over one with contents, so these change places.
    let exists = access(path, F_OK) == 0
    if exists {
      try exchange(aside, with: path)
    } else {
      try rename(aside, to: path)
    }
    try syncDirectory((path as NSString).deletingLastPathComponent)
    // The new one is in place; what is left of the old one is removed with other leftovers.
    if exists { try? remove(aside) }
  }

  /// Writes and syncs one file inside a folder that is still aside.
  package func writeFile(_ path: String, _ write: (any StorageFile) throws -> Void) throws {
    let file = try create(path)
    try write(file)
    try file.sync()
    try file.close()
  }
}

/// Storage on the local file system.
package struct FileStorage: Storage {
  package init() {}

  package func makeDirectory(_ path: String) throws {
    guard access(path, F_OK) != 0 else { return }
    let parent = (path as NSString).deletingLastPathComponent
    if !parent.isEmpty { try makeDirectory(parent) }
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw Self.failure("make", path) }
    try syncDirectory(parent)
  }

  package func create(_ path: String) throws -> any StorageFile {
    try open(path, O_TRUNC)
  }

  package func createNew(_ path: String) throws -> any StorageFile {
    try open(path, O_EXCL)
  }

  private func open(_ path: String, _ flags: Int32) throws -> LocalFile {
    let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0o644)
    guard descriptor >= 0 else { throw Self.failure("create", path) }
    return LocalFile(descriptor: descriptor, path: path)
  }

  package func rename(_ source: String, to destination: String) throws {
    guard Glibc.rename(source, destination) == 0 else {
      throw Self.failure("rename \(source) to", destination)
    }
  }

  package func exchange(_ source: String, with destination: String) throws {
    guard system_exchange(source, destination) == 0 else {
      throw Self.failure("exchange \(source) with", destination)
    }
  }

  package func syncDirectory(_ path: String) throws {
    let descriptor = Glibc.open(path.isEmpty ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.failure("open", path) }
    defer { Glibc.close(descriptor) }
    guard fsync(descriptor) == 0 else { throw Self.failure("sync", path) }
  }

  package func remove(_ path: String) throws {
    guard access(path, F_OK) == 0 else { return }
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      throw EngineError(.internal, "cannot remove \(path)", cause: error)
    }
  }

  fileprivate static func failure(_ action: String, _ path: String) -> EngineError {
    let code = errno
    let kind: EngineError.Code =
      switch code {
      case ENOSPC, EDQUOT, EFBIG: .diskFull
      case EEXIST: .failedPrecondition
      default: .internal
      }
    return EngineError(kind, "cannot \(action) \(path): \(String(cString: strerror(code)))")
  }
}

private final class LocalFile: StorageFile {
  private var descriptor: Int32
  private let path: String

  init(descriptor: Int32, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  func append(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddressOfSlice, rest.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw FileStorage.failure("write", path)
      }
      rest = rest.dropFirst(count)
    }
  }

  func sync() throws {
    guard fdatasync(descriptor) == 0 else { throw FileStorage.failure("sync", path) }
  }

  func close() throws {
    defer { descriptor = -1 }
    guard Glibc.close(descriptor) == 0 else { throw FileStorage.failure("close", path) }
  }
}

extension Slice<UnsafeRawBufferPointer> {
  fileprivate var baseAddressOfSlice: UnsafeRawPointer? {
    base.baseAddress.map { $0 + startIndex }
  }
}
