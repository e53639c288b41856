/// A value inside a chat template, with Python's meaning.
enum TemplateValue {
  /// What a name or key that does not exist gives; printing it prints nothing.
  case undefined(String)
  case none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
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
struct TemplateList {
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
}

/// A Python dictionary with string keys, in insertion order.
struct TemplateDictionary {
  private(set) var keys: [String] = []
  private(set) var values: [TemplateValue] = []
  private(set) var depth = 1
  /// Positions by key, in UTF-8: Swift would take canonically equivalent keys for one.
  private var positions: [[UInt8]: Int] = [:]

  subscript(key: String) -> TemplateValue? {
    positions[Array(key.utf8)].map { values[$0] }
  }

  /// - Throws: as `TemplateLimits.depth(of:)`.
  mutating func set(_ key: String, _ value: TemplateValue) throws(TokenizerError) {
    depth = max(depth, try TemplateLimits.depth(of: [value]))
    if let position = positions[Array(key.utf8)] {
      values[position] = value
    } else {
      positions[Array(key.utf8)] = keys.count
      keys.append(key)
      values.append(value)
    }
  }
}

/// Python's iterator: what was taken is gone.
final class TemplateIterator {
  private var items: ArraySlice<TemplateValue>

  init(_ items: [TemplateValue]) {
    self.items = items[...]
  }

  func next() -> TemplateValue? { items.popFirst() }

  func rest() -> [TemplateValue] {
    defer { items = [] }
    return Array(items)
  }
}

/// What `namespace()` gives: attributes that inner scopes may set.
final class TemplateNamespace {
  var attributes: [String: TemplateValue] = [:]
}

/// The `loop` of a `for`.
final class TemplateLoop {
  let items: [TemplateValue]
  var index = 0

  init(items: [TemplateValue]) {
    self.items = items
  }
}

/// A macro and the scope in which it was defined.
final class TemplateMacro {
  let name: String
  let parameters: [TemplateParameter]
  let body: [TemplateStatement]
  let scope: TemplateScope

  init(
    name: String, parameters: [TemplateParameter], body: [TemplateStatement], scope: TemplateScope
  ) {
    self.name = name
    self.parameters = parameters
    self.body = body
    self.scope = scope
  }
}

/// Functions that every template can call.
enum TemplateFunction: String {
  case range, namespace, dict
  case raiseException = "raise_exception"
  case strftimeNow = "strftime_now"
}

/// A method of a string, list or dictionary before it is called.
final class TemplateMethod {
  let base: TemplateValue
  let name: String

  init(base: TemplateValue, name: String) {
    self.base = base
    self.name = name
  }
}

/// Names and their values, looked up outwards.
final class TemplateScope {
  private var values: [String: TemplateValue] = [:]
  private let parent: TemplateScope?

  init(parent: TemplateScope?) {
    self.parent = parent
  }

  func value(_ name: String) -> TemplateValue? {
    values[name] ?? parent?.value(name)
  }

  func set(_ name: String, _ value: TemplateValue) {
    values[name] = value
  }
}

/// Bounds on what a template may do.
enum TemplateLimits {
  /// Longest template, in bytes.
  static let sourceBytes = 1 << 20
  /// Most words, numbers, signs and pieces of text in one template.
  static let tokens = 100_000
  /// Most bytes in the output or in one string.
  static let stringBytes = 1 << 24
  /// Most items in one list.
  static let items = 100_000
  /// Most steps: one for each node evaluated, more for long strings.
  static let steps = 2_000_000
  /// Deepest nesting of expressions and statements in the source.
  static let syntaxDepth = 64
  /// Most operators, calls or filters in a row.
  static let chainLength = 100
  /// Deepest nesting of expressions and statements while they run, macros included.
  static let runDepth = 250
  /// Deepest nesting of lists and dictionaries.
  static let valueDepth = 100

