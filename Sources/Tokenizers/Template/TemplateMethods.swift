extension TemplateInterpreter {
  /// Calls a method of a string, list, dictionary or loop.
  mutating func call(
    _ method: TemplateMethod, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    try budget.charge()
    switch method.base {
    case .string(let text): return try stringMethod(method.name, text, arguments)
    case .markup(let text): return try markedMethod(method.name, text, arguments)
    case .dictionary(let dictionary):
      return try dictionaryMethod(method.name, dictionary, arguments)
    case .list(let list): return try listMethod(method.name, list, arguments)
    case .loop(let loop):
      if method.name == "changed" { return .bool(try hasChanged(loop, arguments)) }
      guard !arguments.positional.isEmpty, arguments.named.isEmpty else {
        throw failure("loop.cycle without values")
      }
      return arguments.positional[loop.index % arguments.positional.count]
    default: throw failure("the method \(method.name) of a \(method.base.typeName)")
    }
  }

  private func hasChanged(
    _ loop: TemplateLoop, _ arguments: Arguments
  ) throws(TokenizerError) -> Bool {
    guard arguments.named.isEmpty else { throw failure("loop.changed with names") }
    let seen = loop.lastSeen
    loop.lastSeen = arguments.positional
    guard let seen, seen.count == arguments.positional.count else { return true }
    for (old, new) in zip(seen, arguments.positional) {
      if try !old.equals(new, budget) { return true }
    }
    return false
  }

  private mutating func dictionaryMethod(
    _ name: String, _ dictionary: TemplateDictionary, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    if name == "get" {
      let bound = try positional(arguments, 1...2, name)
      let key = try TemplateKey(bound[0], budget)
      return dictionary.value(key) ?? (bound.count > 1 ? bound[1] : .none)
    }
    _ = try positional(arguments, 0...0, name)
    switch name {
    case "items": return .list(try TemplateList(try dictionary.pairs(budget), .view))
    case "keys": return .list(try TemplateList(dictionary.keys, .view))
    case "values": return .list(try TemplateList(dictionary.values, .view))
    default: return .dictionary(dictionary)
    }
  }

  private mutating func listMethod(
    _ name: String, _ list: TemplateList, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    if name == "copy" {
      _ = try positional(arguments, 0...0, name)
      return .list(list)
    }
    let item = try positional(arguments, 1...1, name)[0]
    if name == "count" {
      var count = 0
      for candidate in list.items where try candidate.equals(item, budget) { count += 1 }
      return .int(count)
    }
    guard let index = try list.position(of: item, budget) else {
      throw failure("index of what is not in the list")
    }
    return .int(index)
  }

  /// Arguments of a method that takes no names.
  func positional(
    _ arguments: Arguments, _ count: ClosedRange<Int>, _ name: String
  ) throws(TokenizerError) -> [TemplateValue] {
    guard arguments.named.isEmpty, count.contains(arguments.positional.count) else {
      throw failure("the arguments of \(name)")
    }
    return arguments.positional
  }

  func text(_ value: TemplateValue, _ name: String) throws(TokenizerError) -> String {
    guard let text = value.text else {
      throw failure("\(name) with a \(value.typeName)")
    }
    return text
  }
}
