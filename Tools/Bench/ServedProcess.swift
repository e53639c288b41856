import Foundation
import RPC
import Wire

/// `tinsmith serve`, the program beside this one, with one worker.
final class ServedProcess {
  let endpoint: String
  private let process = Process()
  /// The service reads the end of this pipe when this process is gone.
  private let lifeline = Pipe()

  /// Starts the service and waits until it is ready.
  /// - Parameter base: NAME=DIR of a model to serve besides the embedded one.
  init(threads: Int, base: String?, data: String, workers: Int = 1) async throws {
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.executableURL = own.deletingLastPathComponent().appendingPathComponent("tinsmith")
    process.arguments =
      [
        "serve", "--listen", "tcp://127.0.0.1:*", "--workers", "\(workers)", "--threads",
        "\(threads)", "--data", data, "--log", "error", "--supervised",
      ] + (base.map { ["--base", $0] } ?? [])
    let output = Pipe()
    process.standardInput = lifeline
    process.standardOutput = output
    try process.run()
    let line = await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: Self.firstLine(output)) }
    }
    guard line.hasPrefix("ready ") else {
      throw RPCError(.unavailable, "the service said: \(line)")
    }
    endpoint = String(line.dropFirst("ready ".count))
  }

  /// The pids of its workers.
  var workers: [Int32] {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return entries.compactMap { Int32($0) }.filter { pid in
      // pid (name) state parent …
      guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
        let fields = stat.lastIndex(of: ")").map({ stat[$0...].split(separator: " ") })
      else { return false }
      return fields.count > 2 && Int32(fields[2]) == process.processIdentifier
    }
  }

  func stop() {
    try? lifeline.fileHandleForWriting.close()
    process.waitUntilExit()
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
}
