import Checkpoints
import Engine
import Testing
import Wire

@Suite struct CheckpointPathTests {
  @Test(arguments: [
    ("tinsmith://s1:train:0/weights/step-10", CheckpointKind.training),
    ("tinsmith://s1:train:0/sampler_weights/a.b_c", .sampler),
    ("tinsmith://s1:train:0/sampler_weights/@18446744073709551615", .sampler),
  ])
  func parses(_ text: String, _ kind: CheckpointKind) throws {
    let path = try CheckpointPath(text, field: "path")
    #expect(path.kind == kind)
    #expect(path.model == "s1:train:0")
    #expect(path.text == text)
  }

  /// Weights without a name are where a model's records are, and no name can be theirs.
  @Test func unnamedOnesGoWithTheSession() throws {
    let path = try CheckpointPath(unnamedOf: "s1:train:0", seq: 5, field: "stream")
    #expect(path.isUnnamed && path.text == "tinsmith://s1:train:0/sampler_weights/@5")
    #expect(path.relativeFolder == "models/s1:train:0/sampler_weights/@5")
    #expect(try CheckpointPath(path.text, field: "path") == path)
    #expect(throws: EngineError.self) {
      try CheckpointPath(model: "s1:train:0", kind: .sampler, name: "@5", field: "name")
    }
  }

  /// What would leave the data folder, or is no path at all.
  @Test(arguments: [
    "", "tinsmith://", "tinsmith://m/weights", "tinsmith://m/weights/", "tinsmith://m/other/n",
    "tinsmith://../weights/n", "tinsmith://m/weights/..", "tinsmith://m/weights/a/b",
    "tinsmith:///weights/n", "http://m/weights/n", "tinsmith://m/weights/.hidden",
    "tinsmith://m/weights/n\0", "tinsmith://m/weights/né", "tinsmith://m/weights/a b",
    "tinsmith://m/weights/@5", "tinsmith://m/sampler_weights/@", "tinsmith://m/sampler_weights/@x",
    "tinsmith://m/sampler_weights/@05", "tinsmith://m/sampler_weights/@+5",
    "tinsmith://m/sampler_weights/@18446744073709551616", "tinsmith://@5/sampler_weights/@5",
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
