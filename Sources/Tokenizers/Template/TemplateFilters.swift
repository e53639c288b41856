import Foundation

/// The filters that templates may use; Jinja's others are refused by name.
enum TemplateFilter: String {
  case abs, capitalize, count, d, dictsort, first, float, indent, int, items, join, last, length
  case list, lower, map, max, min, reject, rejectattr, replace, reverse, round, safe, select
  case selectattr, sort, string, sum, title, tojson, trim, unique, upper
  case standard = "default"
}

extension TemplateInterpreter {
  mutating func apply(
    filter name: String, to value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    guard let filter = TemplateFilter(rawValue: name) else {
      throw TokenizerError(.unsupported, "template: the filter \(name)")
    }
    try charge()
    switch filter {
    case .capitalize, .indent, .lower, .replace, .safe, .string, .title, .tojson, .trim, .upper:
      return try textFilter(filter, value, arguments)
    case .map, .reject, .rejectattr, .select, .selectattr:
      return try selection(filter, value, arguments)
    case .d, .standard:
      let bound = try arguments.bound(to: ["default_value", "boolean"], of: name)
      let isMissing = value.isUndefined || (bound[1]?.isTrue ?? false && !value.isTrue)
      return isMissing ? bound[0] ?? .string("") : value
    case .count, .length:
      _ = try arguments.bound(to: [], of: name)
      return .int(try length(value))
    case .abs, .float, .int, .round: return try numberFilter(filter, value, arguments)
    default: return try sequenceFilter(filter, value, arguments)
    }
  }

  private func length(_ value: TemplateValue) throws(TokenizerError) -> Int {
    switch value {
    case .undefined: return 0
    case .string(let text): return text.unicodeScalars.count
    case .list(let list): return list.items.count
    case .dictionary(let dictionary): return dictionary.keys.count
    case .loop(let loop): return loop.items.count
    default: throw failure("a \(value.typeName) has no length")
    }
  }

  // MARK: Text

  private mutating func textFilter(
    _ filter: TemplateFilter, _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    if filter == .tojson { return .string(try json(value, arguments)) }
    let text = try PythonText.string(value)
    try charge(bytes: text.utf8.count)
    switch filter {
    case .replace:
      let bound = try arguments.bound(to: ["old", "new", "count"], of: "replace")
      guard let old = bound[0], let new = bound[1] else { throw failure("replace what by what") }
      let limit = try bound[2].map { (value) throws(TokenizerError) in try integer(value) } ?? -1
      return .string(try replaced(text, PythonText.string(old), PythonText.string(new), limit))
    case .trim:
      let characters = try arguments.bound(to: ["chars"], of: "trim")[0]
      return .string(
        PythonText.strip(text, try characterSet(characters), left: true, right: true))
    case .indent:
      guard case .string = value else { throw failure("indent of a \(value.typeName)") }
      return .string(try indented(text, arguments))
    default: _ = try arguments.bound(to: [], of: filter.rawValue)
    }
    switch filter {
    case .capitalize: return .string(PythonText.capitalized(text))
    case .lower: return .string(PythonText.lowercased(text))
    case .title: return .string(PythonText.title(text))
    case .upper: return .string(PythonText.uppercased(text))
    default: return .string(text)
    }
  }

  /// `str.replace`, its result's size known before it is made.
  mutating func replaced(
    _ text: String, _ old: String, _ new: String, _ limit: Int
  ) throws(TokenizerError) -> String {
    try charge(bytes: text.utf8.count)
    let places =
      old.isEmpty
      ? text.unicodeScalars.count + 1 : PythonText.split(text, old, limit: limit).count - 1
    try charge(bytes: text.utf8.count + places * new.utf8.count)
    return PythonText.replace(text, old, new, limit: limit)
  }

  func characterSet(_ value: TemplateValue?) throws(TokenizerError) -> String? {
    switch value {
    case nil, .some(.none): return nil
    case .string(let text): return text
    case .some(let value): throw failure("a \(value.typeName) where characters are due")
    }
  }

  func integer(_ value: TemplateValue) throws(TokenizerError) -> Int {
    guard case .int(let number) = value.number else {
      throw failure("a \(value.typeName) where a whole number is due")
    }
    return number
  }

