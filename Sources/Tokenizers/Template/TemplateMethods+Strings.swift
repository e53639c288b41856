extension TemplateInterpreter {
  /// The same method of a marked string: what it takes in is escaped, what it gives is marked.
  mutating func markedMethod(
    _ name: String, _ text: String, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    var escaped = arguments
    if name == "join" {
      var items: [TemplateValue] = []
      for item in try iterate(positional(arguments, 1...1, name)[0]) {
        try budget.allocate(items: 1)
        items.append(try escape(item))
      }
      escaped.positional = [try .list(items)]
    } else if name == "replace", arguments.positional.count > 1 {
      escaped.positional[1] = try escape(arguments.positional[1])
    } else if name == "format" {
      throw TokenizerError(.unsupported, "template: format of a marked text")
    }
    switch try stringMethod(name, text, escaped) {
    case .string(let result): return .markup(result)
    case .list(let list):
      var items: [TemplateValue] = []
      for item in list.items { items.append(item.text.map { .markup($0) } ?? item) }
      return .list(try TemplateList(items, list.kind))
    case let result: return result
    }
  }

  private func escape(_ value: TemplateValue) throws(TokenizerError) -> TemplateValue {
    guard case .string(let text) = value else { return value }
    return .markup(try PythonText.escaped(text, budget))
  }

  mutating func stringMethod(
    _ name: String, _ string: String, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    switch name {
    case "strip", "lstrip", "rstrip":
      let characters = try characterSet(positional(arguments, 0...1, name).first)
      return .string(
        try PythonText.strip(
          string, characters, left: name != "rstrip", right: name != "lstrip", budget))
    case "split", "rsplit": return try split(string, arguments, isFromEnd: name == "rsplit")
    case "splitlines":
      let keepsEnds = try arguments.bound(to: ["keepends"], of: name)[0]?.isTrue ?? false
      return try .list(
        PythonText.lines(string, keepsEnds: keepsEnds, budget).map { .string($0) })
    case "startswith", "endswith":
      return .bool(try hasEdge(string, arguments, atStart: name == "startswith"))
    case "replace":
      let bound = try arguments.bound(to: ["old", "new", "count"], of: name)
      guard let old = bound[0], let new = bound[1] else { throw failure("replace what by what") }
      let limit = try bound[2].map { (value) throws(TokenizerError) in try integer(value) } ?? -1
      return .string(
        try PythonText.replace(string, text(old, name), text(new, name), limit: limit, budget))
    case "join": return try join(string, arguments)
    case "find", "rfind", "index", "rindex", "count":
      return .int(try position(name, string, arguments))
    case "removeprefix", "removesuffix":
      let part = try text(positional(arguments, 1...1, name)[0], name)
      return .string(try removed(part, string, atStart: name == "removeprefix"))
    case "partition", "rpartition": return try parts(name, string, arguments)
    case "zfill", "ljust", "rjust", "center": return .string(try filled(name, string, arguments))
    case "format": return .string(try TemplateFormat.text(string, arguments, budget))
    default:
      _ = try positional(arguments, 0...0, name)
      return try plainMethod(name, string)
    }
  }

  /// The methods without arguments.
  private func plainMethod(
    _ name: String, _ string: String
  ) throws(TokenizerError) -> TemplateValue {
    switch name {
    case "lower": return .string(try PythonText.lowercased(string, budget))
    case "upper": return .string(try PythonText.uppercased(string, budget))
    case "title": return .string(try PythonText.titled(string, budget))
    case "capitalize": return .string(try PythonText.capitalized(string, budget))
    case "islower", "isupper":
      return .bool(try PythonText.hasCase(string, isUpper: name == "isupper", budget))
    case "isascii":
      try budget.scan(string.utf8.count)
      return .bool(string.utf8.allSatisfy { $0 < 0x80 })
    default:
      try budget.study(string)
      let isMember = Self.characterTest(name)
      return .bool(!string.isEmpty && string.unicodeScalars.allSatisfy(isMember))
    }
  }

  private static func characterTest(_ name: String) -> (Unicode.Scalar) -> Bool {
    func isLetter(_ scalar: Unicode.Scalar) -> Bool {
      ScalarTable.contains(scalar.value, in: CategorySet(named: "L") ?? [])
    }
    switch name {
    case "isspace": return PythonText.isSpace
    case "isalpha": return isLetter
    case "isdecimal": return { $0.properties.numericType == .decimal }
    case "isdigit": return { [.decimal, .digit].contains($0.properties.numericType) }
    case "isnumeric": return { $0.properties.numericType != nil }
    default: return { isLetter($0) || $0.properties.numericType != nil }
    }
  }

  private mutating func split(
    _ string: String, _ arguments: Arguments, isFromEnd: Bool
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["sep", "maxsplit"], of: "split")
    let limit = try bound[1].map { (value) throws(TokenizerError) in try integer(value) } ?? -1
    let parts: [String]
    if let separator = try characterSet(bound[0]) {
      guard !separator.isEmpty else { throw failure("split at an empty string") }
      parts = try PythonText.split(
        string, separator, limit: limit, isFromEnd: isFromEnd, budget)
    } else {
      parts = try PythonText.splitAtSpace(string, limit: limit, isFromEnd: isFromEnd, budget)
    }
    try budget.allocate(items: parts.count)
    return try .list(parts.map { .string($0) })
  }

  private func hasEdge(
    _ string: String, _ arguments: Arguments, atStart: Bool
  ) throws(TokenizerError) -> Bool {
    let name = atStart ? "startswith" : "endswith"
    let bound = try positional(arguments, 1...3, name)
    guard bound.count == 1 else {
      throw TokenizerError(.unsupported, "template: \(name) with positions")
    }
    var options = [bound[0]]
    if case .list(let list) = bound[0], list.kind == .tuple { options = list.items }
    for option in options {
      let part = try text(option, name).utf8
      guard part.count <= string.utf8.count else { continue }
      try budget.scan(part.count)
      let isThere =
        atStart
        ? string.utf8.prefix(part.count).elementsEqual(part)
        : string.utf8.suffix(part.count).elementsEqual(part)
      if isThere { return true }
    }
    return false
  }

  private mutating func join(
    _ separator: String, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    var out = TemplateTextBuilder(budget)
    for (index, item) in try iterate(positional(arguments, 1...1, "join")[0]).enumerated() {
      if index > 0 { try out.append(separator) }
      try budget.charge()
      try out.append(try text(item, "join"))
    }
    return .string(out.text)
  }

  /// `find`, `index` and their kind give positions in code points; with bounds, those of a slice.
  private func position(
    _ name: String, _ string: String, _ arguments: Arguments
  ) throws(TokenizerError) -> Int {
    let bound = try positional(arguments, 1...3, name)
    guard bound.count == 1 else {
      throw TokenizerError(.unsupported, "template: \(name) with positions")
    }
    let part = try text(bound[0], name)
    if name == "count" { return try PythonText.count(part, in: string, budget) }
    let isLast = name.hasPrefix("r")
    if let found = try PythonText.find(part, in: string, isLast: isLast, budget) { return found }
    guard name.hasSuffix("find") else { throw failure("\(name) of what is not in the string") }
    return -1
  }

  private func removed(
    _ part: String, _ string: String, atStart: Bool
  ) throws(TokenizerError) -> String {
    let count = part.utf8.count
    try budget.scan(count)
    let isThere =
      count <= string.utf8.count
      && (atStart
        ? string.utf8.prefix(count).elementsEqual(part.utf8)
        : string.utf8.suffix(count).elementsEqual(part.utf8))
    guard isThere else { return string }
    try budget.allocate(bytes: string.utf8.count)
    let rest = atStart ? string.utf8.dropFirst(count) : string.utf8.dropLast(count)
    return String(decoding: rest, as: UTF8.self)
  }

  private func parts(
    _ name: String, _ string: String, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let separator = try text(positional(arguments, 1...1, name)[0], name)
    guard !separator.isEmpty else { throw failure("\(name) at an empty string") }
    let isFromEnd = name == "rpartition"
    let found = try PythonText.split(string, separator, limit: 1, isFromEnd: isFromEnd, budget)
    guard found.count == 2 else {
      let parts = isFromEnd ? ["", "", string] : [string, "", ""]
      return try .tuple(parts.map { .string($0) })
    }
    return try .tuple([.string(found[0]), .string(separator), .string(found[1])])
  }

  private func filled(
    _ name: String, _ string: String, _ arguments: Arguments
  ) throws(TokenizerError) -> String {
    let bound = try positional(arguments, name == "zfill" ? 1...1 : 1...2, name)
    let width = try integer(bound[0])
    if name == "zfill" {
      guard let sign = string.unicodeScalars.first, sign == "+" || sign == "-" else {
        return try padded(string, width, "0", .right)
      }
      let rest = String(string.unicodeScalars.dropFirst())
      return String(sign) + (try padded(rest, width &- 1, "0", .right))
    }
    let fill = try bound.count > 1 ? text(bound[1], name) : " "
    guard let scalar = fill.unicodeScalars.first, fill.unicodeScalars.count == 1 else {
      throw failure("\(name) with more than one character")
    }
    let side: Side = name == "ljust" ? .left : name == "rjust" ? .right : .center
    return try padded(string, width, scalar, side)
  }
}
