import Foundation

/// The filters that templates may use; Jinja's others are refused by name where they run.
enum TemplateFilter: String {
  case abs, attr, batch, capitalize, center, count, d, dictsort, e, escape, first, float
  case forceescape, format, groupby, indent, int, items, join, last, length, list, lower, map, max
  case min, reject, rejectattr, replace, reverse, round, safe, select, selectattr, slice, sort
  case string, sum, title, tojson, trim, truncate, unique, upper, wordcount
  case standard = "default"

  /// Jinja's filters that are missing here.
  private static let lacking: Set<String> = [
    "filesizeformat", "pprint", "random", "striptags", "urlencode", "urlize", "wordwrap", "xmlattr",
  ]

  /// Whether Jinja has the filter.
  static func exists(_ name: String) -> Bool {
    TemplateFilter(rawValue: name) != nil || lacking.contains(name)
  }
}

extension TemplateInterpreter {
  mutating func apply(
    filter name: String, to value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    try budget.scan(name.utf8.count)
    guard let filter = TemplateFilter(rawValue: name) else {
      throw TokenizerError(
        TemplateFilter.exists(name) ? .unsupported : .invalidInput, "template: the filter \(name)")
    }
    switch filter {
    case .capitalize, .center, .e, .escape, .forceescape, .format, .indent, .lower, .replace, .safe,
      .string, .title, .tojson, .trim, .truncate, .upper, .wordcount:
      return try textFilter(filter, value, arguments)
    case .map, .reject, .rejectattr, .select, .selectattr:
      return try selection(filter, value, arguments)
    case .d, .standard:
      let bound = try arguments.bound(to: ["default_value", "boolean"], of: name)
      let isMissing = value.isUndefined || (bound[1]?.isTrue ?? false && !value.isTrue)
      return isMissing ? bound[0] ?? .string("") : value
    case .attr:
      guard let name = try arguments.bound(to: ["name"], of: name)[0]?.text else {
        throw failure("attr without a name")
      }
      // Only attributes: the items of a dict are not looked at.
      if case .dictionary = value, TemplateInterpreter.isDictionaryMethod(name) == false {
        return .undefined("the dict's \(name)")
      }
      return try attribute(value, name)
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
    case .string(let text), .markup(let text): return try PythonText.length(text, budget)
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
    let text = try string(value)
    switch filter {
    case .replace:
      let bound = try arguments.bound(to: ["old", "new", "count"], of: "replace")
      guard let old = bound[0], let new = bound[1] else { throw failure("replace what by what") }
      let limit = try bound[2].map { (value) throws(TokenizerError) in try integer(value) } ?? -1
      return .string(
        try PythonText.replace(text, string(old), string(new), limit: limit, budget))
    case .trim:
      let characters = try arguments.bound(to: ["chars"], of: "trim")[0]
      return value.like(
        try PythonText.strip(text, characterSet(characters), left: true, right: true, budget))
    case .indent:
      guard value.text != nil else { throw failure("indent of a \(value.typeName)") }
      return value.like(try indented(text, arguments))
    case .truncate: return value.like(try truncated(text, arguments))
    case .center:
      let width = try arguments.bound(to: ["width"], of: "center")[0]
      return value.like(
        try padded(
          text, try width.map { (value) throws(TokenizerError) in try integer(value) } ?? 80, " ",
          .center))
    case .format:
      guard arguments.named.isEmpty else {
        throw TokenizerError(.unsupported, "template: format with names")
      }
      return .string(try TemplateFormat.text(text, .tuple(arguments.positional), budget))
    default: _ = try arguments.bound(to: [], of: filter.rawValue)
    }
    return try plainFilter(filter, value, text)
  }

  /// The filters without arguments.
  private func plainFilter(
    _ filter: TemplateFilter, _ value: TemplateValue, _ text: String
  ) throws(TokenizerError) -> TemplateValue {
    switch filter {
    case .capitalize: return value.like(try PythonText.capitalized(text, budget))
    case .lower: return value.like(try PythonText.lowercased(text, budget))
    case .title: return .string(try PythonText.title(text, budget))
    case .upper: return value.like(try PythonText.uppercased(text, budget))
    case .safe: return .markup(text)
    case .forceescape: return .markup(try PythonText.escaped(text, budget))
    case .wordcount: return .int(try words(text))
    case .e, .escape:
      if case .markup = value { return value }
      return .markup(try PythonText.escaped(text, budget))
    default: return value.like(text)
    }
  }

  /// Runs of letters, digits and underscores.
  private func words(_ text: String) throws(TokenizerError) -> Int {
    try budget.scan(text.utf8.count)
    var count = 0
    var isInside = false
    for scalar in text.unicodeScalars {
      let isWord =
        ScalarTable.contains(scalar.value, in: .word)
        || ScalarTable.contains(scalar.value, in: .number)
      if isWord, !isInside { count += 1 }
      isInside = isWord
    }
    return count
  }

  private func truncated(
    _ text: String, _ arguments: Arguments
  ) throws(TokenizerError) -> String {
    let bound = try arguments.bound(to: ["length", "killwords", "end", "leeway"], of: "truncate")
    let end = try bound[2].map { (value) throws(TokenizerError) in try string(value) } ?? "..."
    let limit = try bound[0].map { (value) throws(TokenizerError) in try integer(value) } ?? 255
    let leeway = try bound[3].map { (value) throws(TokenizerError) in try integer(value) } ?? 5
    let scalars = try PythonText.scalars(text, budget)
    let endLength = try PythonText.length(end, budget)
    guard limit >= endLength, leeway >= 0 else { throw failure("truncate to less than its end") }
    if scalars.count - leeway <= limit { return text }
    var kept = scalars[..<Swift.min(limit - endLength, scalars.count)]
    if !(bound[1]?.isTrue ?? false), let space = kept.lastIndex(of: " ") { kept = kept[..<space] }
    var out = TemplateTextBuilder(budget)
    try out.append(PythonText.text(kept, budget))
    try out.append(end)
    return out.text
  }

  enum Side {
    case left, right, center
  }

  /// `str.ljust` (text on the left), `rjust` and `center`.
  func padded(
    _ text: String, _ width: Int, _ fill: Unicode.Scalar, _ side: Side
  ) throws(TokenizerError) -> String {
    let missing = Swift.max(
      0,
      width.subtractingReportingOverflow(
        try PythonText.length(text, budget)
      ).partialValue)
    try budget.charge(Swift.min(missing, TemplateLimits.stringBytes) / 16)
    // Python puts the odd one to the left where the width is odd.
    let left =
      switch side {
      case .left: 0
      case .right: missing
      case .center: missing / 2 + (missing & width & 1)
      }
    var out = TemplateTextBuilder(budget)
    for _ in 0..<left { try out.append(fill) }
    try out.append(text)
    for _ in left..<missing { try out.append(fill) }
    return out.text
  }

  func characterSet(_ value: TemplateValue?) throws(TokenizerError) -> String? {
    switch value {
    case nil, .some(.none): return nil
    case .string(let text), .markup(let text): return text
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
    if let given = bound[0]?.text {
      indent = given
    } else if let width = bound[0] {
      let width = Swift.max(0, try integer(width))
      try budget.allocate(text: width)
      indent = String(repeating: " ", count: width)
    }
    let lines = try PythonText.lines(text + "\n", budget)
    var out = TemplateTextBuilder(budget)
    if bound[1]?.isTrue ?? false { try out.append(indent) }
    for (index, line) in lines.enumerated() {
      if index > 0 {
        try out.append("\n")
        if bound[2]?.isTrue ?? false || !line.isEmpty { try out.append(indent) }
      }
      try out.append(line)
    }
    return out.text
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
    case .string(let indent), .markup(let indent): writer.indent = indent
    case .some(let indent):
      let width = try integer(indent)
      guard width <= 64 else { throw failure("tojson with an indent above 64") }
      writer.indent = String(repeating: " ", count: Swift.max(0, width))
    }
    switch bound[2] {
    case nil, .some(.none): break
    case .list(let list) where list.items.count == 2:
      writer.itemSeparator = try string(list.items[0])
      writer.keySeparator = try string(list.items[1])
    default: throw failure("tojson: separators are two strings")
    }
    return try writer.text(value, budget)
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
      guard let text = value.text else { return standard }
      return try PythonText.double(text, budget).map { .double($0) } ?? standard
    default:
      let bound = try arguments.bound(to: ["default", "base"], of: "int")
      if bound[1] != nil { throw TokenizerError(.unsupported, "template: int with a base") }
      return try truncated(value) ?? bound[0] ?? .int(0)
    }
  }

  private func truncated(_ value: TemplateValue) throws(TokenizerError) -> TemplateValue? {
    var number = value.number
    if let text = value.text {
      let digits = try PythonText.strip(text, nil, left: true, right: true, budget)
      if let integer = Int(digits) { return .int(integer) }
      number = try PythonText.double(text, budget).map { .double($0) }
    }
    switch number {
    case .int(let integer): return .int(integer)
    case .double(let double):
      guard !double.isNaN else { return nil }
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
