import JSON

/// PEFT's `rank_pattern` and `alpha_pattern`: values for modules, by regular expressions over the
/// path or the end of it behind a dot. The first that fits counts.
struct ModulePattern {
  private var values: [(expression: ModuleExpression, value: JSONValue)] = []

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
      values.append((try ModuleExpression("(.*\\.)?(\(key))$", setting), value))
    }
  }

  /// The value for a module; nil if it has none of its own.
  subscript(module: String) -> JSONValue? {
    values.first { $0.expression.matches(module) }?.value
  }
}
