import Foundation
import Glibc

/// A folder for local sockets that only this user can enter, with a short path: names of local
/// sockets are limited to about a hundred bytes, and the data folder may be deep.
///
/// The data folder has a link to it. A service that was killed leaves both behind, and the next one
/// over the same data folder removes them.
final class SocketFolder: Sendable {
  let path: String
  private let link: String

  private static let prefix = "/tmp/tinsmith-"

  /// - Parameter data: locked, so the folder that its link names is nobody's any more.
  init(for data: DataFolder) throws {
    link = "\(data.path)/sockets"
    Self.removeLeftover(link)
    path = try DataFolder.makeTemporary(Self.prefix)
    guard symlink(path, link) == 0 else {
      let problem = CommandError("cannot make \(link): \(DataFolder.lastError)")
      try? FileManager.default.removeItem(atPath: path)
      throw problem
    }
  }

  func remove() {
    try? FileManager.default.removeItem(atPath: path)
    unlink(link)
  }

  /// Removes what a link names, if it is a folder that a service of this user made.
  private static func removeLeftover(_ link: String) {
    guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: link) else {
      return
    }
    var facts = stat()
    if target.hasPrefix(prefix), !target.dropFirst(prefix.count).contains("/"),
      lstat(target, &facts) == 0, facts.st_mode & S_IFMT == S_IFDIR, facts.st_uid == getuid()
    {
      try? FileManager.default.removeItem(atPath: target)
    }
    unlink(link)
  }
}
