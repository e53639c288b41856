import Foundation
import Glibc
import Synchronization

/// Places at which a test or a proof makes something happen to a worker: it dies, it stops, its disk
/// is slow or full. They are named in the environment variable `TINSMITH_FAILPOINTS`, for instance
/// `append=kill@7;sync=delay:20`: the process kills itself when it appends for the seventh time, and
/// each sync takes 20 ms longer.
package final class Failpoints: Sendable {
  /// The variable that names them.
  package static let variable = "TINSMITH_FAILPOINTS"

  package enum Name: String, CaseIterable, Sendable {
    /// A request of a model was handed to its journal and begins to run.
    case submit
    /// A request of a model has had its effect; nobody knows of it.
    case run
    /// Bytes are about to be written, anywhere but in a snapshot.
    case append
    /// Bytes are about to be written to a snapshot.
    case snapshot
    /// A file is about to be synced.
    case sync
    /// Something is about to be renamed.
    case rename
    /// The names in a folder are about to be synced.
    case folderSync = "folder-sync"
    /// An outcome is durable; nobody was told of it.
    case reply
  }

  enum Action: Equatable, Sendable {
    /// SIGKILL, at one hit.
    case kill(at: Int)
    /// SIGSTOP, at one hit; somebody sends SIGCONT.
    case stop(at: Int)
    /// The disk is full from this hit on.
    case full(from: Int)
    /// The disk is broken from this hit on: EIO.
    case broken(from: Int)
    /// Every hit takes so many milliseconds longer.
    case delay(Int)

    fileprivate var isFailure: Bool {
      switch self {
      case .full, .broken: true
      case .kill, .stop, .delay: false
      }
    }
  }

  private let actions: [Name: Action]
  private let hits = Mutex<[Name: Int]>([:])

  /// None: hitting one costs nothing.
  package static let none = Failpoints(actions: [:])

  private init(actions: [Name: Action]) { self.actions = actions }

  /// - Parameter text: `name=action` several times, with semicolons between; actions are `kill@N`,
  ///   `stop@N`, `full@N`, `broken@N` and `delay:MILLISECONDS`, N counts from 1.
  /// - Throws: `invalidArgument` naming what is not understood.
  package convenience init(parsing text: String) throws(EngineError) {
    var actions: [Name: Action] = [:]
    for item in text.split(separator: ";") {
      let parts = item.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2, let name = Name(rawValue: parts[0]),
        let action = Self.action(parts[1]), actions.updateValue(action, forKey: name) == nil
      else {
        throw EngineError(
          .invalidArgument, "\"\(item)\" is no failpoint, or names one twice", field: Self.variable)
      }
      if action.isFailure, [.submit, .run, .reply].contains(name) {
        throw EngineError(
          .invalidArgument, "\(name.rawValue) does not write", field: Self.variable)
      }
    }
    self.init(actions: actions)
  }

  /// What the environment says.
  package static func fromEnvironment() throws(EngineError) -> Failpoints {
    guard let text = ProcessInfo.processInfo.environment[variable], !text.isEmpty else {
      return none
    }
    return try Failpoints(parsing: text)
  }

  private static func action(_ text: String) -> Action? {
    if text.hasPrefix("delay:") {
      return Int(text.dropFirst("delay:".count)).flatMap { 1...60_000 ~= $0 ? .delay($0) : nil }
    }
    let parts = text.split(separator: "@", maxSplits: 1)
    guard parts.count == 2, let hit = Int(parts[1]), hit > 0 else { return nil }
    switch parts[0] {
    case "kill": return .kill(at: hit)
    case "stop": return .stop(at: hit)
    case "full": return .full(from: hit)
    case "broken": return .broken(from: hit)
    default: return nil
    }
  }

  /// Execution has come to a place.
  /// - Throws: `diskFull` for a disk that is full, `internal` for one that is broken.
  package func hit(_ name: Name) throws(EngineError) {
    guard !actions.isEmpty, let action = actions[name] else { return }
    let count = hits.withLock { hits in
      hits[name, default: 0] += 1
      return hits[name, default: 0]
    }
    switch action {
    case .kill(count): end(name, count, SIGKILL)
    case .stop(count): end(name, count, SIGSTOP)
    case .full(let first) where count >= first:
      throw EngineError(.diskFull, "no space left on device (failpoint \(name.rawValue))")
    case .broken(let first) where count >= first:
      throw EngineError(.internal, "input/output error (failpoint \(name.rawValue))")
    case .delay(let milliseconds): usleep(UInt32(milliseconds) * 1000)
    case .kill, .stop, .full, .broken: break
    }
  }

  /// Execution has come to a place at which nothing is written.
  package func pass(_ name: Name) { try? hit(name) }

  private func end(_ name: Name, _ count: Int, _ signal: Int32) {
    let words = "failpoint \(name.rawValue): signal \(signal) at hit \(count)\n"
    FileHandle.standardError.write(Data(words.utf8))
    kill(getpid(), signal)
  }
}

/// Storage with failpoints in front of another one.
package struct StorageWithFailpoints: Storage {
  private let storage: any Storage
  private let failpoints: Failpoints

  package init(_ storage: any Storage, _ failpoints: Failpoints) {
    self.storage = storage
    self.failpoints = failpoints
  }

  package func makeDirectory(_ path: String) throws { try storage.makeDirectory(path) }

  package func create(_ path: String) throws -> any StorageFile {
    File(try storage.create(path), path, failpoints)
  }

  package func createNew(_ path: String) throws -> any StorageFile {
    File(try storage.createNew(path), path, failpoints)
  }

  package func rename(_ source: String, to destination: String) throws {
    try failpoints.hit(.rename)
    try storage.rename(source, to: destination)
  }

  package func exchange(_ source: String, with destination: String) throws {
    try failpoints.hit(.rename)
    try storage.exchange(source, with: destination)
  }

  package func syncDirectory(_ path: String) throws {
    try failpoints.hit(.folderSync)
    try storage.syncDirectory(path)
  }

  package func remove(_ path: String) throws { try storage.remove(path) }

  private final class File: StorageFile {
    private let file: any StorageFile
    private let append: Failpoints.Name
    private let failpoints: Failpoints

    init(_ file: any StorageFile, _ path: String, _ failpoints: Failpoints) {
      self.file = file
      self.failpoints = failpoints
      append = path.contains("/snapshot-") ? .snapshot : .append
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
      try failpoints.hit(append)
      try file.append(bytes)
    }

    func sync() throws {
      try failpoints.hit(.sync)
      try file.sync()
    }

    func close() throws { try file.close() }
  }
}
