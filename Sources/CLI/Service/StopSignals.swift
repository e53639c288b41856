import Dispatch
import Glibc

/// SIGINT and SIGTERM, as calls instead of sudden death.
final class StopSignals {
  private let sources: [any DispatchSourceSignal]

  /// - Parameters:
  ///   - isSupervised: leaves Ctrl-C, which reaches all processes of a terminal, to the supervisor.
  ///   - received: called for each signal, on a queue of the system.
  init(isSupervised: Bool = false, _ received: @escaping @Sendable () -> Void) {
    if isSupervised {
      signal(SIGINT, SIG_IGN)
      // Logs go to a terminal from a process group in its background.
      signal(SIGTTOU, SIG_IGN)
    }
    sources = (isSupervised ? [SIGTERM] : [SIGINT, SIGTERM]).map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler { received() }
      source.activate()
      return source
    }
  }

  deinit { for source in sources { source.cancel() } }
}
