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
  private let saved: [String]
  private let isAllLinear: Bool

  /// - Throws: errors of `ModuleExpression`.
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
  }

  /// Which of the linear layers of a model must have an adapter.
  ///
  /// - Throws: `invalidArgument` for expressions that take too long.
  func filter(_ sites: [AdapterSite]) throws(EngineError) -> [AdapterSite] {
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
    return parts.first { Int($0) != nil }.flatMap { Int($0) }.map(layers.contains) ?? false
  }
}
