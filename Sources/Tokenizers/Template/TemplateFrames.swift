/// Jinja decides when a template is compiled which names a block has: a name that is set somewhere
/// in a block belongs to it from its start, and is undefined until it is set, though a variable of
/// the same name was given. This pass finds those names, and what Jinja refuses at that time: a
/// filter or test that does not exist, unless it stands in an `if`.
struct TemplateFrames {
  /// What a block knows of a name before its statements run.
  private enum Load {
    case undefined, given
  }

  /// Names of a block, or of a branch of an `if` on top of its block's.
  private final class Names {
    var loads: [String: Load] = [:]
    var stores: Set<String> = []
    let base: Names?

    init(base: Names? = nil) {
      self.base = base
    }

    func has(_ name: String) -> Bool {
      loads[name] != nil || base?.has(name) ?? false
    }

    func hasStored(_ name: String) -> Bool {
      stores.contains(name) || base?.hasStored(name) ?? false
    }
  }

  private var names = Names()
  private var outer: [Names] = []
  private var isSoft = false
  /// Of the macros around: which of the names that a macro may leave to its caller they read.
  private var extras: [Set<String>] = []

  /// A template's statements with the names of their blocks.
  /// - Throws: `invalidFile` for a filter or test that does not exist.
  static func resolved(_ statements: [TemplateStatement]) throws(TokenizerError) -> TemplateBlock {
    var frames = TemplateFrames()
    var block = TemplateBlock(statements)
    try frames.visitAll(&block.statements)
    block.unset = frames.unset()
    return block
  }

  private func unset() -> [String] {
    names.loads.filter { $0.value == .undefined }.map(\.key).sorted()
  }

  // MARK: Names

  private func isKnownOutside(_ name: String) -> Bool {
    outer.contains { $0.has(name) }
  }

  private mutating func load(_ name: String) {
    if ["caller", "varargs", "kwargs"].contains(name) {
      for index in extras.indices { extras[index].insert(name) }
    }
    guard !names.has(name), !isKnownOutside(name) else { return }
    names.loads[name] = .given
  }

  private func store(_ name: String) {
    names.stores.insert(name)
    guard !names.has(name) else { return }
    names.loads[name] = isKnownOutside(name) ? .given : .undefined
  }

  private func declare(_ name: String) {
    names.stores.insert(name)
    names.loads[name] = .given
  }

  private mutating func visit(_ target: TemplateTarget, isParameter: Bool) {
    switch target {
    case .name(let name): if isParameter { declare(name) } else { store(name) }
    case .attribute(let name, _): load(name)
    case .tuple(let targets): for target in targets { visit(target, isParameter: isParameter) }
    }
  }

  // MARK: Blocks

  /// Visits a block of its own, its parameters first.
  private mutating func enter(
    _ block: inout TemplateBlock, isMacro: Bool = false,
    _ parameters: (inout TemplateFrames) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    let (before, wasSoft) = (names, isSoft)
    outer.append(names)
    names = Names()
    isSoft = false
    if isMacro { extras.append([]) }
    defer {
      names = before
      isSoft = wasSoft
      outer.removeLast()
    }
    try parameters(&self)
    try visitAll(&block.statements)
    block.unset = unset()
    if isMacro { block.extras = extras.removeLast() }
  }

  private mutating func visitAll(
    _ statements: inout [TemplateStatement]
  ) throws(TokenizerError) {
    for index in statements.indices { try visit(&statements[index]) }
  }

  private mutating func visit(_ statement: inout TemplateStatement) throws(TokenizerError) {
    switch statement {
    case .text, .leaveLoop, .continueLoop: break
    case .output(let expression): try visit(expression)
    case .set(let target, let value):
      try visit(value)
      visit(target, isParameter: false)
    case .conditional(var branches):
      try visit(&branches)
      statement = .conditional(branches)
    case .loop(var loop):
      try visit(&loop)
      statement = .loop(loop)
    case .capture(let target, let filters, var body):
      try visit(filters)
      visit(target, isParameter: false)
      try enter(&body) { _ in }
      statement = .capture(target, filters: filters, body: body)
    case .macro(let name, let parameters, var body):
      store(name)
      try enter(&body, isMacro: true) { (me) throws(TokenizerError) in try me.declare(parameters) }
      statement = .macro(name, parameters, body)
    case .call(let call, let parameters, var body):
      try visit(call)
      try enter(&body, isMacro: true) { (me) throws(TokenizerError) in try me.declare(parameters) }
      statement = .call(call, parameters, body)
    case .scope(let values, var body):
      for (_, value) in values { try visit(value) }
      try enter(&body) { me in
        for (target, _) in values { me.visit(target, isParameter: true) }
      }
      statement = .scope(values, body)
    case .filtered(let filters, var body):
      try visit(filters)
      try enter(&body) { _ in }
      statement = .filtered(filters, body)
    }
  }

