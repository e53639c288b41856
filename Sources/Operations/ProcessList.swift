import Foundation

/// The processes of this machine.
package enum ProcessList {
  /// The processes below one that were given a name, by the argument of `--name`.
  package static func workers(of parent: Int32) -> [String: Int32] {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    var result: [String: Int32] = [:]
    for pid in entries.compactMap({ Int32($0) }) {
      // pid (name) state parent …
      guard let facts = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
        let fields = facts.lastIndex(of: ")").map({ facts[$0...].split(separator: " ") }),
        fields.count > 2, Int32(fields[2]) == parent,
        let line = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline")
      else { continue }
      let arguments = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      guard let flag = arguments.firstIndex(of: "--name"), flag + 1 < arguments.count else {
        continue
      }
      result[arguments[flag + 1]] = pid
    }
    return result
  }
}
