import Dispatch
import Glibc

/// SIGINT and SIGTERM, as calls instead of sudden death.
final class StopSignals {
  private let sources: [any DispatchSourceSignal]

  /// - Parameter received: called for each signal, on a queue of the system.
  init(_ received: @escaping @Sendable () -> Void) {
    sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler { received() }
      source.activate()
      return source
    }
  }

  deinit { for source in sources { source.cancel() } }

  /// A supervised process leaves Ctrl-C to its supervisor, which gets it, too.
  static func ignoreInterrupt() { signal(SIGINT, SIG_IGN) }
}
