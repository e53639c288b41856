import Foundation
import Glibc
import Operations

/// `tinsmith serve` as a process of its own that is ready. It ends with this process at the latest.
final class ServeProcess: Sendable {
  /// Where clients connect.
  let endpoint: String
  /// Its data folder.
  let data: String
  private let process: Process
  /// The service reads the end of this pipe when this process is gone.
  private let lifeline: Pipe
  private let log: String

  /// - Parameters:
  ///   - data: its data folder.
  ///   - listen: where clients connect; a free port unless given.
  ///   - log: the file for what it writes to stderr; nil for our own stderr.
  ///   - before: what the shell does before it becomes the service.
  init(
    data: String, listen: String = "tcp://127.0.0.1:*", log: String? = nil, before: String? = nil,
    _ arguments: [String]
  ) async throws {
    self.data = data
    self.log = log ?? ""
    process = Process()
    lifeline = Pipe()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments =
      ["-c", "\(before.map { "\($0) && " } ?? "")exec \"$0\" \"$@\"", Program.url.path]
      + ["serve", "--listen", listen, "--data", data, "--supervised"] + arguments
    process.standardInput = lifeline
    process.standardOutput = output
    if let log {
      _ = FileManager.default.createFile(atPath: log, contents: nil)
      process.standardError = FileHandle(forWritingAtPath: log)
    }
    try process.run()
    let line = await withCheckedContinuation { continuation in
      Thread { continuation.resume(returning: Self.firstLine(output)) }.start()
    }
    guard line.hasPrefix("ready ") else { throw Failure("the service said: \(line)") }
    endpoint = String(line.dropFirst("ready ".count))
  }

  private static func firstLine(_ pipe: Pipe) -> String {
    var bytes: [UInt8] = []
    while let byte = try? pipe.fileHandleForReading.read(upToCount: 1)?.first,
      byte != UInt8(ascii: "\n")
    {
      bytes.append(byte)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// What it wrote to stderr so far.
  var words: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

  /// Its worker processes: the pid by name.
  var workers: [String: pid_t] { ProcessList.workers(of: process.processIdentifier) }

  /// Its router process, while there is one.
  var router: pid_t? { ProcessList.router(of: process.processIdentifier) }

  /// The supervisor.
  var pid: pid_t { process.processIdentifier }

  /// Sends it a signal.
  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  /// Waits until it has ended, and gives its exit status or signal.
  @discardableResult
  func ended() async -> Int32 {
    while process.isRunning { try? await Task.sleep(for: .milliseconds(10)) }
    return process.terminationStatus
  }

  /// Ends it in good order.
  func stop() async {
    signal(SIGTERM)
    await ended()
  }
}

/// Waits for something that comes by itself.
func eventually(
  within limit: Duration = .seconds(30), _ what: String, _ condition: () async throws -> Bool
) async throws {
  let clock = ContinuousClock()
  let deadline = clock.now + limit
  while try await !condition() {
    guard clock.now < deadline else { throw Failure("not within \(limit): \(what)") }
    try await Task.sleep(for: .milliseconds(50))
  }
}
