/// PEFT's `adapter_config.json`: what we write, and what we understand when reading.
struct AdapterConfigFile: Codable {
  var peftType: String?
  var taskType: String? = "CAUSAL_LM"
  var baseModelNameOrPath: String?
  var r: Int?
  var loraAlpha: Double?
  var loraDropout: Double? = 0
  var bias: String? = "none"
  var fanInFanOut: Bool? = false
  var inferenceMode: Bool? = true
  var initLoraWeights: InitialWeights? = .switched(true)
  var targetModules: [String]? = []
  var useRslora: Bool? = false
  var useDora: Bool? = false
  var rankPattern: [String: Int]? = [:]
  var alphaPattern: [String: Double]? = [:]
  var modulesToSave: [String]?
  /// Tied layers share one adapter.
  var ensureWeightTying: Bool?
  /// Settings that are switched on and that we do not know.
  private var unknown: [String] = []

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case peftType, taskType, baseModelNameOrPath, r, loraAlpha, loraDropout, bias
    case fanInFanOut, inferenceMode, initLoraWeights, targetModules, useRslora, useDora
    case rankPattern, alphaPattern, modulesToSave, ensureWeightTying
  }

  /// How A and B began: a switch or the name of a method.
  enum InitialWeights: Codable {
    case switched(Bool)
    case method(String)

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      self =
        if let isOn = try? value.decode(Bool.self) { .switched(isOn) } else {
          .method(try value.decode(String.self))
        }
    }

    func encode(to encoder: any Encoder) throws {
      var value = encoder.singleValueContainer()
      switch self {
      case .switched(let isOn): try value.encode(isOn)
      case .method(let name): try value.encode(name)
      }
    }
  }

  init(adapter: Adapter, base: String) {
    let config = adapter.config
    let modules = adapter.tensors.map(\.site.module)
    peftType = "LORA"
    baseModelNameOrPath = base
    r = config.rank
    loraAlpha = Double(config.alpha)
    targetModules =
      (config.targetModules ?? PEFTName.targetModules(modules, of: modules)).sorted()
    useRslora = config.isRankStabilized
    rankPattern = config.rankPattern
    alphaPattern = config.alphaPattern.mapValues(Double.init)
  }

  // MARK: Reading

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }

    /// As it stands in the file.
    var snakeCase: String {
      stringValue.map { $0.isUppercase ? "_\($0.lowercased())" : String($0) }.joined()
    }
  }

  /// Settings beside those of `CodingKeys` that do not change what the saved tensors mean: which
  /// modules they were made for, how they began, who wrote them.
  private static let harmless: Set<String> = [
    "autoMapping", "cordaConfig", "evaConfig", "excludeModules", "layersPattern",
    "layersToTransform", "loftqConfig", "loraGaConfig", "megatronConfig", "revision",
    "runtimeConfig",
  ]

  /// Reads leniently: `target_modules` may be a pattern; the tensors that are there decide.
  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    peftType = try values.decodeIfPresent(String.self, forKey: .peftType)
    r = try values.decodeIfPresent(Int.self, forKey: .r)
    loraAlpha = try values.decodeIfPresent(Double.self, forKey: .loraAlpha)
    bias = try values.decodeIfPresent(String.self, forKey: .bias)
    fanInFanOut = try values.decodeIfPresent(Bool.self, forKey: .fanInFanOut)
    initLoraWeights = try values.decodeIfPresent(InitialWeights.self, forKey: .initLoraWeights)
    useRslora = try values.decodeIfPresent(Bool.self, forKey: .useRslora)
    useDora = try values.decodeIfPresent(Bool.self, forKey: .useDora)
    rankPattern = try values.decodeIfPresent([String: Int].self, forKey: .rankPattern)
    alphaPattern = try values.decodeIfPresent([String: Double].self, forKey: .alphaPattern)
    ensureWeightTying = try values.decodeIfPresent(Bool.self, forKey: .ensureWeightTying)
    let all = try decoder.container(keyedBy: Key.self)
    unknown = all.allKeys.filter { key in
      CodingKeys(stringValue: key.stringValue) == nil && !Self.harmless.contains(key.stringValue)
        && Self.isSwitchedOn(key, in: all)
    }.map(\.snakeCase).sorted()
  }

  /// Whether a setting is true or lists something. A bare number or text is a detail of another
  /// setting.
  private static func isSwitchedOn(_ key: Key, in values: KeyedDecodingContainer<Key>) -> Bool {
    if let flag = try? values.decode(Bool.self, forKey: key) { return flag }
    if let list = try? values.nestedUnkeyedContainer(forKey: key) { return list.count != 0 }
    if let table = try? values.nestedContainer(keyedBy: Key.self, forKey: key) {
      return !table.allKeys.isEmpty
    }
    return false
  }

  /// The config of an adapter with factors at `sites`, some of `all` of the model's.
  ///
  /// - Throws: `unimplemented` for what an adapter of ours cannot express and `invalidArgument` for
  ///   a value out of range; both name the setting.
  func loraConfig(
    sites: [AdapterSite], of all: [AdapterSite], seed: UInt64
  ) throws(EngineError) -> LoRAConfig {
    try refuseUnsupported()
    if ensureWeightTying == true, sites.contains(where: { $0.group == .unembedding }) {
      // PEFT then gives the embedding the head's adapter, and may save it once.
      throw Self.unsupported("ensure_weight_tying", "an adapter that head and embedding share")
    }
    guard let r else { throw Self.invalid("r", "is absent") }
    let alpha = try Self.alpha(loraAlpha ?? 8, "lora_alpha")
    try Self.check(rank: r, "r")
    var config = try LoRAConfig(
      rank: r, alpha: alpha, seed: seed, groups: Set(sites.map(\.group)))
    let asked = all.filter { config.groups.contains($0.group) }
    if asked != sites {
      config.targetModules = PEFTName.targetModules(
        sites.map(\.module), of: all.map(\.module))
    }
    config.isRankStabilized = useRslora ?? false
    let ranks = try ModulePattern(rankPattern ?? [:], "rank_pattern")
    let alphas = try ModulePattern(alphaPattern ?? [:], "alpha_pattern")
    for site in sites {
      if let rank = try ranks[site.module], rank != r {
        try Self.check(rank: rank, "rank_pattern")
        config.rankPattern[site.module] = rank
      }
      if let value = try alphas[site.module] {
        let own = try Self.alpha(value, "alpha_pattern")
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
    guard peftType == "LORA" else { throw refuse("peft_type", "\"\(peftType ?? "none")\"") }
    if useDora == true { throw refuse("use_dora", "DoRA") }
    if bias ?? "none" != "none" { throw refuse("bias", "a trained bias") }
    if fanInFanOut == true { throw refuse("fan_in_fan_out", "a transposed layout") }
    if let key = unknown.first { throw refuse(key, "this setting") }
    // PiSSA and its kin take their first B·A out of the base: the factors fit that base alone.
    if case .method(let name)? = initLoraWeights,
      !["gaussian", "eva", "orthogonal"].contains(name.lowercased())
    {
      throw refuse("init_lora_weights", "the start \"\(name)\", which may change the base model,")
    }
  }
}
