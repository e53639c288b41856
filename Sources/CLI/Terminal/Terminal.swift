import Foundation
import Glibc
import Logging

/// Where a command writes: results to stdout, everything else to stderr.
enum Terminal {
  /// Whether stdout is a terminal that can redraw a line.
  static var isInteractive: Bool {
    isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  }

  /// Rows and columns of the terminal that stdout is.
  static var size: (rows: Int, columns: Int) {
    var size = winsize()
    let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_row > 1
    return isKnown ? (Int(size.ws_row), Int(size.ws_col)) : (24, 80)
  }

  /// A result, written at once: whoever reads a pipe should not wait for a full buffer.
  static func say(_ text: String, terminator: String = "\n") {
    write(text + terminator, to: STDOUT_FILENO)
  }

  /// A message about the work, not part of its result.
  static func complain(_ text: String) { write(text + "\n", to: STDERR_FILENO) }

  /// Sends the logs of this process to stderr.
  ///
  /// - Parameter level: the least level to show.
  static func startLogging(_ level: Logger.Level = .warning) {
    LoggingSystem.bootstrap { label in
      var handler = StreamLogHandler.standardError(label: label)
      handler.logLevel = level
      return handler
    }
  }

  private static func write(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      // Nobody reads any more.
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}
