import JSON

/// PEFT's `rank_pattern` and `alpha_pattern`: values for modules, by regular expressions over the
/// path or the end of it behind a dot. The first that fits counts.
struct ModulePattern {
  private var values: [(expression: ModuleExpression, value: JSONValue)] = []

  /// Steps left for all modules together: a literal name takes some ten for each.
  private var steps = 8_000_000

  /// Most keys of one pattern.
  private static let maximumKeys = 4096

  /// - Parameter setting: the key of `adapter_config.json`, for messages.
  /// - Throws: errors of `ModuleExpression`.
  init(_ object: JSONObject?, _ setting: String) throws(EngineError) {
    let members = object?.members ?? []
    guard members.count <= Self.maximumKeys else {
      throw .invalid("adapter_config.\(setting)", "may have \(Self.maximumKeys) keys")
    }
    for (key, value) in members {
      values.append((try ModuleExpression(key, setting), value))
    }
  }

  /// The value for a module; nil if it has none of its own.
  ///
  /// - Throws: `invalidArgument` for expressions that take too long.
  mutating func value(of module: String) throws(EngineError) -> JSONValue? {
    for (expression, value) in values
    where try expression.matches(module, endsCount: true, steps: &steps) {
      return value
    }
    return nil
  }
}
