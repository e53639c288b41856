/// Python's iterator: what was taken is gone.
final class TemplateIterator {
  private var items: ArraySlice<TemplateValue>
  let depth: Int

  /// - Throws: as `TemplateLimits.depth(of:)`.
  init(_ items: [TemplateValue]) throws(TokenizerError) {
    self.items = items[...]
    depth = try TemplateLimits.depth(of: items)
  }

  var count: Int { items.count }

  func next() -> TemplateValue? { items.popFirst() }

  func rest() -> [TemplateValue] {
    defer { items = [] }
    return Array(items)
  }
}

/// What can hold a value that holds it: emptied when the rendering ends, so that nothing stays.
protocol TemplateRing: AnyObject {
  func empty()
}

/// What `namespace()` gives: attributes that inner scopes may set.
final class TemplateNamespace: TemplateRing {
  private var attributes: [CodePoints: TemplateValue] = [:]

  func value(_ name: String) -> TemplateValue? { attributes[CodePoints(name)] }

  /// - Throws: `limitExceeded` for a value nested too deep or too many attributes, `invalidInput`
  ///   for a name that transformers refuses.
  func set(
    _ name: String, _ value: TemplateValue, _ budget: TemplateBudget
  ) throws(TokenizerError) {
    guard !name.hasPrefix("_") else {
      throw TokenizerError(.invalidInput, "template: a namespace attribute that starts with _")
    }
    _ = try TemplateLimits.depth(of: [value])
    try budget.scan(name.utf8.count)
    let key = CodePoints(name)
    if attributes[key] == nil {
      try budget.allocate(bytes: 2 * MemoryLayout<TemplateValue>.stride + 64)
    }
    attributes[key] = value
  }

  func empty() { attributes = [:] }
}

/// The `loop` of a `for`.
final class TemplateLoop {
  let items: [TemplateValue]
  /// The statement, for loops that call themselves.
  let syntax: TemplateLoopSyntax
  let scope: TemplateScope
  let level: Int
  let depth: Int
  var index = 0
  /// What `loop.changed` saw last.
  var lastSeen: [TemplateValue]?

  init(
    items: [TemplateValue], syntax: TemplateLoopSyntax, scope: TemplateScope, level: Int
  ) throws(TokenizerError) {
    self.items = items
    self.syntax = syntax
    self.scope = scope
    self.level = level
    depth = try TemplateLimits.depth(of: items)
  }
}

/// A macro and the scope in which it was defined.
final class TemplateMacro {
  let name: String
  let parameters: [TemplateParameter]
  let body: TemplateBlock
  let scope: TemplateScope

  init(
    name: String, parameters: [TemplateParameter], body: TemplateBlock, scope: TemplateScope
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
///
/// A macro refers to the scope that it was defined in, and that scope to the macro: a ring.
final class TemplateScope: TemplateRing {
  private var values: [String: TemplateValue] = [:]
  private let parent: TemplateScope?

  init(parent: TemplateScope?) {
    self.parent = parent
  }

  func value(_ name: String, _ budget: TemplateBudget) throws(TokenizerError) -> TemplateValue? {
    var scope: TemplateScope? = self
    var hops = 0
    while let here = scope {
      if let value = here.values[name] { return value }
      hops += 1
      if hops % 4 == 0 { try budget.charge() }
      scope = here.parent
    }
    return nil
  }

  func set(_ name: String, _ value: TemplateValue) {
    values[name] = value
  }

  func empty() { values = [:] }
}
