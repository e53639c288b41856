/// When to start a process again that ended by itself: at once the first time, and later and later
/// while it keeps ending soon after its start.
package struct RestartPolicy: Sendable {
  /// A process that ran for so long has earned an immediate restart.
  package static let steadyAfter = Duration.seconds(10)
  /// The pause after the second end in a row; it doubles with each further one.
  package static let firstPause = Duration.milliseconds(500)
  /// Pauses do not grow beyond this.
  package static let longestPause = Duration.seconds(30)

  /// Ends in a row, each within `steadyAfter` of the start before it.
  package private(set) var streak = 0

  package init() {}

  /// The process ended.
  ///
  /// - Parameter ran: how long it ran since it was started.
  /// - Returns: how long to wait before it is started again.
  package mutating func pause(afterRunning ran: Duration) -> Duration {
    streak = ran < Self.steadyAfter ? streak + 1 : 1
    guard streak > 1 else { return .zero }
    var pause = Self.firstPause
    for _ in 2..<streak where pause < Self.longestPause { pause *= 2 }
    return min(pause, Self.longestPause)
  }
}
