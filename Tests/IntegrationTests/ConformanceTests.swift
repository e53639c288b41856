import Foundation
import Testing

/// The scenario that clients of every language execute, by Swift's runner.
@Suite(.timeLimit(.minutes(30))) struct ConformanceTests {
  private static let folder = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().appendingPathComponent("../Conformance").standardized

  /// The first word of a line, e.g. `loss`.
  private static func kind(_ line: String) -> Substring { line.prefix { $0 != " " } }

  /// Lines whose values are bits that another numerics version would change.
  private static let bits: Set<Substring> = [
    "numerics", "loss", "metric", "logprobs", "sample", "sample_logprobs", "prompt_logprobs",
    "topk", "file", "digest",
  ]

  /// One worker: a sampling session that names no source in its requests stays where it is known.
  @Test func scenarioPrintsWhatIsExpected() async throws {
    let service = try await TestService(workers: 1)
    defer { service.stop() }
    let scenario = Self.folder.appendingPathComponent("scenario.json").path
    let (status, output, errors) = try await Program.run(
      [service.endpoint, scenario], of: "tinsmith-conformance")
    #expect(status == 0, "\(errors)")
    let lines = output.split(separator: "\n").map(String.init)
    let file = Self.folder.appendingPathComponent("expected.txt")
    let expected = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
      .map(String.init)
    #expect(lines.count == expected.count)
    // Where the numerics are those of the file, so is every bit.
    let isSameNumerics =
      lines.first { Self.kind($0) == "numerics" }
      == expected.first { Self.kind($0) == "numerics" }
    for (line, wanted) in zip(lines, expected) {
      if isSameNumerics || !Self.bits.contains(Self.kind(wanted)) {
        #expect(line == wanted)
      } else {
        #expect(Self.kind(line) == Self.kind(wanted))
      }
    }
  }
}
