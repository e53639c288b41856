package import Engine
import Foundation
import Synchronization

/// Storage that works on the local file system and remembers every operation, so that a test can
/// make the folder that a power loss after any of them might have left: what was synced is there,
/// everything else may be missing, alone or together, and the last write may be torn.
package final class RecordingStorage: Storage {
  package enum Operation: Sendable {
    case makeDirectory(String)
    case create(String, file: Int)
    case write(file: Int, offset: Int, [UInt8])
    case sync(file: Int)
    case rename(String, String)
    case exchange(String, String)
    case syncDirectory(String)
    case remove(String)
  }

  private struct State {
    var operations: [Operation] = []
    var files = 0
  }

  package let root: String
  private let local = FileStorage()
  private let state = Mutex(State())

  /// - Parameter root: everything happens below it.
  package init(root: String) { self.root = root }

  package var operations: [Operation] { state.withLock { $0.operations } }

  fileprivate func record(_ operation: Operation) {
    state.withLock { $0.operations.append(operation) }
  }

  private func relative(_ path: String) -> String {
    String(path.dropFirst(root.count).drop { $0 == "/" })
  }

  // MARK: Storage

  package func makeDirectory(_ path: String) throws {
    try local.makeDirectory(path)
    record(.makeDirectory(relative(path)))
  }

  package func create(_ path: String) throws -> any StorageFile {
    opened(path, try local.create(path))
  }

  package func createNew(_ path: String) throws -> any StorageFile {
    opened(path, try local.createNew(path))
  }

  private func opened(_ path: String, _ file: any StorageFile) -> any StorageFile {
    let number = state.withLock { state in
      state.files += 1
      state.operations.append(.create(relative(path), file: state.files))
      return state.files
    }
    return File(file, number: number, storage: self)
  }

  package func rename(_ source: String, to destination: String) throws {
    try local.rename(source, to: destination)
    record(.rename(relative(source), relative(destination)))
  }

  package func exchange(_ source: String, with destination: String) throws {
    try local.exchange(source, with: destination)
    record(.exchange(relative(source), relative(destination)))
  }

  package func syncDirectory(_ path: String) throws {
    try local.syncDirectory(path)
    record(.syncDirectory(relative(path)))
  }

  package func remove(_ path: String) throws {
    try local.remove(path)
    record(.remove(relative(path)))
  }

  private final class File: StorageFile {
    private let file: any StorageFile
    private let number: Int
    private let storage: RecordingStorage
    private var offset = 0

    init(_ file: any StorageFile, number: Int, storage: RecordingStorage) {
      (self.file, self.number, self.storage) = (file, number, storage)
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
      try file.append(bytes)
      storage.record(.write(file: number, offset: offset, [UInt8](bytes)))
      offset += bytes.count
    }

    func sync() throws {
      try file.sync()
      storage.record(.sync(file: number))
    }

    func close() throws { try file.close() }
  }
}

/// What a disk may hold after the power went off.
package struct PowerCut {
  /// The operations that had been asked for.
  package let operations: ArraySlice<RecordingStorage.Operation>

  package init(_ operations: [RecordingStorage.Operation], after count: Int) {
    self.operations = operations[..<count]
  }

  /// Operations that nothing has made durable.
  package var unsynced: [Int] {
    operations.indices.filter { index in
      let later = operations[(index + 1)...]
      switch operations[index] {
      case .write(let file, _, _):
        return !later.contains { if case .sync(file) = $0 { true } else { false } }
      case .create(let path, _), .rename(_, let path), .exchange(_, let path), .remove(let path):
        let folder = (path as NSString).deletingLastPathComponent
        return !later.contains { if case .syncDirectory(folder) = $0 { true } else { false } }
      // Durable by contract.
      case .makeDirectory, .sync, .syncDirectory: return false
      }
    }
  }

  /// Which operations are lost in each case that is to be tried.
  package var losses: [Set<Int>] {
    let unsynced = unsynced
    return [[], Set(unsynced)] + unsynced.map { [$0] }
  }

  /// Lengths at which the last operation, if it is a write that is not durable, may be torn.
  package var tears: [Int] {
    guard case .write(_, _, let bytes)? = operations.last else { return [] }
    return Array(Set([1, bytes.count / 2, bytes.count - 1])).sorted()
  }

  /// What a disk holds.
  package struct Tree: Hashable {
    package var folders: Set<String> = [""]
    package var files: [String: [UInt8]] = [:]

    /// Makes it the contents of the folder at `path`.
    package func write(to path: String) throws {
      let manager = FileManager.default
      try? manager.removeItem(atPath: path)
      for folder in folders {
        try manager.createDirectory(
          atPath: "\(path)/\(folder)", withIntermediateDirectories: true)
      }
      for (name, bytes) in files {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
      }
    }
  }

  /// Makes what may be left the contents of the folder at `path`.
  package func leave(at path: String, losing lost: Set<Int>, tear: Int? = nil) throws {
    try tree(losing: lost, tear: tear).write(to: path)
  }

  /// What may be left.
  /// - Parameters:
  ///   - lost: indices of operations that never reached the disk.
  ///   - tear: how much of the last write did; nil for all.
  package func tree(losing lost: Set<Int>, tear: Int? = nil) -> Tree {
    var contents: [Int: [UInt8]] = [:]
    var names: [String: Int] = [:]
    var folders: Set<String> = [""]
    for index in operations.indices where !lost.contains(index) {
      var moved: [String: Int] = [:]
      switch operations[index] {
      case .makeDirectory(let folder): folders.insert(folder)
      case .create(let name, let file):
        names[name] = file
      case .write(let file, let offset, var bytes):
        if let tear, index == operations.indices.last { bytes = Array(bytes[..<tear]) }
        var content = contents[file] ?? []
        if content.count < offset + bytes.count {
          content += [UInt8](repeating: 0, count: offset + bytes.count - content.count)
        }
        content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
        contents[file] = content
      case .rename(let from, let to):
        for name in names.keys where name == from || name.hasPrefix("\(from)/") {
          names[to + name.dropFirst(from.count)] = names.removeValue(forKey: name)
        }
        if folders.remove(from) != nil { folders.insert(to) }
      case .exchange(let first, let second):
        for (name, file) in names {
          for (from, to) in [(first, second), (second, first)]
          where name == from || name.hasPrefix("\(from)/") {
            moved[to + name.dropFirst(from.count)] = file
            names[name] = nil
          }
        }
        names.merge(moved) { $1 }
      case .remove(let gone):
        names = names.filter { $0.key != gone && !$0.key.hasPrefix("\(gone)/") }
        folders.remove(gone)
      case .sync, .syncDirectory: break
      }
    }
    return Tree(folders: folders, files: names.mapValues { contents[$0] ?? [] })
  }
}
