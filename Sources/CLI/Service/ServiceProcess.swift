import Foundation

/// A service of our own: `tinsmith serve` as a child process, over a folder that goes with it.
final class ServiceProcess: Sendable {
  /// Where it listens.
  let endpoint: String
  private let child: ChildProcess
  private let folder: String

  /// Starts the service on a free port and waits until it is ready.
  ///
  /// - Throws: `CommandError` if it ends before that; its own words are on stderr.
  static func start(threads: Int?) async throws -> ServiceProcess {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tinsmith-\(UUID().uuidString)").path
    var arguments = [
      "serve", "--listen", "tcp://127.0.0.1:*", "--data", folder, "--log", "warning",
    ]
    if let threads { arguments += ["--threads", String(threads)] }
    let child = try ChildProcess(arguments, readsOutput: true)
    guard let line = await child.firstLine(), line.hasPrefix("ready ") else {
      await child.stop()
      try? FileManager.default.removeItem(atPath: folder)
      throw CommandError("the service did not start")
    }
    return ServiceProcess(child, String(line.dropFirst("ready ".count)), folder)
  }

  private init(_ child: ChildProcess, _ endpoint: String, _ folder: String) {
    self.child = child
    self.endpoint = endpoint
    self.folder = folder
  }

  /// Ends the service and removes what it kept.
  func stop() async {
    await child.stop()
    try? FileManager.default.removeItem(atPath: folder)
  }
}
