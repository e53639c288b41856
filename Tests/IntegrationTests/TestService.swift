import Foundation
import Glibc
import Tinsmith

/// The service under test: the real program, router and workers in processes of their own, with
/// the tiny golden model beside the embedded one. It ends with this process; most tests share one.
final class TestService: Sendable {
  /// Name of the tiny model: 331 tokens, 256 positions.
  static let tiny = "test/tiny"
  static let vocabulary = 331
  static let positions = 256

  private static let shared = Task { try await TestService() }

  private let process: ServeProcess
  var endpoint: String { process.endpoint }

  /// The service, started at the first use.
  static func running() async throws -> TestService { try await shared.value }

  /// A client with a session of its own.
  static func client() async throws -> ServiceClient {
    ServiceClient(endpoint: try await running().endpoint, timeout: .seconds(60))
  }

  /// A new model on the tiny base; models of one seed are equal.
  static func model(
    _ service: ServiceClient, seed: UInt64 = 11, rank: Int = 4
  ) async throws -> TrainingClient {
    try await service.createLoRATrainingClient(baseModel: tiny, rank: rank, seed: seed).value()
  }

  /// Starts a service.
  init(workers: Int = 2, options: [String] = []) async throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tinsmith-test-\(UUID().uuidString)").path
    TestFolder.removeAtExit(folder)
    process = try await ServeProcess(
      data: folder,
      [
        "--workers", "\(workers)", "--threads", "1",
        "--base", "\(Self.tiny)=\(Program.fixture("qwen3"))", "--log", "error",
      ] + options)
  }

  /// A client with a session of its own.
  func client(timeout: Duration? = .seconds(60)) -> ServiceClient {
    ServiceClient(endpoint: endpoint, timeout: timeout)
  }

  /// Its worker processes: the pid by name.
  var workers: [String: pid_t] { process.workers }

  /// Its router process, while there is one.
  var router: pid_t? { process.router }

  /// Asks the service to end.
  func stop() { process.signal(SIGTERM) }
}

/// The built program.
enum Program {
  /// Beside the test bundle, where the build puts both; TINSMITH names another one.
  static var url: URL {
    if let path = ProcessInfo.processInfo.environment["TINSMITH"] {
      return URL(fileURLWithPath: path)
    }
    return built("tinsmith")
  }

  /// A program of this package.
  private static func built(_ name: String) -> URL {
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    return own.deletingLastPathComponent().appendingPathComponent(name)
  }

  /// Folder of a golden model.
  static func fixture(_ model: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../EngineTests/Fixtures/models/\(model)").standardized.path
  }

  /// Runs the program, or another one of this package, to its end.
  static func run(_ arguments: [String], of name: String? = nil) async throws -> (
    status: Int32, output: String, errors: String
  ) {
    try await run(arguments, at: name.map(built) ?? url)
  }

  /// Runs a program of the system to its end.
  static func run(_ arguments: [String], at url: URL) async throws -> (
    status: Int32, output: String, errors: String
  ) {
    let process = Process()
    let (output, errors) = (Pipe(), Pipe())
    process.executableURL = url
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    return await withCheckedContinuation { continuation in
      Thread {
        // Both are short: a pipe holds them until they are read.
        let said = output.fileHandleForReading.readDataToEndOfFile()
        let complained = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        continuation.resume(
          returning: (
            process.terminationStatus, String(decoding: said, as: UTF8.self),
            String(decoding: complained, as: UTF8.self)
          ))
      }.start()
    }
  }
}

/// Why a test could not be done.
struct Failure: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Folders for the time of a test.
enum TestFolder {
  nonisolated(unsafe) private static var leftover: [String] = []

  /// Removes a folder when this process ends.
  static func removeAtExit(_ path: String) {
    leftover.append(path)
    atexit { for path in TestFolder.leftover { try? FileManager.default.removeItem(atPath: path) } }
  }

  /// Lends an empty folder.
  static func with<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tinsmith-test-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(
      atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
  }
}
