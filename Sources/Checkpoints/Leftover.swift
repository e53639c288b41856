package import Engine
import Foundation
import Glibc

/// A folder or file that a process left beside what it was writing or removing:
/// `<name>.<pid>.tmp` or `.gone`.
package struct Leftover: Equatable {
  static let goneSuffix = ".gone"

  let pid: pid_t

  /// Nil for a path that is not called like a leftover.
  init?(_ path: String) {
    let parts = path.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count >= 3, let kind = parts.last, ["tmp", "gone"].contains(kind),
      let pid = pid_t(parts[parts.count - 2]), pid > 0
    else { return nil }
    self.pid = pid
  }

  /// Removes what crashed writes left in a folder.
  ///
  /// - Parameters:
  ///   - isOwn: whether something of such a name is not a leftover but called so.
  ///   - now: in seconds since 1970.
  package static func removeAll(
    in folder: String, storage: any Storage, now: Int = time(nil), isOwn: (_ name: String) -> Bool
  ) throws {
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      let path = "\(folder)/\(name)"
      guard let leftover = Leftover(path), leftover.isAbandoned(path, now: now), !isOwn(name)
      else { continue }
      try storage.remove(path)
    }
  }

  /// No process will go on with it. Its writer may be on another host, where its pid says nothing
  /// here; but none rests for ten minutes. A pid may be used again, so it protects for a day only.
  private func isAbandoned(_ path: String, now: Int) -> Bool {
    let age = now - Self.lastChange(path)
    let isAlive = kill(pid, 0) == 0 || errno == EPERM
    return age > (isAlive ? 86_400 : 600)
  }

  /// When a folder or a file directly in it was changed last, in seconds since 1970. A rename counts.
  private static func lastChange(_ path: String) -> Int {
    let inside = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return ([path] + inside.map { "\(path)/\($0)" }).map { path in
      var facts = stat()
      return stat(path, &facts) == 0 ? Int(facts.st_ctim.tv_sec) : 0
    }.max() ?? 0
  }
}
