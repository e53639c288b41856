internal import Glibc

/// How many files, sockets and pipes this process may have open.
package enum DescriptorLimit {
  /// More than this service can use; some programs get slow with very many.
  private static let most = 24_576

  /// Raises the soft limit to the hard one, as far as that is of use.
  /// - Returns: the limit that holds now.
  @discardableResult
  package static func raise() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
    if limit.rlim_cur < limit.rlim_max, limit.rlim_cur < most {
      var raised = limit
      raised.rlim_cur = min(limit.rlim_max, rlim_t(most))
      if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
    }
    return Int(clamping: limit.rlim_cur)
  }
}
