internal import Glibc

/// Seconds since a run's second 0: monotonic, negative during the warm-up.
package struct Clock: Sendable {
  private let origin: Double

  /// A clock that reaches 0 in so many seconds.
  package init(zeroIn seconds: Double = 0) { origin = Self.monotonic() + seconds }

  /// Now.
  package var now: Double { Self.monotonic() - origin }

  /// Blocks the thread until a moment. For threads of our own only.
  package func sleepThread(until time: Double) {
    let left = min(time - now, 3600)
    guard left > 0 else { return }
    var wanted = timespec(
      tv_sec: Int(left), tv_nsec: Int((left - left.rounded(.down)) * 1e9))
    nanosleep(&wanted, nil)
  }

  /// Suspends the task until a moment.
  /// - Throws: `CancellationError`.
  package func sleep(until time: Double) async throws {
    let left = time - now
    if left > 0 { try await Task.sleep(for: .seconds(left)) }
  }

  private static func monotonic() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }
}
