/// The tests that templates may use after `is`; Jinja's others are refused by name.
enum TemplateTest: String {
  case boolean, callable, defined, divisibleby, eq, equalto, even, float, ge, greaterthan, gt
  case integer, iterable, le, lessthan, lower, lt, mapping, ne, none, number, odd, sameas
  case sequence, string, undefined, upper
  case contained = "in"
  case isFalse = "false"
  case isTrue = "true"
}

extension TemplateInterpreter {
  private static let comparisons: [String: TemplateComparison] = [
    "eq": .equal, "equalto": .equal, "==": .equal, "ne": .unequal, "!=": .unequal,
    "lt": .less, "lessthan": .less, "<": .less, "le": .lessOrEqual, "<=": .lessOrEqual,
    "gt": .greater, "greaterthan": .greater, ">": .greater, "ge": .greaterOrEqual,
    ">=": .greaterOrEqual, "in": .contained,
  ]

  /// `value is name(arguments)`.
  mutating func check(
    test name: String, of value: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> Bool {
    try charge()
    if let comparison = Self.comparisons[name] {
      guard let other = try arguments.bound(to: ["other"], of: name)[0] else {
        throw failure("\(name) without a value to compare with")
      }
      return try compare(value, comparison, other)
    }
    guard let test = TemplateTest(rawValue: name) else {
      throw TokenizerError(.unsupported, "template: the test \(name)")
    }
    switch test {
    case .divisibleby: return try remainder(value, arguments) == 0
    case .sameas: return try isSame(value, arguments)
    default: _ = try arguments.bound(to: [], of: name)
    }
    switch test {
    case .even: return try integer(value) % 2 == 0
    case .odd: return try integer(value) % 2 != 0
    case .lower, .upper: return try hasCase(value, isUpper: test == .upper)
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
    case (.isTrue, .bool(let flag)): flag
    case (.isFalse, .bool(let flag)): !flag
    case (.number, .int), (.number, .double), (.number, .bool): true
    case (.mapping, .dictionary): true
    case (.sequence, .string), (.sequence, .dictionary), (.sequence, .undefined): true
    case (.sequence, .list(let list)): list.kind != .view
    case (.iterable, .string), (.iterable, .dictionary), (.iterable, .undefined): true
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

  private func hasCase(_ value: TemplateValue, isUpper: Bool) throws(TokenizerError) -> Bool {
    let scalars = try PythonText.string(value).unicodeScalars.filter(\.properties.isCased)
    return !scalars.isEmpty
      && scalars.allSatisfy { isUpper ? $0.properties.isUppercase : $0.properties.isLowercase }
  }
}
