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
  var initLoraWeights: Bool? = true
  var targetModules: [String]? = []
  var useRslora: Bool? = false
  var useDora: Bool? = false
  var rankPattern: [String: Int]? = [:]
  var alphaPattern: [String: Double]? = [:]
  var modulesToSave: [String]?

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case peftType, taskType, baseModelNameOrPath, r, loraAlpha, loraDropout, bias
    case fanInFanOut, inferenceMode, initLoraWeights, targetModules, useRslora, useDora
    case rankPattern, alphaPattern, modulesToSave
  }

  init(adapter: Adapter, base: String) {
    peftType = "LORA"
    baseModelNameOrPath = base
    r = adapter.config.rank
    loraAlpha = Double(adapter.config.alpha)
    let names = adapter.tensors.map { $0.site.module.split(separator: ".").last.map(String.init) }
    targetModules = Set(names.compactMap(\.self)).sorted()
  }

  /// Reads leniently: `target_modules` may be a pattern and `init_lora_weights` a name.
  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    peftType = try values.decodeIfPresent(String.self, forKey: .peftType)
    r = try values.decodeIfPresent(Int.self, forKey: .r)
    loraAlpha = try values.decodeIfPresent(Double.self, forKey: .loraAlpha)
    bias = try values.decodeIfPresent(String.self, forKey: .bias)
    fanInFanOut = try values.decodeIfPresent(Bool.self, forKey: .fanInFanOut)
    useRslora = try values.decodeIfPresent(Bool.self, forKey: .useRslora)
    useDora = try values.decodeIfPresent(Bool.self, forKey: .useDora)
    rankPattern = try values.decodeIfPresent([String: Int].self, forKey: .rankPattern)
    alphaPattern = try values.decodeIfPresent([String: Double].self, forKey: .alphaPattern)
    modulesToSave = try values.decodeIfPresent([String].self, forKey: .modulesToSave)
  }

  /// What an adapter of ours can express; anything else is refused by name.
  func validated() throws(EngineError) -> (rank: Int, alpha: Float) {
    func refuse(_ key: String, _ what: String) -> EngineError {
      EngineError(.unimplemented, "\(what) is not supported", field: "adapter_config.\(key)")
    }
    guard peftType == "LORA" else { throw refuse("peft_type", "\"\(peftType ?? "none")\"") }
    if useDora == true { throw refuse("use_dora", "DoRA") }
    if useRslora == true { throw refuse("use_rslora", "rank-stabilised scaling") }
    if bias ?? "none" != "none" { throw refuse("bias", "a trained bias") }
    if fanInFanOut == true { throw refuse("fan_in_fan_out", "a transposed layout") }
    if rankPattern?.isEmpty == false { throw refuse("rank_pattern", "a rank per module") }
    if alphaPattern?.isEmpty == false { throw refuse("alpha_pattern", "an alpha per module") }
    if modulesToSave?.isEmpty == false {
      throw refuse("modules_to_save", "a fully trained module")
    }
    guard let r else { throw .invalid("adapter_config.r", "is absent") }
    return (r, Float(loraAlpha ?? 8))
  }
}
