/// PEFT's `adapter_config.json` as we write it.
struct AdapterConfigFile: Encodable {
  var peftType = "LORA"
  var taskType = "CAUSAL_LM"
  var baseModelNameOrPath: String
  var r: Int
  var loraAlpha: Double
  var loraDropout = 0.0
  var bias = "none"
  var fanInFanOut = false
  var inferenceMode = true
  var initLoraWeights = true
  var targetModules: [String]
  var useRslora: Bool
  var useDora = false
  var rankPattern: [String: Int]
  var alphaPattern: [String: Double]

  init(adapter: Adapter, base: String) {
    let config = adapter.config
    let modules = adapter.tensors.map(\.site.module)
    baseModelNameOrPath = base
    r = config.rank
    loraAlpha = Double(config.alpha)
    targetModules =
      (config.targetModules ?? PEFTName.targetModules(modules, of: modules)).sorted()
    useRslora = config.isRankStabilized
    rankPattern = config.rankPattern
    alphaPattern = config.alphaPattern.mapValues(Double.init)
  }
}
