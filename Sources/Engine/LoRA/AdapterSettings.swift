import JSON

/// PEFT's `adapter_config.json` as we read it.
struct AdapterSettings {
  /// The modules that the adapter was made for.
  let targets: AdapterTargets
  private let object: JSONObject

  /// Settings that are understood.
  private static let known: Set<String> = [
    "peft_type", "task_type", "base_model_name_or_path", "r", "lora_alpha", "lora_dropout", "bias",
    "fan_in_fan_out", "inference_mode", "init_lora_weights", "target_modules", "use_rslora",
    "use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "ensure_weight_tying",
    "exclude_modules", "layers_pattern", "layers_to_transform",
  ]

  /// Settings beside those that do not change what the saved tensors mean: how they began, who wrote
  /// them.
  private static let harmless: Set<String> = [
    "auto_mapping", "corda_config", "eva_config", "loftq_config", "lora_ga_config",
    "megatron_config", "revision", "runtime_config",
  ]

  /// - Throws: `notFound`, `dataLoss` for a file that is not JSON, `invalidArgument` or
  ///   `unimplemented` naming a setting.
  init(path: String) throws(EngineError) {
    object = try JSONFiles.object(path)
    targets = try AdapterTargets(object)
  }

  /// Whether a setting is true or lists something. A bare number or text is a detail of another
  /// setting.
  private static func isSwitchedOn(_ value: JSONValue) -> Bool {
    switch value {
    case .bool(let isOn): isOn
    case .array(let items): !items.isEmpty
    case .object(let object): !object.members.isEmpty
    default: false
    }
  }

  /// A setting of one type; nil where it is absent or null.
  private func value<Value>(
    _ key: String, _ what: String, _ read: (JSONValue) -> Value?
  ) throws(EngineError) -> Value? {
    guard let value = object[key], !value.isNull else { return nil }
    guard let result = read(value) else {
      throw Self.invalid(key, "must be \(what), is \(value.text.prefix(40))")
    }
    return result
  }

  private func flag(_ key: String) throws(EngineError) -> Bool {
    try value(key, "true or false", \.bool) ?? false
  }

  private static func number(_ value: JSONValue) -> Double? {
    switch value {
    case .int(let integer): Double(integer)
    case .double(let double): double
    default: nil
    }
  }

  /// The config of an adapter with factors at `sites`, some of `all` of the model's.
  ///
  /// - Throws: `unimplemented` for what an adapter of ours cannot express and `invalidArgument` for
  ///   a value out of range; both name the setting.
  func loraConfig(
    sites: [AdapterSite], of all: [AdapterSite], seed: UInt64
  ) throws(EngineError) -> LoRAConfig {
    try refuseUnsupported()
    if try flag("ensure_weight_tying"), sites.contains(where: { $0.group == .unembedding }) {
      // PEFT then gives the embedding the head's adapter, and may save it once.
      throw Self.unsupported("ensure_weight_tying", "an adapter that head and embedding share")
    }
    guard let r = try value("r", "an integer", \.int) else { throw Self.invalid("r", "is absent") }
    if object["lora_alpha"]?.isNull ?? false { throw Self.invalid("lora_alpha", "is null") }
    let alpha = try Self.alpha(try value("lora_alpha", "a number", Self.number) ?? 8, "lora_alpha")
    try Self.check(rank: r, "r")
    var config = try LoRAConfig(
      rank: r, alpha: alpha, seed: seed, groups: Set(sites.map(\.group)))
    let asked = all.filter { config.groups.contains($0.group) }
    if asked != sites {
      config.targetModules = PEFTName.targetModules(
        sites.map(\.module), of: all.map(\.module))
    }
    config.isRankStabilized = try flag("use_rslora")
    var ranks = try ModulePattern(value("rank_pattern", "an object", \.object), "rank_pattern")
    var alphas = try ModulePattern(value("alpha_pattern", "an object", \.object), "alpha_pattern")
    for site in sites {
      if let value = try ranks.value(of: site.module) {
        guard let rank = value.int else { throw Self.invalid("rank_pattern", "must hold integers") }
        try Self.check(rank: rank, "rank_pattern")
        if rank != r { config.rankPattern[site.module] = rank }
      }
      if let value = try alphas.value(of: site.module) {
        guard let number = Self.number(value) else {
          throw Self.invalid("alpha_pattern", "must hold numbers")
        }
        let own = try Self.alpha(number, "alpha_pattern")
        if own != alpha { config.alphaPattern[site.module] = own }
      }
    }
    return config
  }

  private static func invalid(_ key: String, _ what: String) -> EngineError {
    .invalid("adapter_config.\(key)", what)
  }

  private static func unsupported(_ key: String, _ what: String) -> EngineError {
    EngineError(.unimplemented, "\(what) is not supported", field: "adapter_config.\(key)")
  }

  private static func check(rank: Int, _ key: String) throws(EngineError) {
    guard (1...LoRAConfig.maxRank).contains(rank) else {
      throw invalid(key, "a rank must be 1...\(LoRAConfig.maxRank), not \(rank)")
    }
  }

  private static func alpha(_ value: Double, _ key: String) throws(EngineError) -> Float {
    let alpha = Float(value)
    guard alpha.isFinite, alpha > 0 else {
      throw invalid(key, "an alpha must be a positive number, not \(value)")
    }
    return alpha
  }

  private func refuseUnsupported() throws(EngineError) {
    func refuse(_ key: String, _ what: String) -> EngineError { Self.unsupported(key, what) }
    let type = try value("peft_type", "a text", \.string)
    guard type == "LORA" else { throw refuse("peft_type", "\"\(type ?? "none")\"") }
    if try flag("use_dora") { throw refuse("use_dora", "DoRA") }
    if try value("bias", "a text", \.string) ?? "none" != "none" {
      throw refuse("bias", "a trained bias")
    }
    if try flag("fan_in_fan_out") { throw refuse("fan_in_fan_out", "a transposed layout") }
    for (key, value) in object.members.sorted(by: { $0.key < $1.key })
    where !Self.known.contains(key) && !Self.harmless.contains(key) && Self.isSwitchedOn(value) {
      throw refuse(key, "this setting")
    }
    // PiSSA and its kin take their first B·A out of the base: the factors fit that base alone.
    if let start = object["init_lora_weights"], !start.isNull, start.bool == nil {
      guard let name = start.string else {
        throw Self.invalid("init_lora_weights", "must be a switch or a text")
      }
      guard ["gaussian", "eva", "orthogonal"].contains(name.lowercased()) else {
        throw refuse(
          "init_lora_weights", "the start \"\(name)\", which may change the base model,")
      }
    }
  }
}
