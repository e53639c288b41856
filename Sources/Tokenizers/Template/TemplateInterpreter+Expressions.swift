import Foundation

extension TemplateInterpreter {
  mutating func evaluate(
    _ expression: TemplateExpression, _ scope: TemplateScope
  ) throws(TokenizerError) -> TemplateValue {
    try charge()
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
        return try me.call(me.evaluate(base, scope), me.arguments(arguments, scope))
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
      var text = ""
      for part in parts { text += try PythonText.string(evaluate(part, scope)) }
      try charge(bytes: text.utf8.count)
      return .string(text)
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
    var values: [TemplateValue] = []
    for expression in expressions { values.append(try evaluate(expression, scope)) }
    return values
  }

  private func lookUp(
    _ name: String, _ scope: TemplateScope
  ) throws(TokenizerError) -> TemplateValue {
    if let value = scope.value(name) { return value }
    if let function = TemplateFunction(rawValue: name) { return .function(function) }
    if ["cycler", "joiner", "lipsum"].contains(name) {
      throw TokenizerError(.unsupported, "template: the function \(name)")
    }
    return .undefined(name)
  }

  private mutating func dictionary(
    _ members: [(TemplateExpression, TemplateExpression)], _ scope: TemplateScope
  ) throws(TokenizerError) -> TemplateValue {
    var dictionary = TemplateDictionary()
    for (key, value) in members {
      guard case .string(let key) = try evaluate(key, scope) else {
        throw TokenizerError(.unsupported, "template: a dictionary key that is not a string")
      }
      try dictionary.set(key, try evaluate(value, scope))
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
    case .equal: return left.equals(right)
    case .unequal: return !left.equals(right)
    case .less: return try left.isLess(than: right)
    case .greater: return try right.isLess(than: left)
    // Not the opposite of the other two: NaN is neither.
    case .lessOrEqual: return try left.isLess(than: right) || left.equals(right)
    case .greaterOrEqual: return try right.isLess(than: left) || left.equals(right)
    case .contained: return try right.contains(left)
    case .notContained: return try !right.contains(left)
    }
  }

  // MARK: Arguments and calls

  /// Evaluated arguments of a call.
  struct Arguments {
    var positional: [TemplateValue] = []
    var named: [(name: String, value: TemplateValue)] = []

    /// The arguments in the order of `names`, nil where not given.
    /// - Throws: `invalidInput` for one too many or an unknown name.
    func bound(to names: [String], of function: String) throws(TokenizerError) -> [TemplateValue?] {
      guard positional.count <= names.count else {
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
    var values = Arguments(positional: try evaluateAll(arguments.positional, scope))
    for (name, value) in arguments.named { values.named.append((name, try evaluate(value, scope))) }
    return values
  }

  private mutating func call(
    _ callee: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    switch callee {
    case .macro(let macro): return .string(try call(macro, arguments))
    case .function(let function): return try call(function, arguments)
    case .method(let method): return try call(method, arguments)
    case .undefined(let name): throw failure("\(name) is undefined and cannot be called")
    default: throw failure("a \(callee.typeName) cannot be called")
    }
  }

  private mutating func call(
    _ macro: TemplateMacro, _ arguments: Arguments
  ) throws(TokenizerError) -> String {
    let values = try arguments.bound(to: macro.parameters.map(\.name), of: macro.name)
    let scope = TemplateScope(parent: macro.scope)
    for (parameter, value) in zip(macro.parameters, values) {
      if let value {
        scope.set(parameter.name, value)
      } else if let standard = parameter.standard {
        scope.set(parameter.name, try evaluate(standard, scope))
      } else {
        scope.set(parameter.name, .undefined(parameter.name))
      }
    }
    return try captured(macro.body, scope)
  }

  private mutating func call(
    _ function: TemplateFunction, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    switch function {
    case .range: return try range(arguments)
    case .namespace:
      let namespace = TemplateNamespace()
      for (name, value) in try members(arguments, of: "namespace") {
        guard !name.hasPrefix("_") else { throw failure("a namespace attribute with _") }
        namespace.attributes[name] = value
      }
      return .namespace(namespace)
    case .dict:
      var dictionary = TemplateDictionary()
      for (name, value) in try members(arguments, of: "dict") { try dictionary.set(name, value) }
      return .dictionary(dictionary)
    case .raiseException:
      let message = try arguments.bound(to: ["message"], of: "raise_exception")[0]
      throw TokenizerError(
        .raisedByTemplate, try PythonText.string(message ?? .string("raise_exception")))
    case .strftimeNow:
      guard case .string(let format)? = try arguments.bound(to: ["format"], of: "strftime_now")[0]
      else { throw failure("strftime_now without a format") }
      return .string(try TemplateClock.text(format, now, timeZone))
    }
  }

  /// The members that `dict` and `namespace` take: those of a dictionary, then named ones.
  private mutating func members(
    _ arguments: Arguments, of function: String
  ) throws(TokenizerError) -> [(String, TemplateValue)] {
    var members: [(String, TemplateValue)] = []
    guard arguments.positional.count <= 1 else {
      throw failure("too many arguments of \(function)")
    }
    if let first = arguments.positional.first {
      guard case .dictionary(let dictionary) = first else {
        throw TokenizerError(.unsupported, "template: \(function) of a \(first.typeName)")
      }
      members = Array(zip(dictionary.keys, dictionary.values))
    }
    members += arguments.named.map { ($0.name, $0.value) }
    _ = try TemplateLimits.depth(of: members.map(\.1))
    return members
  }

  private mutating func range(_ arguments: Arguments) throws(TokenizerError) -> TemplateValue {
    var numbers: [Int] = []
    for value in arguments.positional {
      guard case .int(let number) = value else { throw failure("range of a \(value.typeName)") }
      numbers.append(number)
    }
    guard (1...3).contains(numbers.count), arguments.named.isEmpty else {
      throw failure("range takes one to three numbers")
    }
    let start = numbers.count > 1 ? numbers[0] : 0
    let end = numbers.count > 1 ? numbers[1] : numbers[0]
    let step = numbers.count > 2 ? numbers[2] : 1
    guard step != 0 else { throw failure("range with a step of 0") }
    var items: [TemplateValue] = []
    for number in stride(from: start, to: end, by: step) {
      guard items.count < TemplateLimits.items else {
        throw TokenizerError(.limitExceeded, "template: a range above \(TemplateLimits.items)")
      }
      items.append(.int(number))
    }
    try charge(items: items.count)
    return .list(try TemplateList(items, .range))
  }
}
