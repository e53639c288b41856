/// When to start a process again that ended, or that could not be started: at once the first time,
/// and later and later while it keeps ending by itself soon after its start.
package struct RestartPolicy: Sendable {
  /// A process that ran for so long has earned an immediate restart.
  package static let steadyAfter = Duration.seconds(10)
  /// The pause after the second end in a row; it doubles with each further one.
  package static let firstPause = Duration.milliseconds(500)
  /// A process that is killed from outside sooner than this after its start has a pause, too, which
  /// does not grow: what it is says nothing about why it was killed.
  package static let shortest = Duration.seconds(1)

  /// Pauses do not grow beyond this.
  package let longestPause: Duration
  /// Ends by itself in a row, each within `steadyAfter` of the start before it.
  package private(set) var streak = 0

  package init(longestPause: Duration = .seconds(30)) { self.longestPause = longestPause }

  /// The process ended, or could not be started.
  ///
  /// - Parameters:
  ///   - ran: how long it ran since it was started; zero for a failed start.
  ///   - byItself: not by a kill from outside.
  /// - Returns: how long to wait before it is started again.
  package mutating func pause(afterRunning ran: Duration, byItself: Bool) -> Duration {
    if ran >= Self.steadyAfter { streak = 0 }
    guard byItself else {
      return ran >= Self.shortest ? .zero : min(Self.firstPause, longestPause)
    }
    streak += 1
    guard streak > 1 else { return .zero }
    var pause = Self.firstPause
    for _ in 2..<streak where pause < longestPause { pause *= 2 }
    return min(pause, longestPause)
  }
}
