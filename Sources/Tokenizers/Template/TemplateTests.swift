/// The tests that templates may use after `is`.
enum TemplateTest: String {
  case boolean, callable, defined, divisibleby, eq, equalto, escaped, even, filter, float, ge
  case greaterthan, gt, test
  case integer, iterable, le, lessthan, lower, lt, mapping, ne, none, number, odd, sameas
  case sequence, string, undefined, upper
  case contained = "in"
  case isFalse = "false"
  case isTrue = "true"

  /// Whether Jinja has the test.
  static func exists(_ name: String) -> Bool {
    TemplateTest(rawValue: name) != nil || comparisons[name] != nil
  }

  fileprivate static let comparisons: [String: TemplateComparison] = [
    "eq": .equal, "equalto": .equal, "==": .equal, "ne": .unequal, "!=": .unequal,
    "lt": .less, "lessthan": .less, "<": .less, "le": .lessOrEqual, "<=": .lessOrEqual,
    "gt": .greater, "greaterthan": .greater, ">": .greater, "ge": .greaterOrEqual,
    ">=": .greaterOrEqual, "in": .contained,
  ]
}

extension TemplateInterpreter {
  /// `value is name(arguments)`.
  mutating func check(
    test name: String, of value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> Bool {
    try budget.scan(name.utf8.count)
    if let comparison = TemplateTest.comparisons[name] {
      guard let other = try arguments.bound(to: ["other"], of: name)[0] else {
        throw failure("\(name) without a value to compare with")
      }
      return try compare(value, comparison, other)
    }
    guard let test = TemplateTest(rawValue: name) else {
      throw failure("no test \(name)")
    }
    switch test {
    case .divisibleby: return try remainder(value, arguments) == 0
    case .sameas: return try isSame(value, arguments)
    default: _ = try arguments.bound(to: [], of: name)
    }
    switch test {
    case .even: return try integer(value) % 2 == 0
    case .odd: return try integer(value) % 2 != 0
    case .lower, .upper:
      return try PythonText.hasCase(string(value), isUpper: test == .upper, budget)
    case .filter: return value.text.map(TemplateFilter.exists) ?? false
    case .test: return value.text.map(TemplateTest.exists) ?? false
    default: return isOfKind(test, value)
    }
  }

  private func isOfKind(_ test: TemplateTest, _ value: TemplateValue) -> Bool {
    switch (test, value) {
    case (.defined, .undefined): false
    case (.defined, _): true
    case (.undefined, .undefined): true
    case (.none, .none): true
    case (.boolean, .bool), (.integer, .int), (.float, .double), (.string, .string): true
    case (.string, .markup), (.escaped, .markup): true
    case (.isTrue, .bool(let flag)): flag
    case (.isFalse, .bool(let flag)): !flag
    case (.number, .int), (.number, .double), (.number, .bool): true
    case (.mapping, .dictionary): true
    case (.sequence, .string), (.sequence, .markup), (.sequence, .dictionary),
      (.sequence, .undefined):
      true
    case (.sequence, .list(let list)): list.kind != .view
    case (.iterable, .string), (.iterable, .markup), (.iterable, .dictionary),
      (.iterable, .undefined):
      true
    case (.iterable, .list), (.iterable, .iterator), (.iterable, .loop): true
    case (.callable, .macro), (.callable, .function), (.callable, .method): true
    default: false
    }
  }

  private func remainder(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> Int {
    guard let divisor = try arguments.bound(to: ["num"], of: "divisibleby")[0] else {
      throw failure("divisibleby without a number")
    }
    let number = try integer(divisor)
    guard number != 0 else { throw failure("division by zero") }
    return number == -1 ? 0 : try integer(value) % number
  }

  /// Identity, which only `None` and booleans have for certain.
  private func isSame(
    _ value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> Bool {
    switch (value, try arguments.bound(to: ["other"], of: "sameas")[0]) {
    case (_, nil): throw failure("sameas without a value")
    case (.none, .some(.none)): return true
    case (.bool(let left), .bool(let right)): return left == right
    case (.none, _), (.bool, _), (_, .some(.none)), (_, .bool): return false
    default: throw TokenizerError(.unsupported, "template: sameas but for none, true and false")
    }
  }
}
