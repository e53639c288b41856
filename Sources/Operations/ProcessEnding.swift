internal import Glibc

/// How a child process ended.
package enum ProcessEnding: Sendable, Equatable {
  /// It returned this exit status.
  case exited(Int32)
  /// This signal ended it.
  case signalled(Int32)

  /// Whether its own work may be what ended it. Somebody's hand (or the system's, when memory ran
  /// out) is not: SIGKILL, SIGTERM and SIGINT say nothing about what it was computing.
  package var isCrash: Bool {
    switch self {
    case .exited(let status): status != 0
    case .signalled(let number): ![SIGKILL, SIGTERM, SIGINT].contains(number)
    }
  }
}

extension ProcessEnding: CustomStringConvertible {
  /// For logs: "ended with status 1", "was ended by SIGSEGV".
  package var description: String {
    switch self {
    case .exited(let status): "ended with status \(status)"
    case .signalled(let number): "was ended by \(Self.names[number] ?? "signal \(number)")"
    }
  }

  private static let names: [Int32: String] = [
    SIGHUP: "SIGHUP", SIGINT: "SIGINT", SIGQUIT: "SIGQUIT", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP",
    SIGABRT: "SIGABRT", SIGBUS: "SIGBUS", SIGFPE: "SIGFPE", SIGKILL: "SIGKILL",
    SIGSEGV: "SIGSEGV", SIGPIPE: "SIGPIPE", SIGALRM: "SIGALRM", SIGTERM: "SIGTERM",
    SIGXCPU: "SIGXCPU", SIGSYS: "SIGSYS",
  ]
}
