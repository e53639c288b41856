import Glibc

/// Which version of a file this is: what replaces a file has another inode or time.
package struct FileIdentity: Equatable, Sendable {
  let device: UInt64
  let inode: UInt64
  package let seconds: Int
  package let nanoseconds: Int

  /// Nil when there is no such file.
  package init?(_ path: String) {
    var facts = stat()
    guard stat(path, &facts) == 0 else { return nil }
    device = UInt64(facts.st_dev)
    inode = UInt64(facts.st_ino)
    seconds = facts.st_mtim.tv_sec
    nanoseconds = facts.st_mtim.tv_nsec
  }

  /// The same as a text, to be kept and compared.
  package var text: String { "\(device) \(inode) \(seconds).\(nanoseconds)" }

  /// When it was changed, in milliseconds since 1970.
  var changedUnixMilliseconds: UInt64 {
    UInt64(max(0, seconds)) * 1000 + UInt64(nanoseconds) / 1_000_000
  }

  /// It was changed so recently that a second change could have left the same times: file systems
  /// count time in steps, and other hosts' clocks differ a little.
  package func isRecent(at now: Int = time(nil)) -> Bool { seconds >= now - 2 }
}
