import Testing

@testable import Engine

/// Expressions over modules mean what they mean in Python, in bounded time.
@Suite struct ModuleExpressionTests {
  private static func fits(
    _ expression: ModuleExpression, _ path: String, endsCount: Bool = false
  ) throws -> Bool {
    var steps = 100_000
    return try expression.matches(path, endsCount: endsCount, steps: &steps)
  }

  @Test(arguments: [
    ("q_proj", "q_proj", true), ("q_proj", "xq_proj", false), ("q_pro", "q_proj", false),
    ("a.c", "abc", true), (#"a\.c"#, "abc", false), ("(a|bc)*", "abcbca", true),
    ("a+b?", "aa", true), ("a+b?", "b", false), ("a{2,3}", "aaaa", false), ("a{2,}", "aaaa", true),
    ("a{,2}", "aaa", false), ("a{2}", "aa", true), ("[0-9a-c_]+", "1_b", true),
    ("[^.]*", "a.b", false), (#"\d+\.\w"#, "12.x", true), (#"[\d.]+"#, "1.2", true),
    ("[]a]+", "]a", true), ("^a$", "a", true), ("a^b", "ab", false), ("(?:ab)+?", "abab", true),
    ("(?P<n>a)b", "ab", true), ("a||b", "", true), ("", "", true), (".*", "model.x", true),
    ("(.*\\.)?(layers\\.1\\..*)$", "model.layers.1.mlp", true),
    ("(.*\\.)?(layers\\.1\\..*)$", "model.layers.11.mlp", false),
  ])
  func meaning(pattern: String, path: String, fits: Bool) throws {
    #expect(try Self.fits(ModuleExpression(pattern, "rank_pattern"), path) == fits)
  }

  @Test(arguments: [
    ("(?=a)", EngineError.Code.unimplemented), (#"(a)\1"#, .unimplemented), ("a*+", .unimplemented),
    ("(?i)a", .unimplemented), ("a{1,999}", .unimplemented), (#"\b"#, .unimplemented),
    ("a{", .unimplemented), (String(repeating: "(", count: 40), .unimplemented),
    ("(a", .invalidArgument), ("a)", .invalidArgument), ("*a", .invalidArgument),
    ("[a", .invalidArgument), ("[z-a]", .invalidArgument), ("a\\", .invalidArgument),
    (String(repeating: "a", count: 5000), .invalidArgument),
  ])
  func refusals(pattern: String, code: EngineError.Code) throws {
    let error = try #require(throws: EngineError.self) {
      _ = try ModuleExpression(pattern, "rank_pattern")
    }
    #expect(error.code == code && error.field == "adapter_config.rank_pattern", "\(error)")
  }

  @Test func endsBehindADot() throws {
    func fits(_ pattern: String, _ path: String) throws -> Bool {
      try Self.fits(ModuleExpression(pattern, "rank_pattern"), path, endsCount: true)
    }
    #expect(try fits("c|x", "a.b.c") && fits("b.c", "a.b.c") && fits("a.b.c", "a.b.c"))
    #expect(try !fits("c", "a.bc") && !fits("a.b", "a.b.c") && !fits("^c", "a.c"))
  }

  /// What takes a backtracking matcher for ever takes a bounded number of steps.
  @Test func nestedRepeatsEnd() throws {
    let nested = (0..<20).reduce("a") { text, _ in "(\(text))*" }
    let expression = try ModuleExpression(nested + "b", "rank_pattern")
    #expect(try !Self.fits(expression, String(repeating: "a", count: 40)))
    #expect(try Self.fits(expression, String(repeating: "a", count: 40) + "b"))
    var few = 100
    let error = #expect(throws: EngineError.self) {
      _ = try expression.matches(String(repeating: "a", count: 40), endsCount: true, steps: &few)
    }
    #expect(error?.code == .invalidArgument && error?.field == "adapter_config.rank_pattern")
  }
}
