import Foundation
import Glibc

/// How much memory a worker may use, as its options say.
package struct MemoryOptions: Sendable, Equatable {
  /// Bytes of one worker; nil for its part of what there is.
  package var memoryBytes: Int?
  /// Bytes of them for keys and values; nil for a part that follows from the rest.
  package var kvCacheBytes: Int?

  package init(memoryBytes: Int? = nil, kvCacheBytes: Int? = nil) {
    self.memoryBytes = memoryBytes
    self.kvCacheBytes = kvCacheBytes
  }

  /// The same with the default filled in: three quarters of the machine's memory, or of what the
  /// control group allows, in equal parts for all workers.
  package func resolved(workers: Int = 1) -> MemoryOptions {
    var options = self
    if memoryBytes == nil {
      options.memoryBytes = Self.availableBytes() / 4 * 3 / max(workers, 1)
    }
    return options
  }

  /// The machine's memory, or the smallest limit of the control groups that this process is in.
  static func availableBytes() -> Int {
    let machine = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    return controlGroupLimits().reduce(machine, min)
  }

  private static func controlGroupLimits() -> [Int] {
    guard let text = try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8) else {
      return []
    }
    var files = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
    for line in text.split(separator: "\n") {
      // number:controllers:path; version 2 names no controllers.
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isSecond = parts[1].isEmpty
      guard isSecond || parts[1].split(separator: ",").contains("memory") else { continue }
      let (root, name) =
        isSecond
        ? ("/sys/fs/cgroup", "memory.max")
        : ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
      var path = String(parts[2])
      while path.count > 1 {
        files.append("\(root)\(path)/\(name)")
        path = (path as NSString).deletingLastPathComponent
      }
    }
    return files.compactMap { file in
      (try? String(contentsOfFile: file, encoding: .utf8)).flatMap {
        Int($0.trimmingCharacters(in: .whitespacesAndNewlines))
      }
    }.filter { $0 > 0 }
  }
}
