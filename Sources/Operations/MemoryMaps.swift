internal import Foundation

/// What the system says of a process's memory (`/proc/PID/smaps`), in bytes.
package struct MemoryMaps: Sendable, Equatable {
  /// A kind of memory: one file's mappings, or everything without a file.
  package struct Usage: Sendable, Equatable {
    /// In memory at all.
    package var resident = 0
    /// The process's share: pages that N processes have count one Nth.
    package var proportional = 0
    /// What nobody else has.
    package var owned = 0
  }

  /// By the path of the mapped file; memory without a file is under "".
  package private(set) var files: [String: Usage] = [:]

  /// Reads the text of `smaps`; lines that are not understood are skipped.
  package init(_ text: some StringProtocol) {
    var path = ""
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ", omittingEmptySubsequences: true)
      guard let first = words.first else { continue }
      // 7f00-7f10 r--s 00000000 fe:00 1234   /path, or Name:   12 kB
      guard first.last == ":" else {
        let isFile = words.count > 5 && words[5].hasPrefix("/")
        path = isFile ? words[5...].joined(separator: " ") : ""
        continue
      }
      guard words.count == 3, words[2] == "kB", let count = Int(words[1]) else { continue }
      switch first {
      case "Rss:": files[path, default: Usage()].resident += count << 10
      case "Pss:": files[path, default: Usage()].proportional += count << 10
      case "Private_Clean:", "Private_Dirty:": files[path, default: Usage()].owned += count << 10
      default: break
      }
    }
  }

  /// What a running process has now.
  ///
  /// - Throws: an error of the system if there is no such process or it is somebody else's.
  package init(of pid: Int32) throws {
    // To the end: the system gives it in pieces and cannot say how long it is.
    let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/\(pid)/smaps"))
    defer { try? file.close() }
    self.init(String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self))
  }

  /// The sum of all whose path satisfies `condition`.
  package func total(_ condition: (String) -> Bool = { _ in true }) -> Usage {
    files.reduce(into: Usage()) { sum, entry in
      guard condition(entry.key) else { return }
      sum.resident += entry.value.resident
      sum.proportional += entry.value.proportional
      sum.owned += entry.value.owned
    }
  }
}
