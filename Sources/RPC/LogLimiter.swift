internal import Synchronization

/// Keeps peers from filling a log: so many lines a period, the others are counted.
package final class LogLimiter: Sendable {
  private struct State {
    var since: UInt64 = 0
    var lines = 0
    var dropped: UInt64 = 0
  }

  private let lines: Int
  private let milliseconds: UInt64
  private let state = Mutex(State())

  /// - Parameters:
  ///   - lines: how many go through in a period.
  ///   - milliseconds: the period.
  package init(lines: Int = 10, milliseconds: UInt64 = 10_000) {
    self.lines = lines
    self.milliseconds = milliseconds
  }

  /// Runs `log` unless there were too many lines of late. The first line of a period says how many
  /// were left out before it.
  /// - Parameter text: control characters in it are escaped.
  package func log(
    _ text: @autoclosure () -> String, now: UInt64 = Monotonic.milliseconds(),
    _ log: (String) -> Void
  ) {
    let dropped: UInt64? = state.withLock { state in
      if now >= state.since + milliseconds || state.since == 0 {
        defer { state = State(since: max(1, now), lines: 1) }
        return state.dropped
      }
      state.lines += 1
      if state.lines <= lines { return 0 }
      state.dropped += 1
      return nil
    }
    guard let dropped else { return }
    let line = Self.escaped(text())
    log(dropped == 0 ? line : "\(line) (\(dropped) lines like this were left out before it)")
  }

  /// A text as it may stand in a log: control characters and line separators as `\u{…}`, at most
  /// `limit` characters.
  package static func escaped(_ text: String, limit: Int = 500) -> String {
    var result = ""
    for scalar in text.unicodeScalars.prefix(limit) {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return text.unicodeScalars.count > limit ? result + "…" : result
  }
}
