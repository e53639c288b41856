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

  let endpoint: String
  let process: Process
  /// The service reads the end of this pipe when this process is gone.
  private let lifeline: Pipe

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
    process = Process()
    lifeline = Pipe()
    let output = Pipe()
    process.executableURL = Program.url
    process.arguments =
      [
        "serve", "--listen", "tcp://127.0.0.1:*", "--workers", "\(workers)", "--threads", "1",
        "--data", folder, "--base", "\(Self.tiny)=\(Program.fixture("qwen3"))", "--log", "error",
        "--supervised",
      ] + options
    process.standardInput = lifeline
    process.standardOutput = output
    try process.run()
    let line = await withCheckedContinuation { continuation in
      Thread { continuation.resume(returning: Self.firstLine(output)) }.start()
    }
    guard line.hasPrefix("ready ") else { throw Failure("the service said: \(line)") }
    endpoint = String(line.dropFirst("ready ".count))
  }

  /// A client with a session of its own.
  func client(timeout: Duration? = .seconds(60)) -> ServiceClient {
    ServiceClient(endpoint: endpoint, timeout: timeout)
  }

  /// Ends the service and waits for it.
  func stop() {
    try? lifeline.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// Process numbers of its workers, by name.
  func workers() throws -> [String: Int32] {
    let tasks = "/proc/\(process.processIdentifier)/task"
    var found: [String: Int32] = [:]
    for task in try FileManager.default.contentsOfDirectory(atPath: tasks) {
      let children = try? String(contentsOfFile: "\(tasks)/\(task)/children", encoding: .utf8)
      for child in (children ?? "").split(separator: " ").compactMap({ Int32($0) }) {
        guard let data = FileManager.default.contents(atPath: "/proc/\(child)/cmdline") else {
          continue
        }
        let words = data.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        guard let place = words.firstIndex(of: "--name"), place + 1 < words.count else { continue }
        found[words[place + 1]] = child
      }
    }
    return found
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

/// The built program.
enum Program {
  /// Beside the test bundle, where the build puts both; TINSMITH names another one.
  static var url: URL {
    if let path = ProcessInfo.processInfo.environment["TINSMITH"] {
      return URL(fileURLWithPath: path)
    }
    let own = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    return own.deletingLastPathComponent().appendingPathComponent("tinsmith")
  }

  /// Folder of a golden model.
  static func fixture(_ model: String) -> String {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../EngineTests/Fixtures/models/\(model)").standardized.path
  }

  /// Runs the program to its end.
  static func run(_ arguments: [String]) async throws -> (
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
