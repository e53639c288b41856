import Foundation

/// The processes of this machine.
package enum ProcessList {
  /// The processes below one that were given a name, by the argument of `--name`.
  package static func workers(of parent: Int32) -> [String: Int32] {
    var result: [String: Int32] = [:]
    for (pid, arguments) in children(of: parent) {
      guard let flag = arguments.firstIndex(of: "--name"), flag + 1 < arguments.count else {
        continue
      }
      result[arguments[flag + 1]] = pid
    }
    return result
  }

  /// The `tinsmith router` below a process.
  package static func router(of parent: Int32) -> Int32? {
    children(of: parent).first { $0.value.count > 1 && $0.value[1] == "router" }?.key
  }

  /// Whether a process is stopped by a signal (and not by a debugger).
  package static func isStopped(_ pid: Int32) -> Bool { facts(of: pid)?.state == "T" }

  /// What `/proc/PID/stat` says: pid (name) state parent …
  private static func facts(of pid: Int32) -> (state: Substring, parent: Int32)? {
    guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
      let fields = text.lastIndex(of: ")").map({ text[$0...].split(separator: " ") }),
      fields.count > 2, let parent = Int32(fields[2])
    else { return nil }
    return (fields[1], parent)
  }

  /// The arguments of the processes below one that have not ended.
  private static func children(of parent: Int32) -> [Int32: [String]] {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    var result: [Int32: [String]] = [:]
    for pid in entries.compactMap({ Int32($0) }) {
      guard facts(of: pid)?.parent == parent,
        let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline"), !line.isEmpty
      else { continue }
      result[pid] = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }
    return result
  }
}
