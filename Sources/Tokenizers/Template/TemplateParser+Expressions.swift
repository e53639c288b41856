extension TemplateParser {
  /// Expressions with commas between them as one tuple, or a single expression as it is.
  mutating func tuple(
    allowsConditional: Bool = true, isParenthesised: Bool = false
  ) throws(TokenizerError) -> TemplateExpression {
    var items: [TemplateExpression] = []
    var isTuple = false
    while true {
      if !items.isEmpty {
        guard takeSymbol(",") else { break }
        isTuple = true
      }
      if isTupleEnd { break }
      items.append(try expression(allowsConditional: allowsConditional))
    }
    if isTuple || (items.isEmpty && isParenthesised) { return .tuple(items) }
    guard let item = items.first else { throw unexpected() }
    return item
  }

  private var isTupleEnd: Bool {
    switch current {
    case .outputEnd, .blockEnd, .symbol(")"), .name("recursive"): true
    default: false
    }
  }

  mutating func expression(
    allowsConditional: Bool = true
  ) throws(TokenizerError) -> TemplateExpression {
    try nested { (parser) throws(TokenizerError) in
      allowsConditional ? try parser.conditionalExpression() : try parser.disjunction()
    }
  }

  /// Counts one more link of a chain, which is one more level of the tree.
  private func checkChain(_ length: inout Int) throws(TokenizerError) {
    length += 1
    guard length <= TemplateLimits.chainLength else {
      throw failure(.limitExceeded, "too long a chain of operators, calls or filters")
    }
  }

  private mutating func conditionalExpression() throws(TokenizerError) -> TemplateExpression {
    var value = try disjunction()
    var length = 0
    while takeName("if") {
      try checkChain(&length)
      let condition = try disjunction()
      var otherwise: TemplateExpression?
      if takeName("else") {
        otherwise = try nested { (parser) throws(TokenizerError) in
          try parser.conditionalExpression()
        }
      }
      value = .conditional(condition: condition, then: value, otherwise: otherwise)
    }
    return value
  }

  private mutating func disjunction() throws(TokenizerError) -> TemplateExpression {
    var left = try conjunction()
    var length = 0
    while takeName("or") {
      try checkChain(&length)
      left = .or(left, try conjunction())
    }
    return left
  }

  private mutating func conjunction() throws(TokenizerError) -> TemplateExpression {
    var left = try negation()
    var length = 0
    while takeName("and") {
      try checkChain(&length)
      left = .and(left, try negation())
    }
    return left
  }

  private mutating func negation() throws(TokenizerError) -> TemplateExpression {
    guard takeName("not") else { return try comparison() }
    return .negation(
      try nested { (parser) throws(TokenizerError) in try parser.negation() })
  }

  private mutating func comparison() throws(TokenizerError) -> TemplateExpression {
    let left = try sum()
    var rest: [(TemplateComparison, TemplateExpression)] = []
    while let comparison = takeComparison() { rest.append((comparison, try sum())) }
    return rest.isEmpty ? left : .comparison(left, rest)
  }

  private mutating func takeComparison() -> TemplateComparison? {
    if case .symbol(let symbol) = current, let comparison = TemplateComparison(rawValue: symbol) {
      advance()
      return comparison
    }
    if takeName("in") { return .contained }
    guard current == .name("not"), following == .name("in") else { return nil }
    advance()
    advance()
    return .notContained
  }

  private mutating func sum() throws(TokenizerError) -> TemplateExpression {
    var left = try concatenation()
    var length = 0
    while let sign = takeOperator(["+", "-"]) {
      try checkChain(&length)
      left = .arithmetic(sign, left, try concatenation())
    }
    return left
  }

  private mutating func concatenation() throws(TokenizerError) -> TemplateExpression {
    var parts = [try product()]
    while takeSymbol("~") { parts.append(try product()) }
    return parts.count == 1 ? parts[0] : .concatenation(parts)
  }

  private mutating func product() throws(TokenizerError) -> TemplateExpression {
    var left = try power()
    var length = 0
    while let sign = takeOperator(["*", "/", "//", "%"]) {
      try checkChain(&length)
      left = .arithmetic(sign, left, try power())
    }
    return left
  }

  private mutating func power() throws(TokenizerError) -> TemplateExpression {
    var left = try unary(allowsFilters: true)
    var length = 0
    while let sign = takeOperator(["**"]) {
      try checkChain(&length)
      left = .arithmetic(sign, left, try unary(allowsFilters: true))
    }
    return left
  }

  private mutating func takeOperator(_ symbols: Set<String>) -> TemplateOperator? {
    guard case .symbol(let symbol) = current, symbols.contains(symbol) else { return nil }
    advance()
    return TemplateOperator(rawValue: symbol)
  }

  private mutating func unary(
    allowsFilters: Bool
  ) throws(TokenizerError) -> TemplateExpression {
    var node: TemplateExpression
    if let sign = takeOperator(["+", "-"]) {
      let operand = try nested { (parser) throws(TokenizerError) in
        try parser.unary(allowsFilters: false)
      }
      node = .sign(operand, isNegative: sign == .subtract)
    } else {
      node = try primary()
    }
    node = try postfix(node)
    return allowsFilters ? try filtersAndTests(node) : node
  }

  // MARK: Primary expressions

  private mutating func primary() throws(TokenizerError) -> TemplateExpression {
    let token = current
    advance()
    switch token {
    case .name("true"), .name("True"): return .constant(.bool(true))
    case .name("false"), .name("False"): return .constant(.bool(false))
    case .name("none"), .name("None"): return .constant(.none)
    case .name(let name): return .name(name)
    case .int(let value): return .constant(.int(value))
    case .double(let value): return .constant(.double(value))
    case .string(var text):
      while case .string(let more) = current {
        text += more
        advance()
      }
      return .constant(.string(text))
    case .symbol("("):
      let node = try tuple(isParenthesised: true)
      try expect(.symbol(")"))
      return node
    case .symbol("["): return .list(try items(until: "]"))
    case .symbol("{"): return try dictionary()
    case .symbol(let symbol): throw failure(.invalidFile, "unexpected \(symbol)")
    default: throw failure(.invalidFile, "unexpected \(token)")
    }
  }

  private mutating func items(until end: String) throws(TokenizerError) -> [TemplateExpression] {
    var items: [TemplateExpression] = []
    while !takeSymbol(end) {
      if !items.isEmpty {
        try expect(.symbol(","))
        if takeSymbol(end) { break }
      }
      items.append(try expression())
    }
    return items
  }

  private mutating func dictionary() throws(TokenizerError) -> TemplateExpression {
    var members: [(TemplateExpression, TemplateExpression)] = []
    while !takeSymbol("}") {
      if !members.isEmpty {
        try expect(.symbol(","))
        if takeSymbol("}") { break }
      }
      let key = try expression()
      try expect(.symbol(":"))
      members.append((key, try expression()))
    }
    return .dictionary(members)
  }

  private mutating func postfix(
    _ node: TemplateExpression
  ) throws(TokenizerError) -> TemplateExpression {
    var node = node
    var length = 0
    while true {
      try checkChain(&length)
      if takeSymbol(".") {
        if case .int(let index) = current {
          advance()
          node = .item(node, .constant(.int(index)))
        } else {
          node = .attribute(node, try expectName())
        }
      } else if takeSymbol("[") {
        node = try subscripted(node)
      } else if current == .symbol("(") {
        node = .call(node, try arguments())
      } else {
        return node
      }
    }
  }

  private mutating func subscripted(
    _ base: TemplateExpression
  ) throws(TokenizerError) -> TemplateExpression {
    let start = current == .symbol(":") ? nil : try expression()
    if let start, takeSymbol("]") { return .item(base, start) }
    guard takeSymbol(":") else { throw failure(.unsupported, "a subscript with commas") }
    let end = try sliceBound()
    let step = takeSymbol(":") ? try sliceBound() : nil
    try expect(.symbol("]"))
    return .slice(base, start, end, step)
  }

  private mutating func sliceBound() throws(TokenizerError) -> TemplateExpression? {
    if current == .symbol(":") || current == .symbol("]") { return nil }
    return try expression()
  }

  private mutating func arguments() throws(TokenizerError) -> TemplateArguments {
    try expect(.symbol("("))
    var arguments = TemplateArguments()
    var isFirst = true
    while !takeSymbol(")") {
      if !isFirst {
        try expect(.symbol(","))
        if takeSymbol(")") { break }
      }
      isFirst = false
      if try takeRest(&arguments) { continue }
      if case .name(let name) = current, following == .symbol("=") {
        advance()
        advance()
        arguments.named.append((name, try expression()))
      } else {
        guard arguments.named.isEmpty, arguments.rest == nil else {
          throw failure(.invalidFile, "an argument without a name after one with")
        }
        arguments.positional.append(try expression())
      }
    }
    return arguments
  }

  /// Takes `*list` or `**dictionary` of a call.
  private mutating func takeRest(
    _ arguments: inout TemplateArguments
  ) throws(TokenizerError) -> Bool {
    guard arguments.namedRest == nil else { throw failure(.invalidFile, "an argument after **") }
    if takeSymbol("*") {
      guard arguments.rest == nil else { throw failure(.invalidFile, "* twice in a call") }
      arguments.rest = try expression()
    } else if takeSymbol("**") {
      arguments.namedRest = try expression()
    } else {
      return false
    }
    return true
  }

  // MARK: Filters and tests

  private mutating func filtersAndTests(
    _ node: TemplateExpression
  ) throws(TokenizerError) -> TemplateExpression {
    var node = node
    var length = 0
    while true {
      try checkChain(&length)
      if current == .symbol("|") {
        for (name, arguments) in try filters(isFirst: false) {
          node = .filter(node, name, arguments)
        }
      } else if takeName("is") {
        node = try test(node)
      } else if current == .symbol("(") {
        node = .call(node, try arguments())
      } else {
        return node
      }
    }
  }

  /// `| name(arguments)` as often as it is there; the first one without its bar for a `filter` tag.
  mutating func filters(
    isFirst: Bool
  ) throws(TokenizerError) -> [(String, TemplateArguments)] {
    var filters: [(String, TemplateArguments)] = []
    var isFirst = isFirst
    var length = 0
    while isFirst || takeSymbol("|") {
      isFirst = false
      var name = try expectName()
      while takeSymbol(".") { name += "." + (try expectName()) }
      try checkChain(&length)
      filters.append((name, current == .symbol("(") ? try arguments() : TemplateArguments()))
    }
    return filters
  }

  private mutating func test(
    _ node: TemplateExpression
  ) throws(TokenizerError) -> TemplateExpression {
    let isNegated = takeName("not")
    var name = try expectName()
    while takeSymbol(".") { name += "." + (try expectName()) }
    var testArguments = TemplateArguments()
    switch current {
    case .symbol("("): testArguments = try arguments()
    case .name("else"), .name("or"), .name("and"): break
    case .name("is"): throw failure(.invalidFile, "is after is")
    case .name, .string, .int, .double, .symbol("["), .symbol("{"):
      testArguments.positional = [try postfix(try primary())]
    default: break
    }
    return .test(node, name, testArguments, isNegated: isNegated)
  }
}