  private mutating func declare(_ parameters: [TemplateParameter]) throws(TokenizerError) {
    for parameter in parameters { declare(parameter.name) }
    for parameter in parameters {
      if let standard = parameter.standard { try visit(standard) }
    }
  }

  private mutating func visit(_ loop: inout TemplateLoopSyntax) throws(TokenizerError) {
    try visit(loop.items)
    let (target, condition) = (loop.target, loop.condition)
    if let condition {
      var test = TemplateBlock([])
      try enter(&test) { (me) throws(TokenizerError) in
        me.visit(target, isParameter: true)
        try me.visit(condition)
      }
    }
    try enter(&loop.body) { me in
      me.declare("loop")
      me.visit(target, isParameter: true)
    }
    try enter(&loop.otherwise) { _ in }
  }

  /// The branches of an `if` share its block. What only some of them set keeps its outer meaning
  /// until then, as Jinja has it: it counts the branch, all `elif` together, and the `else`.
  private mutating func visit(
    _ branches: inout [(condition: TemplateExpression?, body: [TemplateStatement])]
  ) throws(TokenizerError) {
    let wasSoft = isSoft
    isSoft = true
    defer { isSoft = wasSoft }
    if let condition = branches[0].condition { try visit(condition) }
    let first = try branch { (me) throws(TokenizerError) in try me.visitAll(&branches[0].body) }
    let middle = try branch { (me) throws(TokenizerError) in
      for index in branches.indices.dropFirst() {
        guard let condition = branches[index].condition else { continue }
        try me.visit(condition)
        let body = try me.branch { (me) throws(TokenizerError) in
          try me.visitAll(&branches[index].body)
        }
        me.merge([body])
      }
    }
    let last = try branch { (me) throws(TokenizerError) in
      let end = branches.count - 1
      if end > 0, branches[end].condition == nil { try me.visitAll(&branches[end].body) }
    }
    merge([first, middle, last])
  }

  private mutating func branch(
    _ body: (inout TemplateFrames) throws(TokenizerError) -> Void
  ) throws(TokenizerError) -> Names {
    let before = names
    names = Names(base: before)
    defer { names = before }
    try body(&self)
    return names
  }

  private func merge(_ branches: [Names]) {
    var counts: [String: Int] = [:]
    for branch in branches {
      for name in branch.stores where !names.hasStored(name) { counts[name, default: 0] += 1 }
    }
    for branch in branches {
      names.loads.merge(branch.loads) { $1 }
      names.stores.formUnion(branch.stores)
    }
    // Alone, a branch of an `elif` stands for three, too: the other two are empty.
    for (name, count) in counts where count < 3 { names.loads[name] = .given }
  }

  // MARK: Expressions

  private mutating func visit(
    _ filters: [(String, TemplateArguments)]
  ) throws(TokenizerError) {
    for (name, arguments) in filters {
      try checkFilter(name)
      try visit(arguments)
    }
  }

  private func checkFilter(_ name: String) throws(TokenizerError) {
    guard isSoft || TemplateFilter.exists(name) else {
      throw TokenizerError(.invalidFile, "template: no filter \(name)")
    }
  }

  private mutating func visit(_ arguments: TemplateArguments) throws(TokenizerError) {
    try visit(arguments.positional)
    for (_, value) in arguments.named { try visit(value) }
    if let rest = arguments.rest { try visit(rest) }
    if let rest = arguments.namedRest { try visit(rest) }
  }

  private mutating func visit(_ expressions: [TemplateExpression]) throws(TokenizerError) {
    for expression in expressions { try visit(expression) }
  }

  private mutating func visit(_ expression: TemplateExpression) throws(TokenizerError) {
    switch expression {
    case .constant: break
    case .name(let name): load(name)
    case .list(let items), .tuple(let items), .concatenation(let items): try visit(items)
    case .dictionary(let members): for (key, value) in members { try visit([key, value]) }
    case .attribute(let base, _), .negation(let base), .sign(let base, _): try visit(base)
    case .item(let base, let key): try visit([base, key])
    case .slice(let base, let start, let end, let step):
      try visit([base] + [start, end, step].compactMap { $0 })
    case .call(let base, let arguments):
      try visit(base)
      try visit(arguments)
    case .filter(let base, let name, let arguments):
      try checkFilter(name)
      try visit(base)
      try visit(arguments)
    case .test(let base, let name, let arguments, _):
      guard isSoft || TemplateTest.exists(name) else {
        throw TokenizerError(.invalidFile, "template: no test \(name)")
      }
      try visit(base)
      try visit(arguments)
    case .and(let left, let right), .or(let left, let right), .arithmetic(_, let left, let right):
      try visit([left, right])
    case .comparison(let left, let rest): try visit([left] + rest.map(\.1))
    case .conditional(let condition, let then, let otherwise):
      let wasSoft = isSoft
      isSoft = true
      defer { isSoft = wasSoft }
      try visit([condition, then] + (otherwise.map { [$0] } ?? []))
    }
  }
}
