import JSON

/// What a config says of rotary positions. `rope_scaling` that is not empty replaces
/// `rope_parameters` whole; what is missing inside is taken from the top level, then by default.
struct RopeTable {
  let theta: Double
  private(set) var scaling = RotaryScaling.none
  let warnings: [String]

  private let table: [String: JSONValue]
  private let name: String

  /// Settings of each type beside `rope_type` and `rope_theta`.
  private static let settings: [String: Set<String>] = [
    "default": [], "linear": ["factor"],
    "llama3": ["factor", "low_freq_factor", "high_freq_factor", original],
    "yarn": [
      "factor", original, "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim",
      "truncate",
    ],
  ]
  private static let original = "original_max_position_embeddings"

  /// - Throws: `invalidArgument` or `unimplemented` naming the key.
  init(_ config: ConfigTable, maxPositions: Int) throws(EngineError) {
    let old = config["rope_scaling"]?.object
    let isOld = old?.members.isEmpty == false
    name = isOld ? "rope_scaling" : "rope_parameters"
    if let list = config["rope_scaling"]?.array, !list.isEmpty {
      throw .invalid("config.rope_scaling", "must be an object, is a list")
    }
    let object = isOld ? old : config["rope_parameters"]?.object
    var table = Dictionary(
      (object?.members ?? []).map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    for key in ["rope_theta", "partial_rotary_factor"] where table[key] == nil {
      table[key] = config[key]
    }
    // transformers, too, looks for this one at the top level first.
    if let value = config[Self.original] { table[Self.original] = value }
    self.table = table
    theta = try ConfigTable.number(table["rope_theta"] ?? 10000, "config.rope_theta", 1...1e15)
    let type = table["rope_type"] ?? table["type"] ?? "default"
    guard let kind = type.string, let settings = Self.settings[kind] else {
      let why =
        ["dynamic", "longrope"].contains(type.string)
        ? " (its angles depend on the length of the sequence, so that a position's log-probs would "
          + "depend on what follows)" : ""
      throw EngineError(
        .unimplemented, "rope type \(type.text.prefix(40)) is not supported\(why)",
        field: "config.\(name)")
    }
    if kind != "default", let part = table["partial_rotary_factor"], !part.isNull {
      guard try ConfigTable.number(part, "config.partial_rotary_factor", 0...1) == 1 else {
        throw EngineError(
          .unimplemented, "rotation of a part of each head is not supported",
          field: "config.partial_rotary_factor")
      }
    }
    let isWhole = (table["partial_rotary_factor"] ?? .null).isNull
    let known = settings.union(["rope_type", "type", "rope_theta", Self.original])
    var unread: [String] = []
    for (key, value) in table.sorted(by: { $0.key < $1.key }) where !known.contains(key) {
      if key == "partial_rotary_factor", isWhole || kind != "default" { continue }
      guard value.object == nil else {
        throw EngineError(
          .unimplemented, "rotary positions by layer type are not supported",
          field: "config.\(name).\(key)")
      }
      unread.append(key)
    }
    warnings =
      unread.isEmpty
      ? []
      : ["config.json: rope type \(kind) does not read \(unread.joined(separator: ", "))"]
    scaling = try makeScaling(kind, maxPositions: maxPositions)
  }

  private func factor(
    _ key: String, _ range: ClosedRange<Double>
  ) throws(EngineError) -> Double {
    try ConfigTable.number(table[key], "config.\(name).\(key)", range)
  }

  /// A number that may be absent or null.
  private func optional(
    _ key: String, _ range: ClosedRange<Double>
  ) throws(EngineError) -> Double? {
    guard let value = table[key], !value.isNull else { return nil }
    return try ConfigTable.number(value, "config.\(name).\(key)", range)
  }

  private func makeScaling(
    _ type: String, maxPositions: Int
  ) throws(EngineError) -> RotaryScaling {
    guard type != "default" else { return .none }
    guard type != "linear" else {
      return .linear(factor: Float(try factor("factor", 1...1e6)))
    }
    let value = table[Self.original] ?? .int(maxPositions)
    guard let original = value.int, 1...1 << 24 ~= original else {
      throw .invalid(
        "config.\(name).\(Self.original)", "must be 1...\(1 << 24), is \(value.text.prefix(40))")
    }
    guard type == "llama3" else {
      return .yarn(try yarn(original: original, maxPositions: maxPositions))
    }
    let low = try factor("low_freq_factor", 1e-6...1e6)
    let high = try factor("high_freq_factor", low...1e6)
    guard high > low else {
      throw .invalid("config.\(name).high_freq_factor", "must be above low_freq_factor")
    }
    return .llama3(
      factor: Float(try factor("factor", 1...1e6)), lowFactor: Float(low), highFactor: Float(high),
      originalLength: original)
  }

  private func yarn(original: Int, maxPositions: Int) throws(EngineError) -> YaRN {
    guard let given = table["factor"] else {
      throw .invalid("config.\(name).factor", "is absent")
    }
    let factor =
      given.isNull
      ? Double(maxPositions) / Double(original) : try factor("factor", 1...1e6)
    if let value = table["truncate"], value.bool == nil {
      throw .invalid(
        "config.\(name).truncate", "must be true or false, is \(value.text.prefix(40))")
    }
    guard theta > 1 else { throw .invalid("config.rope_theta", "must be above 1 for yarn") }
    // As in Python, 0 counts as absent.
    func orDefault(_ key: String, _ fallback: Double) throws(EngineError) -> Double {
      let value = try optional(key, 0...1e6) ?? 0
      return value == 0 ? fallback : value
    }
    let scale = try optional("mscale", 0...1e3) ?? 0
    let allScale = try optional("mscale_all_dim", 0...1e3) ?? 0
    let attention: Double
    if let value = try optional("attention_factor", 0...1e3) {
      attention = value
    } else if scale != 0, allScale != 0 {
      attention = YaRN.magnitude(factor, scale) / YaRN.magnitude(factor, allScale)
    } else {
      attention = YaRN.magnitude(factor, 1)
    }
    return YaRN(
      factor: factor, originalLength: original, betaFast: try orDefault("beta_fast", 32),
      betaSlow: try orDefault("beta_slow", 1), isTruncated: table["truncate"]?.bool ?? true,
      attentionFactor: attention)
  }
}
