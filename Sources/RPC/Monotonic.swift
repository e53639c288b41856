internal import Glibc

/// The clock of loops and deadlines: it never goes back and means nothing outside of the process.
package enum Monotonic {
  /// Microseconds since some fixed moment.
  package static func microseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000 + UInt64(time.tv_nsec) / 1000
  }

  /// Milliseconds since some fixed moment.
  package static func milliseconds() -> UInt64 { microseconds() / 1000 }
}
