internal import Foundation

/// Tells whether the kernel killed a process because memory ran out. The process's end looks like
/// any SIGKILL, but the kernel counts such kills.
package struct OutOfMemoryKills: Sendable {
  /// The count one look ago, and now: a kill that was counted just before a look is still news
  /// when the process's end is heard of.
  private var before: UInt64?
  private var now: UInt64?

  package init() {}

  /// To be called about once a second with the count; nil if there is none to be read.
  package mutating func look(_ count: UInt64?) {
    before = now
    now = count
  }

  /// A process was ended by a SIGKILL of unknown origin just now.
  ///
  /// - Returns: whether the kernel did it, for all that can be known; each kill explains one end.
  package mutating func explain(_ count: UInt64?) -> Bool {
    guard let count else { return false }
    guard let known = before ?? now, count > known else {
      now = count
      return false
    }
    before = known + 1
    now = max(known + 1, now ?? 0)
    return true
  }

  // MARK: Reading

  /// The kernel's count for this process's control group, or else for the machine; nil if the
  /// system tells neither.
  package static func count() -> UInt64? {
    let groups = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
    for path in paths(ofGroups: groups) {
      if let text = try? String(contentsOfFile: path, encoding: .utf8), let count = count(in: text)
      {
        return count
      }
    }
    return nil
  }

  /// Where the count may be, the best place first.
  ///
  /// - Parameter text: of `/proc/self/cgroup`.
  static func paths(ofGroups text: String) -> [String] {
    var paths: [String] = []
    for line in text.split(separator: "\n") {
      // number:controllers:path; version 2 has no controllers.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let path = parts[2] == "/" ? "" : parts[2]
      if parts[1].isEmpty {
        paths.append("/sys/fs/cgroup\(path)/memory.events")
      } else if parts[1].split(separator: ",").contains("memory") {
        paths.append("/sys/fs/cgroup/memory\(path)/memory.oom_control")
      }
    }
    // Inside a container the group may be mounted at the root, under another path than told.
    paths += [
      "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control", "/proc/vmstat",
    ]
    return paths
  }

  /// The number behind `oom_kill`: so it is written in `memory.events`, `memory.oom_control` and
  /// `/proc/vmstat`.
  static func count(in text: String) -> UInt64? {
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count == 2, words[0] == "oom_kill" { return UInt64(words[1]) }
    }
    return nil
  }
}
