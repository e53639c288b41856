extension TemplateInterpreter {
  /// Calls a method of a string, list, dictionary or loop.
  mutating func call(
    _ method: TemplateMethod, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    try charge()
    switch method.base {
    case .string(let text): return try stringMethod(method.name, text, arguments)
    case .dictionary(let dictionary):
      return try dictionaryMethod(method.name, dictionary, arguments)
    case .list(let list): return try listMethod(method.name, list, arguments)
    case .loop(let loop):
      guard !arguments.positional.isEmpty, arguments.named.isEmpty else {
        throw failure("loop.cycle without values")
      }
      return arguments.positional[loop.index % arguments.positional.count]
    default: throw failure("the method \(method.name) of a \(method.base.typeName)")
    }
  }

  private mutating func dictionaryMethod(
    _ name: String, _ dictionary: TemplateDictionary, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    if name == "get" {
      let bound = try positional(arguments, 1...2, name)
      guard case .string(let key) = bound[0] else { return bound.count > 1 ? bound[1] : .none }
      return dictionary[key] ?? (bound.count > 1 ? bound[1] : .none)
    }
    _ = try positional(arguments, 0...0, name)
    switch name {
    case "items": return .list(try TemplateList(try dictionary.pairs(), .view))
    case "keys": return .list(try TemplateList(dictionary.keys.map { .string($0) }, .view))
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
    try charge(items: list.items.count)
    if name == "count" { return .int(list.items.count { $0.equals(item) }) }
    guard let index = list.items.firstIndex(where: { $0.equals(item) }) else {
      throw failure("index of what is not in the list")
    }
    return .int(index)
  }

  /// Arguments of a method that takes no names.
  private func positional(
    _ arguments: Arguments, _ count: ClosedRange<Int>, _ name: String
  ) throws(TokenizerError) -> [TemplateValue] {
    guard arguments.named.isEmpty, count.contains(arguments.positional.count) else {
      throw failure("the arguments of \(name)")
    }
    return arguments.positional
  }

  private func text(_ value: TemplateValue, _ name: String) throws(TokenizerError) -> String {
    guard case .string(let text) = value else {
      throw failure("\(name) with a \(value.typeName)")
    }
    return text
  }

  // MARK: Strings

  private mutating func stringMethod(
    _ name: String, _ string: String, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    try charge(bytes: string.utf8.count)
    switch name {
    case "strip", "lstrip", "rstrip":
      let characters = try characterSet(positional(arguments, 0...1, name).first)
      return .string(
        PythonText.strip(string, characters, left: name != "rstrip", right: name != "lstrip"))
    case "split", "rsplit": return try split(string, arguments, isFromEnd: name == "rsplit")
    case "splitlines":
      _ = try positional(arguments, 0...0, name)
      return try .list(PythonText.lines(string).map { .string($0) })
    case "startswith", "endswith":
      return .bool(try hasEdge(string, arguments, atStart: name == "startswith"))
    case "replace":
      let bound = try positional(arguments, 2...3, name)
      let limit = try bound.count > 2 ? integer(bound[2]) : -1
      return .string(try replaced(string, text(bound[0], name), text(bound[1], name), limit))
    case "join": return try join(string, arguments)
    case "find", "count":
      let part = try text(positional(arguments, 1...1, name)[0], name)
      return .int(name == "find" ? Self.find(part, string) : Self.count(part, string))
    case "removeprefix", "removesuffix":
      let part = try text(positional(arguments, 1...1, name)[0], name)
      return .string(Self.removed(part, string, atStart: name == "removeprefix"))
    default:
      _ = try positional(arguments, 0...0, name)
      switch name {
      case "lower": return .string(PythonText.lowercased(string))
      case "upper": return .string(PythonText.uppercased(string))
      default: return .string(PythonText.capitalized(string))
      }
    }
  }

  private mutating func split(
    _ string: String, _ arguments: Arguments, isFromEnd: Bool
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["sep", "maxsplit"], of: "split")
    let limit = try bound[1].map { (value) throws(TokenizerError) in try integer(value) } ?? -1
    var parts: [String]
    if let separator = try characterSet(bound[0]) {
      guard !separator.isEmpty else { throw failure("split at an empty string") }
      parts =
        isFromEnd
        ? PythonText.splitFromEnd(string, separator, limit: limit)
        : PythonText.split(string, separator, limit: limit)
    } else {
      guard !isFromEnd || limit < 0 else {
        throw TokenizerError(.unsupported, "template: rsplit at white space with a limit")
      }
      parts = PythonText.splitAtSpace(string, limit: limit)
    }
    try charge(items: parts.count)
    return try .list(parts.map { .string($0) })
  }

  private func hasEdge(
    _ string: String, _ arguments: Arguments, atStart: Bool
  ) throws(TokenizerError) -> Bool {
    let name = atStart ? "startswith" : "endswith"
    let argument = try positional(arguments, 1...1, name)[0]
    var options = [argument]
    if case .list(let list) = argument, list.kind == .tuple { options = list.items }
    for option in options {
      let part = try text(option, name).utf8
      let edge =
        atStart ? Array(string.utf8.prefix(part.count)) : Array(string.utf8.suffix(part.count))
      if edge.elementsEqual(part) { return true }
    }
    return false
  }

  private mutating func join(
    _ separator: String, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    var parts: [String] = []
    var size = 0
    for item in try iterate(positional(arguments, 1...1, "join")[0]) {
      parts.append(try text(item, "join"))
      size += parts[parts.count - 1].utf8.count + separator.utf8.count
      try charge(bytes: size)
    }
    return .string(parts.joined(separator: separator))
  }

  /// The position in code points, -1 if it is not there.
  private static func find(_ part: String, _ string: String) -> Int {
    let bytes = Array(string.utf8)
    guard let at = PythonText.find(Array(part.utf8), in: bytes) else { return -1 }
    return String(decoding: bytes[..<at], as: UTF8.self).unicodeScalars.count
  }

  private static func count(_ part: String, _ string: String) -> Int {
    part.isEmpty
      ? string.unicodeScalars.count + 1 : PythonText.split(string, part, limit: -1).count - 1
  }

  private static func removed(_ part: String, _ string: String, atStart: Bool) -> String {
    let bytes = Array(string.utf8)
    let edge = atStart ? bytes.prefix(part.utf8.count) : bytes.suffix(part.utf8.count)
    guard edge.elementsEqual(part.utf8) else { return string }
    let rest =
      atStart ? bytes.dropFirst(part.utf8.count) : bytes.dropLast(part.utf8.count)
    return String(decoding: rest, as: UTF8.self)
  }
}
