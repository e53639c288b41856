import Engine
import Foundation
import RPC
import Synchronization

/// What a worker counts, written by the compute thread and read with every heartbeat.
final class WorkerStatistics: Sendable {
  private struct Counters {
    var totals: [String: Double] = [:]
    var gauges: [String: Double] = [:]
    /// Since when the compute thread does what it does now, and whether that is waiting.
    var since = Monotonic.microseconds()
    var isIdle = true
  }

  private let counters = Mutex(Counters())
  private let memory = Mutex<MemoryAccount?>(nil)

  /// The account is there once the base models are known.
  func use(_ account: MemoryAccount) { memory.withLock { $0 = account } }

  /// Everything by name: counters end in `_total` or `_seconds`.
  var values: [String: Double] {
    var result = counters.withLock { counters in
      Self.settle(&counters)
      return counters.totals.merging(counters.gauges) { _, gauge in gauge }
    }
    result.merge(ProcessMemory.values) { own, _ in own }
    result.merge(memory.withLock { $0?.figures ?? [:] }) { own, _ in own }
    return result
  }

  private static func settle(_ counters: inout Counters) {
    let now = Monotonic.microseconds()
    let name = counters.isIdle ? "compute_idle_seconds" : "compute_busy_seconds"
    counters.totals[name, default: 0] += Double(now - counters.since) / 1e6
    counters.since = now
  }

  /// The compute thread waits, or has something to do again.
  func idle(_ isIdle: Bool) {
    counters.withLock { counters in
      Self.settle(&counters)
      counters.isIdle = isIdle
    }
  }

  func add(_ amounts: [(String, Int)]) {
    counters.withLock { counters in
      for (name, amount) in amounts { counters.totals[name, default: 0] += Double(amount) }
    }
  }

  func set(_ gauges: [String: Double]) { counters.withLock { $0.gauges = gauges } }
}

/// Memory of this process as the system sees it, in bytes.
enum ProcessMemory {
  static var values: [String: Double] {
    var values: [String: Double] = [:]
    let fields = { (path: String) -> [String: Double] in
      guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [:] }
      var found: [String: Double] = [:]
      for line in text.split(separator: "\n") {
        let parts = line.split { $0 == ":" || $0 == " " || $0 == "\t" }
        if parts.count >= 3, parts[2] == "kB", let number = Double(parts[1]) {
          found[String(parts[0])] = number * 1024
        }
      }
      return found
    }
    let own = fields("/proc/self/status")
    if let resident = own["RssAnon"] { values["memory_private_bytes"] = resident }
    if let resident = own["VmRSS"] { values["memory_resident_bytes"] = resident }
    return values
  }
}
