import JSON

/// A value inside a chat template, with Python's meaning.
enum TemplateValue {
  /// What a name or key that does not exist gives; printing it prints nothing.
  case undefined(String)
  case none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  /// What `safe` and `escape` give: a string that escapes the plain strings it is joined with.
  case markup(String)
  case list(TemplateList)
  case dictionary(TemplateDictionary)
  /// What a filter such as `map` gives: it can be walked through once.
  case iterator(TemplateIterator)
  case namespace(TemplateNamespace)
  case loop(TemplateLoop)
  case macro(TemplateMacro)
  case function(TemplateFunction)
  case method(TemplateMethod)
}

/// A Python list, tuple, dictionary view or range.
final class TemplateList {
  enum Kind {
    case list, tuple, view, range
  }

  let items: [TemplateValue]
  let kind: Kind
  /// Levels of lists and dictionaries, this one included.
  let depth: Int

  /// - Throws: as `TemplateLimits.depth(of:)`.
  init(_ items: [TemplateValue], _ kind: Kind = .list) throws(TokenizerError) {
    self.items = items
    self.kind = kind
    depth = try TemplateLimits.depth(of: items)
  }

  /// Whether it is a list or tuple, which can be joined and repeated.
  var isPlain: Bool { kind == .list || kind == .tuple }
}

/// A Python dictionary, in insertion order. It does not change once it is a value.
final class TemplateDictionary {
  private(set) var keys: [TemplateValue] = []
  private(set) var values: [TemplateValue] = []
  private(set) var depth = 1
  private var positions: [TemplateKey: Int] = [:]

  /// The value of a key.
  func value(_ key: TemplateKey) -> TemplateValue? { positions[key].map { values[$0] } }

  /// The value of a key that is a string.
  func value(
    named key: String, _ budget: TemplateBudget
  ) throws(TokenizerError) -> TemplateValue? {
    try budget.scan(key.utf8.count)
    return value(.string(CodePoints(key)))
  }

  /// Only for a dictionary that is being made: a value never changes.
  /// - Throws: `limitExceeded`, `invalidInput` for a key that cannot be one.
  func set(
    _ key: TemplateValue, _ value: TemplateValue, _ budget: TemplateBudget
  ) throws(TokenizerError) {
    let place = try TemplateKey(key, budget)
    depth = max(depth, try TemplateLimits.depth(of: [key, value]))
    if let position = positions[place] {
      values[position] = value
      return
    }
    guard keys.count < TemplateLimits.items else {
      throw TokenizerError(.limitExceeded, "template: a dict above \(TemplateLimits.items) items")
    }
    try budget.allocate(bytes: 3 * MemoryLayout<TemplateValue>.stride + 64)
    positions[place] = keys.count
    keys.append(key)
    values.append(value)
  }

  /// Keys and values as tuples.
  func pairs(_ budget: TemplateBudget) throws(TokenizerError) -> [TemplateValue] {
    try budget.allocate(items: 3 * keys.count)
    var pairs: [TemplateValue] = []
    for (key, value) in zip(keys, values) { pairs.append(try .tuple([key, value])) }
    return pairs
  }
}

/// What Python's `hash` and `==` take for the same key: 1, 1.0 and true are one.
enum TemplateKey: Hashable {
  case undefined, none
  case int(Int)
  case double(Double)
  case string(CodePoints)
  case tuple([TemplateKey])
  case object(ObjectIdentifier)
  case function(TemplateFunction)

  /// - Throws: `invalidInput` for what Python cannot hash.
  init(_ value: TemplateValue, _ budget: TemplateBudget) throws(TokenizerError) {
    switch value {
    case .undefined: self = .undefined
    case .none: self = .none
    case .bool(let flag): self = .int(flag ? 1 : 0)
    case .int(let number): self = .int(number)
    case .double(let number): self = Int(exactly: number).map { .int($0) } ?? .double(number)
    case .string(let text), .markup(let text):
      try budget.scan(text.utf8.count)
      self = .string(CodePoints(text))
    case .list(let list) where list.kind == .tuple:
      try budget.allocate(items: list.items.count)
      var keys: [TemplateKey] = []
      for item in list.items { keys.append(try TemplateKey(item, budget)) }
      self = .tuple(keys)
    case .namespace(let object): self = .object(ObjectIdentifier(object))
    case .macro(let object): self = .object(ObjectIdentifier(object))
    case .iterator(let object): self = .object(ObjectIdentifier(object))
    case .loop(let object): self = .object(ObjectIdentifier(object))
    case .function(let function): self = .function(function)
    default: throw TokenizerError(.invalidInput, "template: a \(value.typeName) as a key")
    }
  }
}

