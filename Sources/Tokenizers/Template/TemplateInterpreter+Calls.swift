/// Calls of macros, loops and functions.
extension TemplateInterpreter {
  mutating func call(
    _ callee: TemplateValue, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    switch callee {
    case .macro(let macro): return .string(try call(macro, arguments))
    case .function(let function): return try call(function, arguments)
    case .method(let method): return try call(method, arguments)
    case .loop(let loop): return .string(try call(loop, arguments))
    case .undefined(let name): throw failure("\(name) is undefined and cannot be called")
    default: throw failure("a \(callee.typeName) cannot be called")
    }
  }

  private mutating func call(
    _ loop: TemplateLoop, _ arguments: Arguments
  ) throws(TokenizerError) -> String {
    guard loop.syntax.isRecursive else { throw failure("the loop is not marked recursive") }
    guard let items = try arguments.bound(to: ["iterable"], of: "loop")[0] else {
      throw failure("loop without items")
    }
    return try captured { (me) throws(TokenizerError) in
      try me.run(loop.syntax, over: items, loop.scope, level: loop.level + 1)
    }
  }

  private mutating func call(
    _ macro: TemplateMacro, _ arguments: Arguments
  ) throws(TokenizerError) -> String {
    try budget.charge(
      macro.parameters.count + arguments.positional.count
        + arguments.named.count * macro.parameters.count / 4)
    let scope = TemplateScope(parent: macro.scope)
    let names = macro.parameters.map(\.name)
    let own = try takeExtras(of: macro, names, arguments, scope)
    let values = try own.bound(to: names, of: macro.name)
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

  /// Puts what the macro's parameters do not take under the names that its body reads.
  private func takeExtras(
    of macro: TemplateMacro, _ names: [String], _ arguments: Arguments, _ scope: TemplateScope
  ) throws(TokenizerError) -> Arguments {
    var own = arguments
    let extras = macro.body.extras.subtracting(names)
    if extras.contains("caller") {
      let index = own.named.firstIndex { $0.name == "caller" }
      scope.set("caller", index.map { own.named.remove(at: $0).value } ?? .undefined("caller"))
    }
    if extras.contains("varargs") {
      let rest = own.positional.dropFirst(names.count)
      try budget.allocate(items: rest.count)
      scope.set("varargs", try .tuple(Array(rest)))
      own.positional.removeLast(rest.count)
    }
    if extras.contains("kwargs") {
      let rest = TemplateDictionary()
      for (name, value) in own.named where !names.contains(name) {
        try rest.set(.string(name), value, budget)
      }
      scope.set("kwargs", .dictionary(rest))
      own.named.removeAll { !names.contains($0.name) }
    }
    return own
  }

  private mutating func call(
    _ function: TemplateFunction, _ arguments: Arguments
  ) throws(TokenizerError) -> TemplateValue {
    switch function {
    case .range: return try range(arguments)
    case .namespace:
      let namespace = TemplateNamespace()
      try keep(namespace)
      for (name, value) in try members(arguments, of: "namespace") {
        guard let name = name.text else { throw failure("a namespace attribute that is no name") }
        try namespace.set(name, value, budget)
      }
      return .namespace(namespace)
    case .dict:
      let dictionary = TemplateDictionary()
      for (key, value) in try members(arguments, of: "dict") {
        try dictionary.set(key, value, budget)
      }
      return .dictionary(dictionary)
    case .raiseException:
      let message = try arguments.bound(to: ["message"], of: "raise_exception")[0]
      throw TokenizerError(
        .raisedByTemplate, try string(message ?? .string("raise_exception")))
    case .strftimeNow:
      let format = try arguments.bound(to: ["format"], of: "strftime_now")[0]
      guard let format = format?.text else { throw failure("strftime_now without a format") }
      return .string(try TemplateClock.text(format, now, timeZone, budget))
    }
  }

  /// The members that `dict` and `namespace` take: those of a dictionary or of pairs, then named
  /// ones.
  private mutating func members(
    _ arguments: Arguments, of function: String
  ) throws(TokenizerError) -> [(TemplateValue, TemplateValue)] {
    var members: [(TemplateValue, TemplateValue)] = []
    guard arguments.positional.count <= 1 else {
      throw failure("too many arguments of \(function)")
    }
    switch arguments.positional.first {
    case nil: break
    case .dictionary(let dictionary):
      try budget.allocate(items: 2 * dictionary.keys.count)
      members = Array(zip(dictionary.keys, dictionary.values))
    case .some(let pairs):
      for pair in try iterate(pairs) {
        let parts = try iterate(pair)
        guard parts.count == 2 else { throw failure("\(function) of what are no pairs") }
        try budget.allocate(items: 2)
        members.append((parts[0], parts[1]))
      }
    }
    return members + arguments.named.map { (.string($0.name), $0.value) }
  }

  private mutating func range(_ arguments: Arguments) throws(TokenizerError) -> TemplateValue {
    var numbers: [Int] = []
    for value in arguments.positional {
      guard case .int(let number) = value.number else {
        throw failure("range of a \(value.typeName)")
      }
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
      try budget.allocate(items: 1)
      items.append(.int(number))
    }
    return .list(try TemplateList(items, .range))
  }
}
