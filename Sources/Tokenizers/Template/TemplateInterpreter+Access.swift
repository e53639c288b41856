/// Attributes, items, slices and methods of values, as Python and Jinja's sandbox have them.
extension TemplateInterpreter {
  /// Methods that this interpreter has.
  private static let stringMethods: Set<String> = [
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith",
    "replace", "lower", "upper", "capitalize", "title", "find", "rfind", "index", "rindex", "count",
    "join", "removeprefix", "removesuffix", "islower", "isupper", "isspace", "isalpha", "isdigit",
    "isdecimal", "isnumeric", "isalnum", "isascii", "partition", "rpartition", "zfill", "ljust",
    "rjust", "center", "format",
  ]
  private static let dictionaryMethods: Set<String> = ["items", "keys", "values", "get", "copy"]
  private static let listMethods: Set<String> = ["index", "count", "copy"]

  /// Python's attributes that this interpreter lacks; a template that asks for one is refused,
  /// since any other name would be undefined instead.
  private static let lackingAttributes: Set<String> = [
    "casefold", "encode", "expandtabs", "format_map", "isidentifier", "isprintable", "istitle",
    "maketrans", "swapcase", "translate", "fromkeys", "mapping", "isdisjoint", "real", "imag",
    "numerator", "denominator", "bit_length", "bit_count", "conjugate", "to_bytes",
    "from_bytes", "as_integer_ratio", "is_integer", "hex", "fromhex", "start", "stop", "step",
    "striptags", "unescape", "escape",
  ]
  /// What changes a dictionary is undefined in Jinja's sandbox, and calling it an error.
  private static let changingDictionaryMethods: Set<String> = [
    "clear", "fromkeys", "pop", "popitem", "setdefault", "update",
  ]

  static func isDictionaryMethod(_ name: String) -> Bool { dictionaryMethods.contains(name) }

  /// `base.name`.
  mutating func attribute(
    _ base: TemplateValue, _ name: String
  ) throws(TokenizerError) -> TemplateValue {
    try budget.scan(name.utf8.count)
    if name.hasPrefix("__") { throw TokenizerError(.unsupported, "template: \(name)") }
    switch base {
    case .undefined(let hint): throw failure("\(hint) is undefined and has no \(name)")
    case .namespace(let namespace):
      return namespace.value(name) ?? .undefined("the namespace's \(name)")
    case .loop(let loop): return try attribute(of: loop, name)
    case .dictionary(let dictionary):
      if Self.dictionaryMethods.contains(name) {
        return .method(TemplateMethod(base: base, name: name))
      }
      if Self.changingDictionaryMethods.contains(name) { return .undefined("a dict's \(name)") }
      return try dictionary.value(named: name, budget) ?? .undefined("the dict's \(name)")
    default: return try method(base, name) ?? .undefined("the \(base.typeName)'s \(name)")
    }
  }

  private func method(
    _ base: TemplateValue, _ name: String
  ) throws(TokenizerError) -> TemplateValue? {
    let isKnown =
      switch base {
      case .string, .markup: Self.stringMethods.contains(name)
      case .list(let list): list.isPlain && Self.listMethods.contains(name)
      case .dictionary: Self.dictionaryMethods.contains(name)
      default: false
      }
    if isKnown { return .method(TemplateMethod(base: base, name: name)) }
    if case .none = base { return nil }
    guard !Self.lackingAttributes.contains(name) else {
      throw TokenizerError(.unsupported, "template: the attribute \(name) of a \(base.typeName)")
    }
    return nil
  }

  private func attribute(
    of loop: TemplateLoop, _ name: String
  ) throws(TokenizerError) -> TemplateValue {
    let count = loop.items.count
    switch name {
    case "index": return .int(loop.index + 1)
    case "index0": return .int(loop.index)
    case "revindex": return .int(count - loop.index)
    case "revindex0": return .int(count - loop.index - 1)
    case "first": return .bool(loop.index == 0)
    case "last": return .bool(loop.index == count - 1)
    case "length": return .int(count)
    case "depth": return .int(loop.level)
    case "depth0": return .int(loop.level - 1)
    case "previtem":
      return loop.index > 0 ? loop.items[loop.index - 1] : .undefined("the loop's previtem")
    case "nextitem":
      return loop.index + 1 < count ? loop.items[loop.index + 1] : .undefined("the loop's nextitem")
    case "cycle", "changed": return .method(TemplateMethod(base: .loop(loop), name: name))
    default: return .undefined("the loop's \(name)")
    }
  }

