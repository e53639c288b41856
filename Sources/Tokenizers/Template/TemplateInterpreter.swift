import Foundation

/// Runs a template's statements, within the bounds of `TemplateLimits`.
struct TemplateInterpreter {
  enum Flow {
    case normal, leaveLoop, continueLoop
  }

  private(set) var output = ""
  private var outputBytes = 0
  private var stepsLeft = TemplateLimits.steps
  private var depth = 0
  /// The time that `strftime_now` gives, and where.
  let now: Date
  let timeZone: TimeZone

  init(now: Date, timeZone: TimeZone) {
    self.now = now
    self.timeZone = timeZone
  }

  func failure(_ message: String) -> TokenizerError {
    TokenizerError(.invalidInput, "template: \(message)")
  }

  // MARK: Bounds

  /// Counts a step, and more for a long string.
  /// - Throws: `limitExceeded` when the steps are used up or the string is too long.
  mutating func charge(bytes: Int = 0) throws(TokenizerError) {
    stepsLeft -= 1 + bytes / 256
    guard stepsLeft >= 0 else {
      throw TokenizerError(.limitExceeded, "template: more than \(TemplateLimits.steps) steps")
    }
    guard bytes <= TemplateLimits.stringBytes else {
      throw TokenizerError(
        .limitExceeded, "template: a text above \(TemplateLimits.stringBytes) bytes")
    }
  }

  mutating func charge(items: Int) throws(TokenizerError) {
    guard items <= TemplateLimits.items else {
      throw TokenizerError(.limitExceeded, "template: a list above \(TemplateLimits.items) items")
    }
    stepsLeft -= items / 2
    try charge()
  }

  mutating func nested<T>(
    _ body: (inout TemplateInterpreter) throws(TokenizerError) -> T
  ) throws(TokenizerError) -> T {
    guard depth < TemplateLimits.runDepth else {
      throw TokenizerError(.limitExceeded, "template: calls and expressions nested too deep")
    }
    depth += 1
    defer { depth -= 1 }
    return try body(&self)
  }

  private mutating func write(_ text: String) throws(TokenizerError) {
    output += text
    outputBytes += text.utf8.count
    try charge(bytes: text.utf8.count)
    guard outputBytes <= TemplateLimits.stringBytes else {
      throw TokenizerError(.limitExceeded, "template: too much output")
    }
  }

  /// What the statements write, as a string, and not into the output.
  mutating func captured(
    _ body: [TemplateStatement], _ scope: TemplateScope
  ) throws(TokenizerError) -> String {
    let before = output
    let bytesBefore = outputBytes
    output = ""
    outputBytes = 0
    defer {
      output = before
      outputBytes = bytesBefore
    }
    guard try run(body, scope) == .normal else {
      throw failure("break or continue out of a macro or block")
    }
    return output
  }

  // MARK: Statements

  mutating func run(
    _ statements: [TemplateStatement], _ scope: TemplateScope
  ) throws(TokenizerError) -> Flow {
    try nested { (me) throws(TokenizerError) in
      for statement in statements {
        try me.charge()
        let flow = try me.run(statement, scope)
        if flow != .normal { return flow }
      }
      return .normal
    }
  }

  private mutating func run(
    _ statement: TemplateStatement, _ scope: TemplateScope
  ) throws(TokenizerError) -> Flow {
    switch statement {
    case .text(let text): try write(text)
    case .output(let expression): try write(try PythonText.string(evaluate(expression, scope)))
    case .conditional(let branches):
      for (condition, body) in branches where try evaluate(condition, scope).isTrue {
        return try run(body, scope)
      }
    case .loop(let loop): try run(loop, scope)
    case .set(let target, let expression):
      try assign(try evaluate(expression, scope), to: target, scope)
    case .capture(let target, let filters, let body):
      let text = try captured(body, TemplateScope(parent: scope))
      try assign(try filtered(text, filters, scope), to: target, scope)
    case .macro(let name, let parameters, let body):
      scope.set(
        name,
        .macro(TemplateMacro(name: name, parameters: parameters, body: body, scope: scope)))
    case .scope(let values, let body):
      let inner = TemplateScope(parent: scope)
      for (target, expression) in values {
        try assign(try evaluate(expression, scope), to: target, inner)
      }
      return try run(body, inner)
    case .filtered(let filters, let body):
      let text = try captured(body, TemplateScope(parent: scope))
      try write(try PythonText.string(filtered(text, filters, scope)))
    case .leaveLoop: return .leaveLoop
    case .continueLoop: return .continueLoop
    }
    return .normal
  }

  private mutating func filtered(
    _ text: String, _ filters: [(String, TemplateArguments)], _ scope: TemplateScope
  ) throws(TokenizerError) -> TemplateValue {
    var value = TemplateValue.string(text)
    for (name, arguments) in filters {
      value = try apply(filter: name, to: value, try self.arguments(arguments, scope))
    }
    return value
  }

  private mutating func run(
    _ loop: TemplateLoopSyntax, _ scope: TemplateScope
  ) throws(TokenizerError) {
    var items = try iterate(try evaluate(loop.items, scope))
    if let condition = loop.condition {
      var kept: [TemplateValue] = []
      for item in items {
        try charge()
        let inner = TemplateScope(parent: scope)
        try assign(item, to: loop.target, inner)
        if try evaluate(condition, inner).isTrue { kept.append(item) }
      }
      items = kept
    }
    guard !items.isEmpty else {
      _ = try run(loop.otherwise, TemplateScope(parent: scope))
      return
    }
    let state = TemplateLoop(items: items)
    for (index, item) in items.enumerated() {
      try charge()
      state.index = index
      let inner = TemplateScope(parent: scope)
      inner.set("loop", .loop(state))
      try assign(item, to: loop.target, inner)
      if try run(loop.body, inner) == .leaveLoop { break }
    }
  }

  private mutating func assign(
    _ value: TemplateValue, to target: TemplateTarget, _ scope: TemplateScope
  ) throws(TokenizerError) {
    switch target {
    case .name(let name): scope.set(name, value)
    case .attribute(let name, let attribute):
      guard case .namespace(let namespace) = scope.value(name) else {
        throw failure("\(name) is no namespace, so \(name).\(attribute) cannot be set")
      }
      guard !attribute.hasPrefix("_") else {
        throw failure("a namespace attribute that starts with _")
      }
      _ = try TemplateLimits.depth(of: [value])
      namespace.attributes[attribute] = value
    case .tuple(let targets):
      let values = try iterate(value)
      guard values.count == targets.count else {
        throw failure("\(values.count) values for \(targets.count) names")
      }
      for (target, value) in zip(targets, values) { try assign(value, to: target, scope) }
    }
  }

  // MARK: Walking

  /// The items that Python's iteration gives.
  mutating func iterate(_ value: TemplateValue) throws(TokenizerError) -> [TemplateValue] {
    switch value {
    case .undefined: return []
    case .list(let list):
      try charge(items: list.items.count)
      return list.items
    case .dictionary(let dictionary):
      try charge(items: dictionary.keys.count)
      return dictionary.keys.map { .string($0) }
    case .string(let text):
      try charge(items: text.unicodeScalars.count)
      return text.unicodeScalars.map { .string(String($0)) }
    case .iterator(let iterator): return iterator.rest()
    default: throw failure("a \(value.typeName) cannot be walked through")
    }
  }
}
