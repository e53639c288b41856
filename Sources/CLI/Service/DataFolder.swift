import Foundation
import Glibc

/// The folder that holds what a service keeps. One service at a time: the folder is locked.
final class DataFolder: Sendable {
  let path: String
  /// The lock's descriptor: whoever has it holds the lock. -1 where somebody else does.
  let lock: Int32

  /// Where data go unless told otherwise: `$XDG_DATA_HOME/tinsmith` or `~/.local/share/tinsmith`.
  static var standardPath: String {
    let environment = ProcessInfo.processInfo.environment
    let parent =
      environment["XDG_DATA_HOME"].flatMap { $0.isEmpty ? nil : $0 }
      ?? "\(NSHomeDirectory())/.local/share"
    return "\(parent)/tinsmith"
  }

  /// Another service has locked the folder.
  struct Busy: Error, CustomStringConvertible {
    let description: String
  }

  /// The router of a service whose supervisor was killed needs so long at most to notice, and holds
  /// the lock until then.
  private static let patience = Duration.seconds(2)

  /// The same as `init`, but waits a moment for what is left of a service that was killed.
  static func lock(_ path: String) async throws -> DataFolder {
    let deadline = ContinuousClock.now + patience
    while true {
      do {
        return try DataFolder(path)
      } catch let busy as Busy {
        guard ContinuousClock.now < deadline else { throw busy }
        try await Task.sleep(for: .milliseconds(10))
      }
    }
  }

  /// Makes the folder if there is none, and locks it until this object or the process ends.
  ///
  /// - Parameter isLocked: by the process that has started this one, so this one need not.
  /// - Throws: `CommandError` if it cannot be written, `Busy` if another service uses it.
  init(_ path: String, isLocked: Bool = false) throws {
    self.path = URL(fileURLWithPath: path).path
    try Self.make(self.path)
    guard !isLocked else {
      lock = -1
      return
    }
    let file = "\(self.path)/lock"
    lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard lock >= 0 else { throw CommandError("cannot open \(file): \(Self.lastError)") }
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
      let isBusy = errno == EWOULDBLOCK
      let problem = CommandError("cannot lock \(file): \(Self.lastError)")
      close(lock)
      if isBusy {
        throw Busy(description: "another service uses the data folder \(self.path)")
      }
      throw problem
    }
  }

  deinit { if lock >= 0 { close(lock) } }

  /// Makes a folder that only this user can enter.
  static func make(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw CommandError("cannot make the data folder \(path): \(error.localizedDescription)")
    }
  }

  /// Makes a new folder in /tmp that only this user can enter; its path is short enough for names of
  /// local sockets.
  /// - Parameter prefix: of its path, in /tmp.
  static func makeTemporary(_ prefix: String) throws -> String {
    var template = Array("\(prefix)XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw CommandError("cannot make a folder in /tmp: \(lastError)")
    }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// The secret of session tokens, kept so that sessions outlive a restart of the router.
  ///
  /// - Parameter makeKey: gives a new secret of at least 32 bytes, for the first start.
  func sessionKey(_ makeKey: () -> [UInt8]) throws -> [UInt8] {
    let file = "\(path)/session.key"
    if let data = FileManager.default.contents(atPath: file), data.count >= 32 {
      return [UInt8](data)
    }
    let key = makeKey()
    let made = FileManager.default.createFile(
      atPath: file, contents: Data(key), attributes: [.posixPermissions: 0o600])
    guard made else { throw CommandError("cannot write \(file): \(Self.lastError)") }
    return key
  }

  static var lastError: String { String(cString: strerror(errno)) }
}
