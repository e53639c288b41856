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
    case (.add, .string(let left), .string(let right)):
      try charge(bytes: left.utf8.count + right.utf8.count)
      return .string(left + right)
    case (.add, .list(let left), .list(let right)) where left.kind == right.kind && left.isPlain:
      try charge(items: left.items.count + right.items.count)
      return .list(try TemplateList(left.items + right.items, left.kind))
    case (.multiply, .string, _), (.multiply, _, .string), (.multiply, .list, _),
      (.multiply, _, .list):
      return try repeated(left, right)
    case (.remainder, .string, _):
      throw TokenizerError(.unsupported, "template: formatting with %")
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
    case .string(let text):
      let (size, overflow) = text.utf8.count.multipliedReportingOverflow(by: factor)
      try charge(bytes: overflow ? Int.max / 2 : size)
      return .string(text.isEmpty ? "" : String(repeating: text, count: factor))
    case .list(let list) where list.isPlain:
      let (size, overflow) = list.items.count.multipliedReportingOverflow(by: factor)
      try charge(items: overflow ? Int.max / 2 : size)
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

extension TemplateList {
  /// Whether it is a list or tuple, which can be joined and repeated.
  var isPlain: Bool { kind == .list || kind == .tuple }
}