/// A string that is the same only code point for code point: Swift's own are compared by canonical
/// equivalence.
struct CodePoints: Hashable {
  let text: String

  init(_ text: String) {
    self.text = text
  }

  static func == (left: CodePoints, right: CodePoints) -> Bool {
    var (mine, theirs) = (left.text, right.text)
    return mine.withUTF8 { mine in
      theirs.withUTF8 { theirs in mine.count == theirs.count && mine.elementsEqual(theirs) }
    }
  }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

extension TemplateValue {
  /// - Throws: `limitExceeded` if nested too deep or too large.
  init(
    _ json: JSONValue, _ budget: TemplateBudget, level: Int = 0
  ) throws(TokenizerError) {
    guard level < TemplateLimits.valueDepth else {
      throw TokenizerError(.limitExceeded, "template: a value nested too deep")
    }
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .int(let value): self = .int(value)
    case .bigInteger:
      throw TokenizerError(.limitExceeded, "template: a number beyond 64 bits")
    case .double(let value): self = .double(value)
    case .string(let value): self = .string(value)
    case .array(let items):
      try budget.allocate(items: items.count)
      var values: [TemplateValue] = []
      for item in items { values.append(try TemplateValue(item, budget, level: level + 1)) }
      self = .list(try TemplateList(values))
    case .object(let object):
      let dictionary = TemplateDictionary()
      for (key, value) in object.members {
        try dictionary.set(
          .string(key), try TemplateValue(value, budget, level: level + 1), budget)
      }
      self = .dictionary(dictionary)
    }
  }

  static func tuple(_ items: [TemplateValue]) throws(TokenizerError) -> TemplateValue {
    .list(try TemplateList(items, .tuple))
  }

  static func list(_ items: [TemplateValue]) throws(TokenizerError) -> TemplateValue {
    .list(try TemplateList(items))
  }

  /// Levels of lists, dictionaries and what else holds values. A namespace counts for none: it is
  /// never walked into, and is emptied when the rendering ends.
  var depth: Int {
    switch self {
    case .list(let list): list.depth
    case .dictionary(let dictionary): dictionary.depth
    case .iterator(let iterator): iterator.depth
    case .loop(let loop): loop.depth
    case .method(let method): method.base.depth
    default: 0
    }
  }

  /// Python's name of the type, for messages.
  var typeName: String {
    switch self {
    case .undefined: "undefined value"
    case .none: "None"
    case .bool: "bool"
    case .int: "int"
    case .double: "float"
    case .string, .markup: "str"
    case .list(let list):
      switch list.kind {
      case .list: "list"
      case .tuple: "tuple"
      case .view: "dictionary view"
      case .range: "range"
      }
    case .dictionary: "dict"
    case .iterator: "iterator"
    case .namespace: "namespace"
    case .loop: "loop"
    case .macro: "macro"
    case .function: "function"
    case .method: "method"
    }
  }

  var isUndefined: Bool {
    guard case .undefined = self else { return false }
    return true
  }

  /// The text of a string, marked or not.
  var text: String? {
    switch self {
    case .string(let text), .markup(let text): text
    default: nil
    }
  }

  /// Python's truth.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .double(let value): value != 0
    case .string(let value), .markup(let value): !value.isEmpty
    case .list(let list): !list.items.isEmpty
    case .dictionary(let dictionary): !dictionary.keys.isEmpty
    case .loop(let loop): !loop.items.isEmpty
    case .iterator, .namespace, .macro, .function, .method: true
    }
  }

  /// The number, bools counting as 0 and 1.
  var number: TemplateNumber? {
    switch self {
    case .bool(let value): .int(value ? 1 : 0)
    case .int(let value): .int(value)
    case .double(let value): .double(value)
    default: nil
    }
  }
}

enum TemplateNumber {
  case int(Int)
  case double(Double)

  var double: Double {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    }
  }
}
