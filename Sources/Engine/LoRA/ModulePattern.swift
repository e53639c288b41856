/// PEFT's `rank_pattern` and `alpha_pattern`: values for modules by their path or the end of it.
///
/// PEFT matches `(.*\.)?KEY$` as a regular expression and takes the first key that fits. We take
/// keys that are names (with `^`, `$` and `\.` where they mean themselves), whose order cannot
/// matter, and refuse other expressions: they come from outside and may take for ever.
struct ModulePattern<Value: Equatable> {
  private let key: String
  /// Values by whole path, and by path or end of path.
  private var whole: [String: Value] = [:]
  private var ends: [String: Value] = [:]

  /// - Parameter key: the setting, for messages.
  /// - Throws: `unimplemented` naming a key that is not a module's name.
  init(_ values: [String: Value], _ key: String) throws(EngineError) {
    self.key = key
    for (pattern, value) in values {
      var name = pattern.replacing("\\.", with: ".")
      if name.hasSuffix("$") { name.removeLast() }
      let isWhole = name.hasPrefix("^")
      if isWhole { name.removeFirst() }
      guard !name.isEmpty, name.utf8.allSatisfy(isOfName) else {
        throw EngineError(
          .unimplemented,
          "\"\(pattern)\" is not the name of a module; other expressions are not "
            + "supported", field: "adapter_config.\(key)")
      }
      let previous =
        isWhole ? whole.updateValue(value, forKey: name) : ends.updateValue(value, forKey: name)
      if let previous, previous != value { throw ambiguous(name) }
    }
  }

  /// The value for a module; nil if it has none of its own.
  subscript(module: String) -> Value? {
    get throws(EngineError) {
      var found = whole[module]
      for end in PEFTName.ends(of: module) {
        guard let value = ends[end] else { continue }
        if let found, found != value { throw ambiguous(module) }
        found = value
      }
      return found
    }
  }

  private func ambiguous(_ module: String) -> EngineError {
    .invalid("adapter_config.\(key)", "gives \(module) more than one value")
  }
}

/// Letters, digits, `.`, `_` and `-`.
private func isOfName(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
    UInt8(ascii: "-"):
    true
  default: false
  }
}