  /// `base[key]`.
  mutating func item(
    _ base: TemplateValue, _ key: TemplateValue
  ) throws(TokenizerError) -> TemplateValue {
    switch (base, key) {
    case (.undefined(let hint), _): throw failure("\(hint) is undefined and has no items")
    case (.dictionary(let dictionary), _):
      // What cannot be a key is not there either.
      if let place = try? TemplateKey(key, budget), let value = dictionary.value(place) {
        return value
      }
    case (.list(let list), .int), (.list(let list), .bool):
      guard list.kind != .view, case .int(let index) = key.number else { break }
      if let position = Self.position(index, list.items.count) { return list.items[position] }
    case (.string(let text), .int), (.string(let text), .bool), (.markup(let text), .int):
      guard case .int(let index) = key.number else { break }
      let count = try PythonText.length(text, budget)
      if let position = Self.position(index, count) {
        let scalars = text.unicodeScalars
        let character = scalars[scalars.index(scalars.startIndex, offsetBy: position)]
        return base.like(String(character))
      }
    case (.namespace, .string(let name)), (.loop, .string(let name)):
      return try attribute(base, name)
    default: break
    }
    // Jinja turns to the attribute where there is no such item.
    guard let name = key.text else { return .undefined("an item of a \(base.typeName)") }
    try budget.scan(name.utf8.count)
    if name.hasPrefix("__") { throw TokenizerError(.unsupported, "template: \(name)") }
    if case .dictionary = base, !Self.dictionaryMethods.contains(name) {
      return .undefined("the dict's \(name)")
    }
    return try method(base, name) ?? .undefined("the \(base.typeName)'s \(name)")
  }

  private static func position(_ index: Int, _ count: Int) -> Int? {
    guard index >= -count, index < count else { return nil }
    return index < 0 ? index + count : index
  }

  // MARK: Slices

  mutating func slice(
    _ base: TemplateExpression, _ bounds: [TemplateExpression?], _ scope: TemplateScope
  ) throws(TokenizerError) -> TemplateValue {
    let base = try evaluate(base, scope)
    var numbers: [Int?] = []
    for bound in bounds {
      guard let bound else {
        numbers.append(nil)
        continue
      }
      switch try evaluate(bound, scope) {
      case .none: numbers.append(nil)
      case .int(let number): numbers.append(number)
      case .bool(let flag): numbers.append(flag ? 1 : 0)
      case let value: throw failure("a \(value.typeName) as a slice's bound")
      }
    }
    switch base {
    case .undefined(let hint): throw failure("\(hint) is undefined and has no items")
    case .list(let list) where list.kind != .view:
      try budget.allocate(items: list.items.count)
      let items = try Self.indices(numbers, list.items.count).map { list.items[$0] }
      return .list(try TemplateList(items, list.kind))
    case .string(let text), .markup(let text):
      let scalars = try PythonText.scalars(text, budget)
      try budget.allocate(bytes: MemoryLayout<Int>.stride * scalars.count)
      let kept = try Self.indices(numbers, scalars.count).lazy.map { scalars[$0] }
      return base.like(try PythonText.text(kept, budget))
    default: throw failure("a slice of a \(base.typeName)")
    }
  }

  /// The positions of Python's `start:end:step` in a sequence.
  private static func indices(_ bounds: [Int?], _ count: Int) throws(TokenizerError) -> [Int] {
    let step = bounds[2] ?? 1
    guard step != 0 else { throw TokenizerError(.invalidInput, "template: a slice's step of 0") }
    let lowest = step > 0 ? 0 : -1
    let highest = step > 0 ? count : count - 1
    func clamped(_ bound: Int?, _ standard: Int) -> Int {
      guard let bound else { return standard }
      let position = bound < 0 ? (bound < -count ? lowest : bound + count) : bound
      return min(max(position, lowest), highest)
    }
    let start = clamped(bounds[0], step > 0 ? 0 : count - 1)
    let end = clamped(bounds[1], step > 0 ? count : -1)
    return Array(stride(from: start, to: end, by: max(min(step, count + 1), -count - 1)))
  }
}

extension TemplateValue {
  /// A string that is marked where this one is.
  func like(_ text: String) -> TemplateValue {
    guard case .markup = self else { return .string(text) }
    return .markup(text)
  }
}
