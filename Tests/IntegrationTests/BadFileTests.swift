import Foundation
import Glibc
import Testing

/// Model folders and adapters that are wrong: the program says what and where, and ends with 1.
@Suite(.timeLimit(.minutes(30))) struct BadFileTests {
  /// Changes to a file of a copied golden model, and what the message must name.
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var file = "model.safetensors"
    var says: String
    var change: @Sendable (Data) -> Data
    var testDescription: String { name }
  }

  static let cases = [
    Case(name: "truncated", says: "model.safetensors") { $0.prefix($0.count - 100) },
    Case(name: "header cut", says: "model.safetensors") { $0.prefix(20) },
    Case(name: "empty", says: "model.safetensors") { _ in Data() },
    Case(name: "header longer than the file", says: "model.safetensors") {
      Data([0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0]) + $0.dropFirst(8)
    },
    Case(name: "header of 2^63 bytes", says: "model.safetensors") {
      Data([UInt8](repeating: 0xFF, count: 8)) + $0.dropFirst(8)
    },
    Case(name: "header that is not JSON", says: "model.safetensors") {
      $0.prefix(8) + Data("]]]]".utf8) + $0.dropFirst(12)
    },
    Case(name: "longer than its header says", says: "model.safetensors") { $0 + Data(count: 64) },
    Case(name: "unknown architecture", file: "config.json", says: "no_such_model") {
      Data(
        String(decoding: $0, as: UTF8.self).replacing("\"qwen3\"", with: "\"no_such_model\"").utf8)
    },
    Case(name: "config that is not JSON", file: "config.json", says: "config.json") { _ in
      Data("{".utf8)
    },
  ]

  @Test(arguments: cases) func baseIsRefused(_ wrong: Case) async throws {
    try await TestFolder.with { folder in
      try Self.copyModel(to: "\(folder)/base")
      let file = URL(fileURLWithPath: "\(folder)/base/\(wrong.file)")
      try wrong.change(try Data(contentsOf: file)).write(to: file)
      let tokens = "\(folder)/tokens.json"
      try Data("[[3, 4, 5]]".utf8).write(to: URL(fileURLWithPath: tokens))
      let (status, _, errors) = try await Program.run([
        "logprobs", "--base", "\(folder)/base", "--tokens", tokens, "--out", "\(folder)/out.json",
      ])
      #expect(status == 1)
      #expect(errors.contains(wrong.says), "\(errors)")
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/out.json"))
    }
  }

  @Test func serveRefusesAModelItCannotRun() async throws {
    try await TestFolder.with { folder in
      try Self.copyModel(to: "\(folder)/base")
      let config = URL(fileURLWithPath: "\(folder)/base/config.json")
      let text = try String(contentsOf: config, encoding: .utf8)
      try text.replacing("\"qwen3\"", with: "\"no_such_model\"")
        .write(to: config, atomically: true, encoding: .utf8)
      let (status, output, errors) = try await Program.run([
        "serve", "--listen", "tcp://127.0.0.1:*", "--data", "\(folder)/data", "--base",
        "odd=\(folder)/base",
      ])
      #expect(status == 1)
      #expect(output.isEmpty)
      #expect(errors.contains("odd"), "\(errors)")
      #expect(errors.contains("no_such_model"), "\(errors)")
    }
  }

  /// Opening a pipe waits for a writer, so it must not be opened like a file.
  @Test(arguments: ["config.json", "model.safetensors"])
  func aPipeIsRefusedAtOnce(_ name: String) async throws {
    try await TestFolder.with { folder in
      try Self.copyModel(to: "\(folder)/base")
      try FileManager.default.removeItem(atPath: "\(folder)/base/\(name)")
      #expect(mkfifo("\(folder)/base/\(name)", 0o600) == 0)
      let (status, _, errors) = try await Program.run([
        "serve", "--listen", "tcp://127.0.0.1:*", "--data", "\(folder)/data", "--base",
        "odd=\(folder)/base",
      ])
      #expect(status == 1)
      #expect(errors.contains("\(name) is not a regular file"), "\(errors)")
    }
  }

  @Test func wrongUsageEndsWithTwo() async throws {
    for arguments in [["no-such-command"], ["serve", "--workers", "0"], ["sample"]] {
      let (status, output, errors) = try await Program.run(arguments)
      #expect(status == 2)
      #expect(output.isEmpty)
      #expect(errors.contains("Usage"))
    }
  }

  private static func copyModel(to folder: String) throws {
    try FileManager.default.copyItem(atPath: Program.fixture("qwen3"), toPath: folder)
  }
}
