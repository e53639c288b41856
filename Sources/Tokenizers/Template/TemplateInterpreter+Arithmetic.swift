extension TemplateInterpreter {
  func signed(_ value: TemplateValue, isNegative: Bool) throws(TokenizerError) -> TemplateValue {
    switch value.number {
    case .int(let number) where isNegative:
      let (result, overflow) = 0.subtractingReportingOverflow(number)
      if overflow { throw overflowed() }
      return .int(result)
    case .int(let number): return .int(number)
    case .double(let number): return .double(isNegative ? -number : number)
    case nil: throw failure("a sign before a \(value.typeName)")
    }
  }

  private func overflowed() -> TokenizerError {
    TokenizerError(.limitExceeded, "template: a number beyond 64 bits")
  }

  mutating func arithmetic(
    _ sign: TemplateOperator, _ left: TemplateValue, _ right: TemplateValue
  ) throws(TokenizerError) -> TemplateValue {
    switch (sign, left, right) {
    case (.add, .string, .string), (.add, .markup, .string), (.add, .string, .markup),
      (.add, .markup, .markup):
      return try joined(left, right)
    case (.add, .list(let left), .list(let right)) where left.kind == right.kind && left.isPlain:
      try budget.allocate(items: left.items.count + right.items.count)
      return .list(try TemplateList(left.items + right.items, left.kind))
    case (.multiply, .string, _), (.multiply, _, .string), (.multiply, .list, _),
      (.multiply, _, .list), (.multiply, .markup, _), (.multiply, _, .markup):
      return try repeated(left, right)
    case (.remainder, .string(let format), _):
      return .string(try TemplateFormat.text(format, right, budget))
    case (.remainder, .markup, _):
      throw TokenizerError(.unsupported, "template: formatting a marked text with %")
    default: break
    }
    guard let leftNumber = left.number, let rightNumber = right.number else {
      throw failure("\(sign.rawValue) between \(left.typeName) and \(right.typeName)")
    }
    if case .int(let left) = leftNumber, case .int(let right) = rightNumber, sign != .divide {
      return try integer(sign, left, right)
    }
    return try .double(floating(sign, leftNumber.double, rightNumber.double))
  }

  /// Two strings joined; one that is marked escapes the other.
  private func joined(
    _ left: TemplateValue, _ right: TemplateValue
  ) throws(TokenizerError) -> TemplateValue {
    var out = TemplateTextBuilder(budget)
    var isMarked = false
    if case .markup = left { isMarked = true }
    if case .markup = right { isMarked = true }
    for part in [left, right] {
      if case .string(let text) = part, isMarked {
        try out.append(PythonText.escaped(text, budget))
      } else {
        try out.append(part.text ?? "")
      }
    }
    return isMarked ? .markup(out.text) : .string(out.text)
  }

  private mutating func repeated(
    _ left: TemplateValue, _ right: TemplateValue
  ) throws(TokenizerError) -> TemplateValue {
    var (sequence, count) = (left, right)
    if left.number != nil { (sequence, count) = (right, left) }
    guard case .int(let times) = count.number else {
      throw failure("* between \(left.typeName) and \(right.typeName)")
    }
    let factor = max(0, times)
    switch sequence {
    case .string(let text), .markup(let text):
      let (size, overflow) = text.utf8.count.multipliedReportingOverflow(by: factor)
      try budget.allocate(text: overflow ? Int.max : size)
      return sequence.like(text.isEmpty ? "" : String(repeating: text, count: factor))
    case .list(let list) where list.isPlain:
      let (size, overflow) = list.items.count.multipliedReportingOverflow(by: factor)
      try budget.allocate(items: overflow ? Int.max : size)
      let copies = list.items.isEmpty ? 0 : factor
      return .list(
        try TemplateList(Array(repeatElement(list.items, count: copies).joined()), list.kind))
    default: throw failure("* between \(left.typeName) and \(right.typeName)")
    }
  }

  private func integer(
    _ sign: TemplateOperator, _ left: Int, _ right: Int
  ) throws(TokenizerError) -> TemplateValue {
    let result: (partialValue: Int, overflow: Bool)
    switch sign {
    case .add: result = left.addingReportingOverflow(right)
    case .subtract: result = left.subtractingReportingOverflow(right)
    case .multiply: result = left.multipliedReportingOverflow(by: right)
    case .floorDivide:
      guard right != 0 else { throw failure("division by zero") }
      let (quotient, overflow) = left.dividedReportingOverflow(by: right)
      if overflow { throw overflowed() }
      let isInexact = quotient * right != left
      result = (isInexact && (left < 0) != (right < 0) ? quotient - 1 : quotient, false)
    case .remainder:
      guard right != 0 else { throw failure("division by zero") }
      let remainder = right == -1 ? 0 : left % right
      result = (
        remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder, false
      )
    case .power, .divide:
      guard right >= 0 else {
        return .double(try floating(.power, Double(left), Double(right)))
      }
      result = try power(left, right)
    }
    if result.overflow { throw overflowed() }
    return .int(result.partialValue)
  }

  private func power(
    _ base: Int, _ exponent: Int
  ) throws(TokenizerError) -> (partialValue: Int, overflow: Bool) {
    if [0, 1].contains(base) { return (exponent == 0 ? 1 : base, false) }
    if base == -1 { return (exponent % 2 == 0 ? 1 : -1, false) }
    guard exponent < 64 else { throw overflowed() }
    var value = 1
    for _ in 0..<exponent {
      let (product, overflow) = value.multipliedReportingOverflow(by: base)
      if overflow { return (0, true) }
      value = product
    }
    return (value, false)
  }

  private func floating(
    _ sign: TemplateOperator, _ left: Double, _ right: Double
  ) throws(TokenizerError) -> Double {
    switch sign {
    case .add: return left + right
    case .subtract: return left - right
    case .multiply: return left * right
    case .power: throw TokenizerError(.unsupported, "template: ** of fractions")
    case .divide, .floorDivide, .remainder:
      guard right != 0 else { throw failure("division by zero") }
      if sign == .divide { return left / right }
      var remainder = left.truncatingRemainder(dividingBy: right)
      if remainder != 0, (remainder < 0) != (right < 0) { remainder += right }
      return sign == .remainder ? remainder : ((left - remainder) / right).rounded()
    }
  }
}
