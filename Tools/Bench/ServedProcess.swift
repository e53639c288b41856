import Foundation
import Operations
import RPC
import Wire

/// `tinsmith serve`, the program beside this one, with one worker.
final class ServedProcess {
  let endpoint: String
  private let process = Process()
  /// The service reads the end of this pipe when this process is gone.
  private let lifeline = Pipe()

  /// Starts the service and waits until it is ready.
  /// - Parameters:
  ///   - base: NAME=DIR of a model to serve besides the embedded one.
  ///   - options: more of `tinsmith serve`.
  ///   - onLine: is told every line that the service writes to stderr; nil leaves it ours.
  init(
    threads: Int, base: String?, data: String, workers: Int = 1, log: String = "error",
    options: [String] = [], onLine: (@Sendable (String) -> Void)? = nil
  ) async throws {
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.executableURL = own.deletingLastPathComponent().appendingPathComponent("tinsmith")
    process.arguments =
      [
        "serve", "--listen", "tcp://127.0.0.1:*", "--workers", "\(workers)", "--threads",
        "\(threads)", "--data", data, "--log", log, "--supervised",
      ] + (base.map { ["--base", $0] } ?? []) + options
    let output = Pipe()
    process.standardInput = lifeline
    process.standardOutput = output
    let errors = Pipe()
    if onLine != nil { process.standardError = errors }
    try process.run()
    if let onLine {
      Thread.detachNewThread {
        while let line = Self.line(errors) { onLine(line) }
      }
    }
    let line = await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: Self.line(output) ?? "") }
    }
    guard line.hasPrefix("ready ") else {
      throw RPCError(.unavailable, "the service said: \(line)")
    }
    endpoint = String(line.dropFirst("ready ".count))
  }

  /// The pids of its workers.
  var workers: [Int32] { Array(ProcessList.workers(of: process.processIdentifier).values) }

  func stop() {
    try? lifeline.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// The next line; nil at the end.
  private static func line(_ pipe: Pipe) -> String? {
    var bytes: [UInt8] = []
    while let byte = try? pipe.fileHandleForReading.read(upToCount: 1)?.first {
      if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
      bytes.append(byte)
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }
}
