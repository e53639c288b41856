extension TemplateInterpreter {
  /// - Parameter caller: for a call, what its `caller` is.
  mutating func evaluate(
    _ expression: TemplateExpression, _ scope: TemplateScope, caller: TemplateValue? = nil
  ) throws(TokenizerError) -> TemplateValue {
    try budget.charge()
    return try nested { (me) throws(TokenizerError) in
      switch expression {
      case .constant(let constant): return constant.value
      case .name(let name): return try me.lookUp(name, scope)
      case .list(let items): return try .list(try me.evaluateAll(items, scope))
      case .tuple(let items): return try .tuple(try me.evaluateAll(items, scope))
      case .dictionary(let members): return try me.dictionary(members, scope)
      case .attribute(let base, let name): return try me.attribute(me.evaluate(base, scope), name)
      case .item(let base, let key):
        return try me.item(me.evaluate(base, scope), me.evaluate(key, scope))
      case .slice(let base, let start, let end, let step):
        return try me.slice(base, [start, end, step], scope)
      case .call(let base, let arguments):
        let callee = try me.evaluate(base, scope)
        var values = try me.arguments(arguments, scope)
        if let caller { values.named.append(("caller", caller)) }
        return try me.call(callee, values)
      case .filter(let base, let name, let arguments):
        return try me.apply(
          filter: name, to: me.evaluate(base, scope), me.arguments(arguments, scope))
      case .test(let base, let name, let arguments, let isNegated):
        let holds = try me.check(
          test: name, of: me.evaluate(base, scope), me.arguments(arguments, scope))
        return .bool(holds != isNegated)
      default: return try me.evaluateOperator(expression, scope)
      }
    }
  }

  private mutating func evaluateOperator(
    _ expression: TemplateExpression, _ scope: TemplateScope
  ) throws(TokenizerError) -> TemplateValue {
    switch expression {
    case .negation(let operand): return .bool(try !evaluate(operand, scope).isTrue)
    case .sign(let operand, let isNegative):
      return try signed(evaluate(operand, scope), isNegative: isNegative)
    case .and(let left, let right):
      let value = try evaluate(left, scope)
      return value.isTrue ? try evaluate(right, scope) : value
    case .or(let left, let right):
      let value = try evaluate(left, scope)
      return value.isTrue ? value : try evaluate(right, scope)
    case .comparison(let left, let rest): return try comparison(left, rest, scope)
    case .arithmetic(let sign, let left, let right):
      return try arithmetic(sign, evaluate(left, scope), evaluate(right, scope))
    case .concatenation(let parts):
      var text = TemplateTextBuilder(budget)
      for part in parts { try text.append(try string(evaluate(part, scope))) }
      return .string(text.text)
    case .conditional(let condition, let then, let otherwise):
      if try evaluate(condition, scope).isTrue { return try evaluate(then, scope) }
      guard let otherwise else { return .undefined("the inline if without an else") }
      return try evaluate(otherwise, scope)
    default: throw failure("an expression of an unknown kind")
    }
  }

  private mutating func evaluateAll(
    _ expressions: [TemplateExpression], _ scope: TemplateScope
  ) throws(TokenizerError) -> [TemplateValue] {
    try budget.allocate(items: expressions.count)
    var values: [TemplateValue] = []
    for expression in expressions { values.append(try evaluate(expression, scope)) }
    return values
  }

  private func lookUp(
    _ name: String, _ scope: TemplateScope
  ) throws(TokenizerError) -> TemplateValue {
    if let value = try scope.value(name, budget) { return value }
    if let function = TemplateFunction(rawValue: name) { return .function(function) }
    // The template's blocks, of which there are none.
    if name == "self" { return .namespace(TemplateNamespace()) }
    if ["cycler", "joiner", "lipsum"].contains(name) {
      throw TokenizerError(.unsupported, "template: the function \(name)")
    }
    return .undefined(name)
  }

  private mutating func dictionary(
    _ members: [(TemplateExpression, TemplateExpression)], _ scope: TemplateScope
  ) throws(TokenizerError) -> TemplateValue {
    let dictionary = TemplateDictionary()
    for (key, value) in members {
      try dictionary.set(try evaluate(key, scope), try evaluate(value, scope), budget)
    }
    return .dictionary(dictionary)
  }

  private mutating func comparison(
    _ left: TemplateExpression, _ rest: [(TemplateComparison, TemplateExpression)],
    _ scope: TemplateScope
  ) throws(TokenizerError) -> TemplateValue {
    var left = try evaluate(left, scope)
    for (comparison, right) in rest {
      let right = try evaluate(right, scope)
      guard try compare(left, comparison, right) else { return .bool(false) }
      left = right
    }
    return .bool(true)
  }

  func compare(
    _ left: TemplateValue, _ comparison: TemplateComparison, _ right: TemplateValue
  ) throws(TokenizerError) -> Bool {
    switch comparison {
    case .equal: return try left.equals(right, budget)
    case .unequal: return try !left.equals(right, budget)
    case .less: return try left.isLess(than: right, budget)
    case .greater: return try right.isLess(than: left, budget)
    // Not the opposite of the other two: NaN is neither.
    case .lessOrEqual:
      if try left.isLess(than: right, budget) { return true }
      return try left.equals(right, budget)
    case .greaterOrEqual:
      if try right.isLess(than: left, budget) { return true }
      return try left.equals(right, budget)
    case .contained: return try right.contains(left, budget)
    case .notContained: return try !right.contains(left, budget)
    }
  }

  // MARK: Arguments

  /// Evaluated arguments of a call.
  struct Arguments {
    var positional: [TemplateValue] = []
    var named: [(name: String, value: TemplateValue)] = []

    /// The arguments in the order of `names`, nil where not given.
    /// - Throws: `invalidInput` for one too many or an unknown name.
    func bound(to names: [String], of function: String) throws(TokenizerError) -> [TemplateValue?] {
      guard positional.count <= names.count, named.count <= names.count else {
        throw TokenizerError(.invalidInput, "template: too many arguments of \(function)")
      }
      var values: [TemplateValue?] = positional
      values += Array(repeating: nil, count: names.count - positional.count)
      for (name, value) in named {
        guard let index = names.firstIndex(of: name), values[index] == nil else {
          throw TokenizerError(.invalidInput, "template: the argument \(name) of \(function)")
        }
        values[index] = value
      }
      return values
    }
  }

  mutating func arguments(
    _ arguments: TemplateArguments, _ scope: TemplateScope
  ) throws(TokenizerError) -> Arguments {
    var values = Arguments()
    if !arguments.positional.isEmpty {
      values.positional = try evaluateAll(arguments.positional, scope)
    }
    for (name, value) in arguments.named { values.named.append((name, try evaluate(value, scope))) }
    if let rest = arguments.rest {
      let items = try iterate(evaluate(rest, scope))
      try budget.allocate(items: items.count)
      values.positional += items
    }
    guard let rest = arguments.namedRest else { return values }
    guard case .dictionary(let more) = try evaluate(rest, scope) else {
      throw failure("** before what is no dict")
    }
    try budget.allocate(items: 2 * more.keys.count)
    for (key, value) in zip(more.keys, more.values) {
      guard let name = key.text else { throw failure("** with a key that is no string") }
      values.named.append((name, value))
    }
    return values
  }
}