  /// Levels of a list of these items.
  /// - Throws: `limitExceeded` if deeper than `valueDepth`, `unsupported` for an item that refers to
  ///   others and could make a ring: a namespace, a loop, a macro.
  static func depth(of items: [TemplateValue]) throws(TokenizerError) -> Int {
    var deepest = 0
    for item in items {
      switch item {
      case .list(let list): deepest = max(deepest, list.depth)
      case .dictionary(let dictionary): deepest = max(deepest, dictionary.depth)
      case .namespace, .loop, .macro, .function, .method, .iterator:
        throw TokenizerError(.unsupported, "template: a \(item.typeName) inside another value")
      default: break
      }
    }
    guard deepest < valueDepth else {
      throw TokenizerError(.limitExceeded, "template: a value nested too deep")
    }
    return deepest + 1
  }
}

extension TemplateValue {
  /// - Throws: `limitExceeded` if nested too deep.
  init(_ json: JSONValue) throws(TokenizerError) {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .int(let value): self = .int(value)
    case .bigInteger:
      throw TokenizerError(.limitExceeded, "template: a number beyond 64 bits")
    case .double(let value): self = .double(value)
    case .string(let value): self = .string(value)
    case .array(let items):
      var values: [TemplateValue] = []
      for item in items { values.append(try TemplateValue(item)) }
      self = .list(try TemplateList(values))
    case .object(let object):
      var dictionary = TemplateDictionary()
      for (key, value) in object.members { try dictionary.set(key, try TemplateValue(value)) }
      self = .dictionary(dictionary)
    }
  }

  static func tuple(_ items: [TemplateValue]) throws(TokenizerError) -> TemplateValue {
    .list(try TemplateList(items, .tuple))
  }

  static func list(_ items: [TemplateValue]) throws(TokenizerError) -> TemplateValue {
    .list(try TemplateList(items))
  }

  /// Python's name of the type, for messages.
  var typeName: String {
    switch self {
    case .undefined: "undefined value"
    case .none: "None"
    case .bool: "bool"
    case .int: "int"
    case .double: "float"
    case .string: "str"
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

  /// Python's truth.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .double(let value): value != 0
    case .string(let value): !value.isEmpty
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

// MARK: Comparing

extension TemplateValue {
  /// Python's `==`.
  func equals(_ other: TemplateValue) -> Bool {
    switch (self, other) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let left), .string(let right)): return left.utf8.elementsEqual(right.utf8)
    case (.list(let left), .list(let right)):
      return left.kind == right.kind && left.items.count == right.items.count
        && zip(left.items, right.items).allSatisfy { $0.equals($1) }
    case (.dictionary(let left), .dictionary(let right)):
      return left.keys.count == right.keys.count
        && zip(left.keys, left.values).allSatisfy { key, value in
          right[key].map { value.equals($0) } ?? false
        }
    default:
      guard let left = number, let right = other.number else { return false }
      if case (.int(let left), .int(let right)) = (left, right) { return left == right }
      return left.double == right.double
    }
  }

  /// Python's `<`.
  /// - Throws: `invalidInput` where the types have no order.
  func isLess(than other: TemplateValue) throws(TokenizerError) -> Bool {
    switch (self, other) {
    case (.string(let left), .string(let right)):
      return left.unicodeScalars.lexicographicallyPrecedes(right.unicodeScalars)
    case (.list(let left), .list(let right)) where left.kind == right.kind:
      for (mine, theirs) in zip(left.items, right.items) where !mine.equals(theirs) {
        return try mine.isLess(than: theirs)
      }
      return left.items.count < right.items.count
    default:
      guard let left = number, let right = other.number else {
        throw TokenizerError(
          .invalidInput, "template: no order between \(typeName) and \(other.typeName)")
      }
      if case (.int(let left), .int(let right)) = (left, right) { return left < right }
      return left.double < right.double
    }
  }

  /// Python's `in`, `self` being the container.
  /// - Throws: `invalidInput` where it is none.
  func contains(_ item: TemplateValue) throws(TokenizerError) -> Bool {
    switch self {
    case .undefined: return false
    case .string(let text):
      guard case .string(let part) = item else {
        throw TokenizerError(.invalidInput, "template: a \(item.typeName) in a string")
      }
      return PythonText.find(Array(part.utf8), in: Array(text.utf8)) != nil
    case .list(let list): return list.items.contains { $0.equals(item) }
    case .dictionary(let dictionary):
      switch item {
      case .string(let key): return dictionary[key] != nil
      case .dictionary: throw TokenizerError(.invalidInput, "template: a dict as a key")
      case .list(let list) where list.kind != .tuple:
        throw TokenizerError(.invalidInput, "template: a \(item.typeName) as a key")
      default: return false
      }
    case .iterator(let iterator):
      while let next = iterator.next() {
        if next.equals(item) { return true }
      }
      return false
    default: throw TokenizerError(.invalidInput, "template: in a \(typeName)")
    }
  }
}
