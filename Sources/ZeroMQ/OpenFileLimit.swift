internal import Glibc

/// How many files and connections this process may have open (`ulimit -n`).
package enum OpenFileLimit {
  /// Why it cannot be used.
  package struct Problem: Error, CustomStringConvertible {
    package let description: String
  }

  /// With fewer a service cannot even start its parts.
  package static let least = 64
  /// Not more than this is asked for, whatever is allowed: it is more than a service can use, and
  /// programs exist that go through all numbers up to their limit.
  package static let most = 24_576

  /// Raises the soft limit to the hard one; processes that this one starts inherit it.
  ///
  /// - Returns: the limit from now on.
  /// - Throws: if it is too low to work with.
  @discardableResult
  package static func raise() throws(Problem) -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      throw Problem(description: "cannot read the limit of open files: \(words)")
    }
    let wanted = max(limit.rlim_cur, min(limit.rlim_max, rlim_t(most)))
    guard wanted >= rlim_t(least) else {
      throw Problem(
        description: "only \(wanted) files may be open at once; raise that to at least "
          + "\(least) (ulimit -n), better to thousands: each connection is one")
    }
    guard wanted > limit.rlim_cur else { return Int(clamping: limit.rlim_cur) }
    limit.rlim_cur = wanted
    guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
      throw Problem(description: "cannot raise the limit of open files: \(words)")
    }
    return Int(clamping: wanted)
  }

  /// The soft and the hard limit now.
  package static var current: (soft: Int, hard: Int) {
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    return (Int(clamping: limit.rlim_cur), Int(clamping: limit.rlim_max))
  }

  private static var words: String { String(cString: strerror(errno)) }
}
