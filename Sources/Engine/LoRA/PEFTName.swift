/// Names of tensors in PEFT's files: `base_model.model.MODULE.lora_A.weight`, for any module path
/// (`model.layers.0.self_attn.q_proj`, `model.layers.0.mlp.experts.7.gate_proj`, `lm_head`).
enum PEFTName {
  /// The two factors of an adapter at a module.
  enum Factor: String, CaseIterable {
    case a = "lora_A"
    case b = "lora_B"
  }

  static let prefix = "base_model.model."

  static func tensor(_ module: String, _ factor: Factor) -> String {
    "\(prefix)\(module).\(factor.rawValue).weight"
  }

  /// A module's path and what is left of it from each later component on.
  static func ends(of module: String) -> [String] {
    let parts = module.split(separator: ".")
    return parts.indices.map { parts[$0...].joined(separator: ".") }
  }

  /// Module paths shortened to their last component where that means no other module: what
  /// `target_modules` lists.
  static func targetModules(_ modules: [String], of all: [String]) -> Set<String> {
    func end(_ module: String) -> String { ends(of: module).last ?? module }
    let partial = Set(Set(all).subtracting(modules).map(end))
    return Set(modules.map { partial.contains(end($0)) ? $0 : end($0) })
  }

  /// The name as PEFT saves it today, of one as it stands in a state dict or came from an older
  /// version: with an adapter's name (`lora_A.default.weight`), with the wrapper that a module had
  /// while it was trained (`modules_to_save`, `base_layer`). Nil for one without the prefix: PEFT
  /// passes over such tensors.
  static func canonical(_ name: String) -> String? {
    guard name.hasPrefix(prefix) else { return nil }
    var parts = name.dropFirst(prefix.count).split(separator: ".")
    if let at = parts.firstIndex(where: { Factor(rawValue: String($0)) != nil }) {
      if parts.count == at + 3 { parts.remove(at: at + 1) }
    } else if let at = parts.firstIndex(of: "modules_to_save") {
      parts.removeSubrange(at..<max(at + 1, parts.count - 1))
    } else {
      parts.removeAll { $0 == "base_layer" }
    }
    return prefix + parts.joined(separator: ".")
  }

  /// Tensors by their canonical names.
  ///
  /// - Throws: `invalidArgument` naming a tensor without the prefix, or two that mean the same.
  static func canonical(
    _ tensors: [String: StoredTensor]
  ) throws(EngineError) -> [String: StoredTensor] {
    var result: [String: StoredTensor] = [:]
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      guard let canonical = canonical(name) else {
        throw .invalid(name, "does not begin with \(prefix), so PEFT would pass over it")
      }
      if let other = result.updateValue(tensor, forKey: canonical) {
        let names = [name, other.name].sorted()
        throw .invalid(names[1], "means the same tensor as \(names[0])")
      }
    }
    return result
  }
}
