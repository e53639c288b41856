/// Reads a template into statements. Syntax that chat templates do not use is refused by name.
struct TemplateParser {
  private static let unsupportedStatements: Set<String> = [
    "include", "import", "from", "extends", "block", "autoescape",
  ]

  private let tokens: [(token: TemplateLexer.Token, line: Int)]
  private var at = 0
  private var depth = 0

  /// - Throws: `unsupported` naming the construct, `invalidFile` for a malformed template,
  ///   `limitExceeded` where it nests too deep.
  static func parse(_ source: String) throws(TokenizerError) -> TemplateBlock {
    var parser = TemplateParser(tokens: try TemplateLexer.tokens(source))
    let body = try parser.statements(until: [])
    return try TemplateFrames.resolved(body)
  }

  private init(tokens: [(token: TemplateLexer.Token, line: Int)]) {
    self.tokens = tokens
  }

  // MARK: Tokens

  var current: TemplateLexer.Token { at < tokens.count ? tokens[at].token : .end }

  var following: TemplateLexer.Token { at + 1 < tokens.count ? tokens[at + 1].token : .end }

  mutating func advance() {
    if at + 1 < tokens.count { at += 1 }
  }

  func failure(_ code: TokenizerError.Code, _ what: String) -> TokenizerError {
    TokenizerError(code, "template line \(at < tokens.count ? tokens[at].line : 0): \(what)")
  }

  func unexpected() -> TokenizerError {
    switch current {
    case .name(let text), .symbol(let text): failure(.invalidFile, "unexpected \(text)")
    default: failure(.invalidFile, "unexpected \(current)")
    }
  }

  mutating func take(_ token: TemplateLexer.Token) -> Bool {
    guard current == token else { return false }
    advance()
    return true
  }

  mutating func takeSymbol(_ text: String) -> Bool { take(.symbol(text)) }

  mutating func takeName(_ text: String) -> Bool { take(.name(text)) }

  mutating func expect(_ token: TemplateLexer.Token) throws(TokenizerError) {
    guard take(token) else { throw unexpected() }
  }

  mutating func expectName() throws(TokenizerError) -> String {
    guard case .name(let name) = current else { throw unexpected() }
    advance()
    return name
  }

  mutating func nested<T>(
    _ body: (inout TemplateParser) throws(TokenizerError) -> T
  ) throws(TokenizerError) -> T {
    guard depth < TemplateLimits.syntaxDepth else {
      throw failure(.limitExceeded, "nested too deep")
    }
    depth += 1
    defer { depth -= 1 }
    return try body(&self)
  }

  // MARK: Statements

  /// Statements up to a tag with one of these names, whose start and name are taken.
  private mutating func statements(
    until ends: Set<String>
  ) throws(TokenizerError) -> [TemplateStatement] {
    try nested { (parser) throws(TokenizerError) in
      var body: [TemplateStatement] = []
      while true {
        switch parser.current {
        case .end:
          guard ends.isEmpty else {
            throw parser.failure(.invalidFile, "no \(ends.sorted().joined(separator: " or "))")
          }
          return body
        case .text(let text):
          parser.advance()
          body.append(.text(text))
        case .outputStart:
          parser.advance()
          body.append(.output(try parser.tuple()))
          try parser.expect(.outputEnd)
        case .blockStart:
          parser.advance()
          if case .name(let name) = parser.current, ends.contains(name) { return body }
          body.append(try parser.statement())
          try parser.expect(.blockEnd)
        default: throw parser.unexpected()
        }
      }
    }
  }

  /// The body up to the one closing tag.
  private mutating func body(until end: String) throws(TokenizerError) -> [TemplateStatement] {
    try expect(.blockEnd)
    let body = try statements(until: [end])
    advance()
    return body
  }

  private mutating func statement() throws(TokenizerError) -> TemplateStatement {
    let name = try expectName()
    switch name {
    case "if": return try conditional()
    case "for": return try loop()
    case "set": return try set()
    case "macro": return try macro()
    case "with": return try scope()
    case "call": return try callBlock()
    case "generation":
      return .scope([], TemplateBlock(try body(until: "endgeneration")))
    case "filter":
      let filters = try filters(isFirst: true)
      return .filtered(filters, TemplateBlock(try body(until: "endfilter")))
    case "break": return .leaveLoop
    case "continue": return .continueLoop
    default:
      if Self.unsupportedStatements.contains(name) {
        throw failure(.unsupported, "the statement \(name)")
      }
      throw failure(.invalidFile, "the unknown statement \(name)")
    }
  }

