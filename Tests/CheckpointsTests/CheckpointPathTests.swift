import Checkpoints
import Engine
import Testing
import Wire

@Suite struct CheckpointPathTests {
  @Test(arguments: [
    ("tinsmith://s1:train:0/weights/step-10", CheckpointKind.training),
    ("tinsmith://s1:train:0/sampler_weights/a.b_c", .sampler),
  ])
  func parses(_ text: String, _ kind: CheckpointKind) throws {
    let path = try CheckpointPath(text, field: "path")
    #expect(path.kind == kind)
    #expect(path.model == "s1:train:0")
    #expect(path.text == text)
  }

  /// What would leave the data folder, or is no path at all.
  @Test(arguments: [
    "", "tinsmith://", "tinsmith://m/weights", "tinsmith://m/weights/", "tinsmith://m/other/n",
    "tinsmith://../weights/n", "tinsmith://m/weights/..", "tinsmith://m/weights/a/b",
    "tinsmith:///weights/n", "http://m/weights/n", "tinsmith://m/weights/.hidden",
    "tinsmith://m/weights/n\0", "tinsmith://m/weights/né", "tinsmith://m/weights/a b",
    "tinsmith://m/weights/\(String(repeating: "x", count: 201))",
  ])
  func refuses(_ text: String) {
    let error = #expect(throws: EngineError.self) {
      try CheckpointPath(text, field: "path")
    }
    #expect(error?.code == .invalidArgument)
    #expect(error?.field == "path")
  }
}
