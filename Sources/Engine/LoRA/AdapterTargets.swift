import JSON

/// The modules that an adapter was made for, as `adapter_config.json` names them: what PEFT would
/// give one.
struct AdapterTargets {
  private enum Names {
    case ends([String])
    case expression(ModuleExpression)

    /// - Throws: errors of `ModuleExpression`.
    init?(_ value: JSONValue?, _ setting: String) throws(EngineError) {
      if let list = value?.array {
        self = .ends(list.compactMap(\.string))
      } else if let text = value?.string {
        self = .expression(try ModuleExpression(text, setting))
      } else {
        return nil
      }
    }

    func contains(_ module: String, steps: inout Int) throws(EngineError) -> Bool {
      switch self {
      case .ends(let names):
        return names.contains { module == $0 || module.hasSuffix(".\($0)") }
      case .expression(let expression):
        return try expression.matches(module, endsCount: false, steps: &steps)
      }
    }
  }

  private let names: Names?
  private let excluded: Names?
  private let layers: Set<Int>?
  /// The names of lists of layers in which `layers` counts; empty for any.
  private let layerLists: [String]
  private let saved: [String]
  private let isAllLinear: Bool

  /// - Throws: errors of `ModuleExpression`; `invalidArgument` and `unimplemented` naming a setting.
  init(_ config: JSONObject) throws(EngineError) {
    isAllLinear = config["target_modules"]?.string == "all-linear"
    names = try Names(config["target_modules"], "target_modules")
    let none = config["exclude_modules"]?.string?.isEmpty ?? false
    excluded = none ? nil : try Names(config["exclude_modules"], "exclude_modules")
    saved = (config["modules_to_save"]?.array ?? []).compactMap(\.string)
    let chosen = config["layers_to_transform"]
    let list = chosen?.int.map { [$0] } ?? chosen?.array?.compactMap(\.int) ?? []
    // An expression says itself for which layers it is.
    if case .ends = names, !list.isEmpty { layers = Set(list) } else { layers = nil }
    let patterns = config["layers_pattern"]
    layerLists =
      patterns?.string.map { $0.isEmpty ? [] : [$0] } ?? patterns?.array?.compactMap(\.string) ?? []
    try checkLayerLists(isGiven: !list.isEmpty)
  }

  private func checkLayerLists(isGiven: Bool) throws(EngineError) {
    let setting = "adapter_config.layers_pattern"
    guard layerLists.isEmpty || isGiven else {
      throw .invalid(setting, "says where layers_to_transform counts, and that is not given")
    }
    for name in layerLists where !name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) {
      throw EngineError(
        .unimplemented, "the expression \"\(name.prefix(40))\" is not supported", field: setting)
    }
  }

  /// Checks that a file has the factors of every module that is targeted and of no other: PEFT makes
  /// those up in the first case and passes over them in the second.
  ///
  /// - Parameters:
  ///   - tensors: the canonical names of the file's tensors.
  ///   - sites: those that have a factor in it.
  /// - Throws: `invalidArgument` naming a tensor or setting, or for expressions that take too long.
  func check(
    _ tensors: Set<String>, _ sites: [AdapterSite], of all: [AdapterSite]
  ) throws(EngineError) {
    let (config, present) = (AdapterFiles.configName, Set(sites.map(\.index)))
    let wanted = try filter(all)
    for site in wanted where !present.contains(site.index) {
      throw .invalid(
        PEFTName.tensor(site.module, .a), "is missing, though \(config) targets \(site.module)")
    }
    let targeted = Set(wanted.map(\.index))
    for site in sites where !targeted.contains(site.index) {
      throw .invalid(
        PEFTName.tensor(site.module, .a),
        "is there, though \(config) does not target \(site.module)")
    }
    let paths = tensors.map { $0.split(separator: ".").map(String.init) }
    for name in saved where !paths.contains(where: { $0.contains(name) }) {
      throw .invalid(
        "adapter_config.modules_to_save", "names \(name.prefix(80)), of which there is no tensor")
    }
  }

  /// Which of the linear layers of a model must have an adapter.
  private func filter(_ sites: [AdapterSite]) throws(EngineError) -> [AdapterSite] {
    var steps = 8_000_000
    var chosen: [AdapterSite] = []
    for site in sites where try contains(site, &steps) { chosen.append(site) }
    return chosen
  }

  private func contains(_ site: AdapterSite, _ steps: inout Int) throws(EngineError) -> Bool {
    let parts = site.module.split(separator: ".")
    if try excluded?.contains(site.module, steps: &steps) ?? false { return false }
    if parts.contains(where: { saved.contains(String($0)) }) { return false }
    if isAllLinear { return site.group != .unembedding }
    guard try names?.contains(site.module, steps: &steps) ?? false else { return false }
    guard let layers else { return true }
    guard let at = parts.firstIndex(where: { Int($0) != nil }), at > 0, let layer = Int(parts[at]),
      layerLists.isEmpty || layerLists.contains(String(parts[at - 1]))
    else { return false }
    return layers.contains(layer)
  }
}