  private mutating func conditional() throws(TokenizerError) -> TemplateStatement {
    var branches: [(condition: TemplateExpression?, body: [TemplateStatement])] = []
    var condition = try tuple(allowsConditional: false)
    while true {
      try expect(.blockEnd)
      branches.append((condition, try statements(until: ["elif", "else", "endif"])))
      switch try expectName() {
      case "elif": condition = try tuple(allowsConditional: false)
      case "else":
        branches.append((nil, try body(until: "endif")))
        return .conditional(branches)
      default: return .conditional(branches)
      }
    }
  }

  private mutating func loop() throws(TokenizerError) -> TemplateStatement {
    let target = try target(allowsAttribute: false)
    guard takeName("in") else { throw unexpected() }
    let items = try tuple(allowsConditional: false)
    let condition = takeName("if") ? try expression() : nil
    let isRecursive = takeName("recursive")
    try expect(.blockEnd)
    let body = try statements(until: ["else", "endfor"])
    var otherwise: [TemplateStatement] = []
    if try expectName() == "else" { otherwise = try self.body(until: "endfor") }
    return .loop(
      TemplateLoopSyntax(
        target: target, items: items, condition: condition, body: TemplateBlock(body),
        otherwise: TemplateBlock(otherwise), isRecursive: isRecursive))
  }

  private mutating func set() throws(TokenizerError) -> TemplateStatement {
    let target = try target(allowsAttribute: true)
    if takeSymbol("=") { return .set(target, try tuple()) }
    let filters = try filters(isFirst: false)
    return .capture(target, filters: filters, body: TemplateBlock(try body(until: "endset")))
  }

  private mutating func macro() throws(TokenizerError) -> TemplateStatement {
    let name = try expectName()
    return .macro(name, try parameters(), TemplateBlock(try body(until: "endmacro")))
  }

  private mutating func callBlock() throws(TokenizerError) -> TemplateStatement {
    let parameters = current == .symbol("(") ? try parameters() : []
    let call = try expression()
    guard case .call = call else { throw failure(.invalidFile, "call of what is no call") }
    return .call(call, parameters, TemplateBlock(try body(until: "endcall")))
  }

  private mutating func parameters() throws(TokenizerError) -> [TemplateParameter] {
    var parameters: [TemplateParameter] = []
    try expect(.symbol("("))
    while !takeSymbol(")") {
      if !parameters.isEmpty { try expect(.symbol(",")) }
      let parameter = try expectName()
      let standard = takeSymbol("=") ? try expression() : nil
      if standard == nil, parameters.last?.standard != nil {
        throw failure(.invalidFile, "a parameter without a default after one with")
      }
      parameters.append(TemplateParameter(name: parameter, standard: standard))
    }
    return parameters
  }

  private mutating func scope() throws(TokenizerError) -> TemplateStatement {
    var values: [(TemplateTarget, TemplateExpression)] = []
    while current != .blockEnd {
      if !values.isEmpty { try expect(.symbol(",")) }
      let target = try target(allowsAttribute: false)
      try expect(.symbol("="))
      values.append((target, try expression()))
    }
    return .scope(values, TemplateBlock(try body(until: "endwith")))
  }

  // MARK: Targets

  private mutating func target(
    allowsAttribute: Bool
  ) throws(TokenizerError) -> TemplateTarget {
    var targets: [TemplateTarget] = []
    var isTuple = false
    while true {
      targets.append(try singleTarget(allowsAttribute: allowsAttribute))
      guard takeSymbol(",") else { break }
      isTuple = true
      if current == .name("in") || current == .symbol("=") { break }
    }
    return isTuple ? .tuple(targets) : targets[0]
  }

  private mutating func singleTarget(
    allowsAttribute: Bool
  ) throws(TokenizerError) -> TemplateTarget {
    if takeSymbol("(") {
      let target = try nested { (parser) throws(TokenizerError) in
        try parser.target(allowsAttribute: allowsAttribute)
      }
      try expect(.symbol(")"))
      return target
    }
    let name = try expectName()
    if ["true", "false", "none", "True", "False", "None"].contains(name) {
      throw failure(.invalidFile, "\(name) cannot be set")
    }
    if name == "loop" { throw failure(.unsupported, "setting loop") }
    guard allowsAttribute, takeSymbol(".") else { return .name(name) }
    return .attribute(of: name, try expectName())
  }
}
