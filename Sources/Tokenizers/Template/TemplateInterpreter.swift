import JSON
import Foundation

/// Runs a template's statements, within its `TemplateBudget`.
struct TemplateInterpreter {
  enum Flow {
    case normal, leaveLoop, continueLoop
  }

  let budget = TemplateBudget()
  private var out: TemplateTextBuilder
  private var depth = 0
  /// What may hold a value that holds it.
  private var rings: [any TemplateRing] = []
  /// The time that `strftime_now` gives, and where.
  let now: Date
  let timeZone: TimeZone

  init(now: Date, timeZone: TimeZone) {
    self.now = now
    self.timeZone = timeZone
    out = TemplateTextBuilder(budget)
  }

  /// Renders a template's statements in a scope that holds its variables.
  static func render(
    _ block: TemplateBlock, _ variables: JSONObject, in scope: TemplateScope, now: Date,
    timeZone: TimeZone
  ) throws(TokenizerError) -> String {
    var me = TemplateInterpreter(now: now, timeZone: timeZone)
    me.rings.append(scope)
    defer { for ring in me.rings { ring.empty() } }
    for (name, value) in variables.members {
      scope.set(name, try TemplateValue(value, me.budget))
    }
    guard try me.run(block, scope) == .normal else {
      throw TokenizerError(.invalidInput, "template: break or continue outside a loop")
    }
    return me.out.text
  }

  func failure(_ message: String) -> TokenizerError {
    TokenizerError(.invalidInput, "template: \(message)")
  }

  // MARK: Bounds

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

  /// Keeps what can be part of a ring, to empty it at the end: until then it takes memory.
  mutating func keep(_ ring: some TemplateRing) throws(TokenizerError) {
    try budget.allocate(bytes: 512)
    rings.append(ring)
  }

  func string(_ value: TemplateValue) throws(TokenizerError) -> String {
    try PythonText.string(value, budget)
  }

  /// What the statements write, as a string, and not into the output.
  mutating func captured(
    _ block: TemplateBlock, _ scope: TemplateScope
  ) throws(TokenizerError) -> String {
    try captured { (me) throws(TokenizerError) in
      guard try me.run(block, scope) == .normal else {
        throw me.failure("break or continue out of a macro or block")
      }
    }
  }

  mutating func captured(
    _ body: (inout TemplateInterpreter) throws(TokenizerError) -> Void
  ) throws(TokenizerError) -> String {
    let before = out
    out = TemplateTextBuilder(budget)
    defer { out = before }
    try body(&self)
    return out.text
  }

  // MARK: Statements

  /// Runs a block in a scope of its own.
  private mutating func run(
    _ block: TemplateBlock, _ scope: TemplateScope
  ) throws(TokenizerError) -> Flow {
    for name in block.unset { scope.set(name, .undefined(name)) }
    try budget.charge(block.unset.count)
    return try run(block.statements, scope)
  }

  private mutating func run(
    _ statements: [TemplateStatement], _ scope: TemplateScope
  ) throws(TokenizerError) -> Flow {
    try nested { (me) throws(TokenizerError) in
      for statement in statements {
        try me.budget.charge()
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
    case .text(let text): try out.append(text)
    case .output(let expression): try out.append(try string(evaluate(expression, scope)))
    case .conditional(let branches):
      for (condition, body) in branches {
        if let condition, try !evaluate(condition, scope).isTrue { continue }
        return try run(body, scope)
      }
    case .loop(let loop):
      try run(loop, over: try evaluate(loop.items, scope), scope, level: 1)
    case .set(let target, let expression):
      try assign(try evaluate(expression, scope), to: target, scope)
    case .capture(let target, let filters, let body):
      let text = try captured(body, TemplateScope(parent: scope))
      try assign(try filtered(text, filters, scope), to: target, scope)
    case .macro(let name, let parameters, let body):
      try keep(scope)
      scope.set(
        name,
        .macro(TemplateMacro(name: name, parameters: parameters, body: body, scope: scope)))
    case .call(let call, let parameters, let body):
      let caller = TemplateMacro(name: "caller", parameters: parameters, body: body, scope: scope)
      try out.append(try string(evaluate(call, scope, caller: .macro(caller))))
    case .scope(let values, let body):
      let inner = TemplateScope(parent: scope)
      for (target, expression) in values {
        try assign(try evaluate(expression, scope), to: target, inner)
      }
      return try run(body, inner)
    case .filtered(let filters, let body):
      let text = try captured(body, TemplateScope(parent: scope))
      try out.append(try string(filtered(text, filters, scope)))
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

  mutating func run(
    _ loop: TemplateLoopSyntax, over value: TemplateValue, _ scope: TemplateScope, level: Int
  ) throws(TokenizerError) {
    var items = try iterate(value)
    if let condition = loop.condition {
      var kept: [TemplateValue] = []
      for item in items {
        try budget.allocate(items: 1)
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
    let state = try TemplateLoop(items: items, syntax: loop, scope: scope, level: level)
    for (index, item) in items.enumerated() {
      try budget.charge()
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
      guard case .namespace(let namespace) = try scope.value(name, budget) else {
        throw failure("\(name) is no namespace, so \(name).\(attribute) cannot be set")
      }
      try namespace.set(attribute, value, budget)
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
      try budget.charge(list.items.count / 16)
      return list.items
    case .dictionary(let dictionary):
      try budget.charge(dictionary.keys.count / 16)
      return dictionary.keys
    case .string(let text), .markup(let text):
      let count = try PythonText.length(text, budget)
      try budget.allocate(items: count)
      return text.unicodeScalars.map { .string(String($0)) }
    case .iterator(let iterator):
      try budget.allocate(items: iterator.count)
      return iterator.rest()
    case .loop(let loop):
      // Jinja's loop goes on where it stands; only what is left is given.
      throw failure("walking through a \(TemplateValue.loop(loop).typeName)")
    default: throw failure("a \(value.typeName) cannot be walked through")
    }
  }
}
