import Foundation
import Glibc
import Synchronization
import Tinsmith

/// A router and workers that this process starts itself, as on several hosts: nobody restarts them,
/// and nobody tells the router of their end.
final class SeparateService: Sendable {
  /// Where clients connect.
  let endpoint: String
  /// Its data folder.
  let data: String
  private let workerEndpoint: String
  private let router: LifelineProcess

  /// - Parameter workers: how many the router waits for before it gives models to any.
  init(data: String, workers: Int = 1) async throws {
    self.data = data
    workerEndpoint = "ipc://\(data)/workers.ipc"
    router = try LifelineProcess(
      [
        "router", "--listen", "tcp://127.0.0.1:*", "--listen-workers", workerEndpoint, "--data",
        data, "--expected-workers", String(workers), "--log", "error",
      ], readsOutput: true)
    let line = await router.firstLine()
    guard line.hasPrefix("ready ") else { throw Failure("the router said: \(line)") }
    endpoint = String(line.dropFirst("ready ".count))
  }

  /// Starts a worker on the tiny model.
  func worker(_ name: String, failpoints: String = "") throws -> LifelineProcess {
    try LifelineProcess(
      [
        "worker", "--router", workerEndpoint, "--name", name, "--data", data, "--threads", "1",
        "--base", "\(TestService.tiny)=\(Program.fixture("qwen3"))", "--log", "error",
        "--supervised",
      ], environment: ["TINSMITH_FAILPOINTS": failpoints])
  }

  /// A client with a session of its own, which waits as long as it takes.
  func client() -> ServiceClient { ServiceClient(endpoint: endpoint, timeout: nil) }

  func stop() { router.signal(SIGTERM) }
}

/// A process of the program that reads from a pipe of ours, and so ends with this one if it cares.
final class LifelineProcess: Sendable {
  private let process: Process
  private let lifeline = Pipe()
  private let output: Pipe?

  init(
    _ arguments: [String], environment: [String: String] = [:], readsOutput: Bool = false
  ) throws {
    process = Process()
    output = readsOutput ? Pipe() : nil
    process.executableURL = Program.url
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment
      .merging(["SWIFT_BACKTRACE": "enable=no"]) { $1 }.merging(environment) { $1 }
    process.standardInput = lifeline
    if let output { process.standardOutput = output }
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  deinit { if process.isRunning { signal(SIGKILL) } }

  func signal(_ number: Int32) { kill(process.processIdentifier, number) }

  var isRunning: Bool { process.isRunning }

  /// The process is stopped by SIGSTOP.
  var isStopped: Bool { isStoppedProcess(process.processIdentifier) }

  /// Waits for its end.
  /// - Returns: the signal that ended it; nil if it ended by itself.
  @discardableResult
  func ended() async -> Int32? {
    while process.isRunning { try? await Task.sleep(for: .milliseconds(5)) }
    return process.terminationReason == .uncaughtSignal ? process.terminationStatus : nil
  }

  /// The first line of its output; empty if it ends without one.
  func firstLine() async -> String {
    guard let output else { return "" }
    return await withCheckedContinuation { continuation in
      Thread {
        var bytes: [UInt8] = []
        while let byte = try? output.fileHandleForReading.read(upToCount: 1)?.first,
          byte != UInt8(ascii: "\n")
        {
          bytes.append(byte)
        }
        continuation.resume(returning: String(decoding: bytes, as: UTF8.self))
      }.start()
    }
  }
}

/// Whether a process is stopped by SIGSTOP: some time after it was sent, on a busy machine.
func isStoppedProcess(_ pid: pid_t) -> Bool {
  guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
    let end = stat.lastIndex(of: ")")
  else { return false }
  return stat[end...].split(separator: " ").dropFirst().first == "T"
}