  private mutating func indented(
    _ text: String, _ arguments: Arguments
  ) throws(TokenizerError) -> String {
    let bound = try arguments.bound(to: ["width", "first", "blank"], of: "indent")
    var indent = "    "
    if case .string(let given)? = bound[0] {
      indent = given
    } else if let width = bound[0] {
      let width = try integer(width)
      try charge(bytes: Swift.max(0, width))
      indent = String(repeating: " ", count: Swift.max(0, width))
    }
    var lines = PythonText.lines(text + "\n")
    try charge(bytes: text.utf8.count + lines.count * indent.utf8.count)
    for index in lines.indices.dropFirst() where bound[2]?.isTrue ?? false || !lines[index].isEmpty
    {
      lines[index] = indent + lines[index]
    }
    let joined = lines.joined(separator: "\n")
    return bound[1]?.isTrue ?? false ? indent + joined : joined
  }

  private mutating func json(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> String {
    let names = ["ensure_ascii", "indent", "separators", "sort_keys"]
    let bound = try arguments.bound(to: names, of: "tojson")
    var writer = TemplateJSON(
      isASCII: bound[0]?.isTrue ?? false, sortsKeys: bound[3]?.isTrue ?? false)
    switch bound[1] {
    case nil, .some(.none): break
    case .string(let indent): writer.indent = indent
    case .some(let indent):
      let width = try integer(indent)
      guard width <= 64 else { throw failure("tojson with an indent above 64") }
      writer.indent = String(repeating: " ", count: Swift.max(0, width))
    }
    switch bound[2] {
    case nil, .some(.none): break
    case .list(let list) where list.items.count == 2:
      writer.itemSeparator = try PythonText.string(list.items[0])
      writer.keySeparator = try PythonText.string(list.items[1])
    default: throw failure("tojson: separators are two strings")
    }
    let text = try writer.text(value)
    try charge(bytes: text.utf8.count)
    return text
  }

  // MARK: Numbers

  private func numberFilter(
    _ filter: TemplateFilter, _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    if case .undefined(let name) = value { throw failure("\(name) is undefined and no number") }
    switch filter {
    case .abs:
      _ = try arguments.bound(to: [], of: "abs")
      switch value.number {
      case .int(let number):
        guard number != .min else { throw failure("abs of the smallest number") }
        return .int(Swift.abs(number))
      case .double(let number): return .double(Swift.abs(number))
      case nil: throw failure("abs of a \(value.typeName)")
      }
    case .round: return try rounded(value, arguments)
    case .float:
      let standard = try arguments.bound(to: ["default"], of: "float")[0] ?? .double(0)
      if let number = value.number { return .double(number.double) }
      guard case .string(let text) = value else { return standard }
      return try PythonText.double(text).map { .double($0) } ?? standard
    default:
      let bound = try arguments.bound(to: ["default", "base"], of: "int")
      if bound[1] != nil { throw TokenizerError(.unsupported, "template: int with a base") }
      return try truncated(value) ?? bound[0] ?? .int(0)
    }
  }

  private func truncated(_ value: TemplateValue) throws(TokenizerError) -> TemplateValue? {
    var number = value.number
    if case .string(let text) = value {
      let digits = PythonText.strip(text, nil, left: true, right: true)
      if let integer = Int(digits) { return .int(integer) }
      number = try PythonText.double(text).map { .double($0) }
    }
    switch number {
    case .int(let integer): return .int(integer)
    case .double(let double):
      guard let integer = Int(exactly: double.rounded(.towardZero)) else {
        throw TokenizerError(.limitExceeded, "template: a number beyond 64 bits")
      }
      return .int(integer)
    case nil: return nil
    }
  }

  private func rounded(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    let bound = try arguments.bound(to: ["precision", "method"], of: "round")
    let precision = try bound[0].map { (value) throws(TokenizerError) in try integer(value) } ?? 0
    guard bound[1] == nil, (0...15).contains(precision) else {
      throw TokenizerError(.unsupported, "template: round with a method or an unusual precision")
    }
    switch value.number {
    case .int(let number): return .int(number)
    case .double(let number):
      return .double(Double(String(format: "%.\(precision)f", number)) ?? number)
    case nil: throw failure("round of a \(value.typeName)")
    }
  }
}
