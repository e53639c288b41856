import Foundation
import Glibc
import LoadTestCore

/// Where the program writes: results to stdout, everything else to stderr.
enum Output {
  /// Columns of stderr if it is a terminal that can redraw lines; nil otherwise.
  static var columns: Int? {
    guard isatty(STDERR_FILENO) == 1, ProcessInfo.processInfo.environment["TERM"] != "dumb" else {
      return nil
    }
    var size = winsize()
    let known = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return known ? Int(size.ws_col) : 80
  }

  /// A result.
  static func say(_ text: String) { write(Array((text + "\n").utf8), to: STDOUT_FILENO) }

  /// A message about the work, not part of its result.
  static func complain(_ text: String) { write(Array((text + "\n").utf8), to: STDERR_FILENO) }

  /// Text for a terminal, as it is.
  static func draw(_ text: String) { write(Array(text.utf8), to: STDERR_FILENO) }

  static func write(_ bytes: [UInt8], to descriptor: Int32) {
    var bytes = bytes[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      // Nobody reads any more.
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }
}

/// Files that the user names.
enum Files {
  /// - Throws: `LoadError` if it cannot be read.
  static func text(_ path: String) throws(LoadError) -> String {
    guard let text = String(validating: try data(path), as: UTF8.self) else {
      throw LoadError("not text in UTF-8", at: path)
    }
    return text
  }

  /// A saved result.
  /// - Throws: `LoadError` if there is none.
  static func report(_ path: String) throws(LoadError) -> Report {
    let data = try data(path)
    do throws(LoadError) {
      return try Report(json: data)
    } catch {
      throw error.inside(path)
    }
  }

  /// - Throws: `RunError` if it cannot be written.
  static func write(_ data: Data, to path: String) throws(RunError) {
    if path == "-" {
      Output.write(Array(data) + [10], to: STDOUT_FILENO)
      return
    }
    do {
      try data.write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw RunError("\(path) cannot be written: \(error.localizedDescription)")
    }
  }

  private static func data(_ path: String) throws(LoadError) -> Data {
    do {
      return try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      throw LoadError("cannot be read: \(error.localizedDescription)", at: path)
    }
  }
}
