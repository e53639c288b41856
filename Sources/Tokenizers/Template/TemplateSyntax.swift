/// An expression of a template.
indirect enum TemplateExpression: Sendable {
  case constant(TemplateConstant)
  case name(String)
  case list([TemplateExpression])
  case tuple([TemplateExpression])
  case dictionary([(TemplateExpression, TemplateExpression)])
  case attribute(TemplateExpression, String)
  case item(TemplateExpression, TemplateExpression)
  case slice(
    TemplateExpression, TemplateExpression?, TemplateExpression?, TemplateExpression?)
  case call(TemplateExpression, TemplateArguments)
  case filter(TemplateExpression, String, TemplateArguments)
  case test(TemplateExpression, String, TemplateArguments, isNegated: Bool)
  case negation(TemplateExpression)
  case sign(TemplateExpression, isNegative: Bool)
  case and(TemplateExpression, TemplateExpression)
  case or(TemplateExpression, TemplateExpression)
  case comparison(TemplateExpression, [(TemplateComparison, TemplateExpression)])
  case arithmetic(TemplateOperator, TemplateExpression, TemplateExpression)
  case concatenation([TemplateExpression])
  /// `then if condition else otherwise`.
  case conditional(
    condition: TemplateExpression, then: TemplateExpression, otherwise: TemplateExpression?)
}

enum TemplateConstant: Sendable {
  case none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)

  var value: TemplateValue {
    switch self {
    case .none: .none
    case .bool(let value): .bool(value)
    case .int(let value): .int(value)
    case .double(let value): .double(value)
    case .string(let value): .string(value)
    }
  }
}

/// The arguments of a call, a filter or a test.
struct TemplateArguments: Sendable {
  var positional: [TemplateExpression] = []
  var named: [(name: String, value: TemplateExpression)] = []
  /// After `*`: more arguments.
  var rest: TemplateExpression?
  /// After `**`: more named ones.
  var namedRest: TemplateExpression?
}

enum TemplateComparison: String, Sendable {
  case equal = "=="
  case unequal = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case contained = "in"
  case notContained = "not in"
}

enum TemplateOperator: String, Sendable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case floorDivide = "//"
  case remainder = "%"
  case power = "**"
}

/// What `set` and `for` assign to.
indirect enum TemplateTarget: Sendable {
  case name(String)
  case attribute(of: String, String)
  case tuple([TemplateTarget])
}

/// A macro's parameter.
struct TemplateParameter: Sendable {
  let name: String
  let standard: TemplateExpression?
}

/// A statement of a template.
indirect enum TemplateStatement: Sendable {
  case text(String)
  case output(TemplateExpression)
  /// The last one is without a condition where there is an `else`.
  case conditional([(condition: TemplateExpression?, body: [TemplateStatement])])
  case loop(TemplateLoopSyntax)
  case set(TemplateTarget, TemplateExpression)
  case capture(TemplateTarget, filters: [(String, TemplateArguments)], body: TemplateBlock)
  case macro(String, [TemplateParameter], TemplateBlock)
  /// A call whose `caller` is the body.
  case call(TemplateExpression, [TemplateParameter], TemplateBlock)
  /// A scope of its own: `with`, and `generation`, which only marks what the model said.
  case scope([(TemplateTarget, TemplateExpression)], TemplateBlock)
  case filtered([(String, TemplateArguments)], TemplateBlock)
  case leaveLoop
  case continueLoop
}

/// A `for` statement.
struct TemplateLoopSyntax: Sendable {
  let target: TemplateTarget
  let items: TemplateExpression
  let condition: TemplateExpression?
  var body: TemplateBlock
  var otherwise: TemplateBlock
  let isRecursive: Bool
}

/// Statements with names of their own.
struct TemplateBlock: Sendable {
  var statements: [TemplateStatement]
  /// Names that the statements set and that are undefined until then, whatever they mean outside.
  var unset: [String] = []
  /// Those of `caller`, `varargs` and `kwargs` that a macro's body reads.
  var extras: Set<String> = []

  init(_ statements: [TemplateStatement]) {
    self.statements = statements
  }
}
