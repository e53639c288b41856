import Foundation

/// Python's `%` and `str.format`, as far as chat templates go.
enum TemplateFormat {
  /// `format % value`.
  /// - Throws: `unsupported` naming a conversion other than `%s`, `%d`, `%i`, `%f` and `%r`.
  static func text(
    _ format: String, _ value: TemplateValue, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    try budget.scan(format.utf8.count)
    var values = [value][...]
    if case .list(let list) = value, list.kind == .tuple { values = list.items[...] }
    var out = TemplateTextBuilder(budget)
    var scalars = format.unicodeScalars[...]
    while let scalar = scalars.popFirst() {
      guard scalar == "%" else {
        try out.append(scalar)
        continue
      }
      var precision: Int?
      if scalars.first == "." {
        scalars.removeFirst()
        precision = 0
        while let digit = scalars.first?.properties.numericValue, (precision ?? 0) < 100 {
          precision = (precision ?? 0) * 10 + Int(digit)
          scalars.removeFirst()
        }
      }
      guard let conversion = scalars.popFirst() else {
        throw TokenizerError(.invalidInput, "template: a format that ends with %")
      }
      if conversion == "%" {
        try out.append("%")
        continue
      }
      guard let value = values.popFirst() else {
        throw TokenizerError(.invalidInput, "template: too few values for a format")
      }
      try convert(value, conversion, precision, &out)
    }
    var isMapping = false
    if case .dictionary = value { isMapping = true }
    guard values.isEmpty || isMapping else {
      throw TokenizerError(.invalidInput, "template: too many values for a format")
    }
    return out.text
  }

  private static func convert(
    _ value: TemplateValue, _ conversion: Unicode.Scalar, _ precision: Int?,
    _ out: inout TemplateTextBuilder
  ) throws(TokenizerError) {
    switch (conversion, value.number) {
    case ("s", _) where precision == nil: try out.append(PythonText.string(value, out.budget))
    case ("r", _) where precision == nil: try PythonText.represent(value, &out)
    case ("d", .int(let number)) where precision == nil,
      ("i", .int(let number)) where precision == nil:
      try out.append(String(number))
    case ("d", .double(let number)) where precision == nil:
      guard let whole = Int(exactly: number.rounded(.towardZero)) else {
        throw TokenizerError(.limitExceeded, "template: a number beyond 64 bits")
      }
      try out.append(String(whole))
    case ("f", .some(let number)) where (precision ?? 6) <= 17 && number.double.isFinite:
      try out.append(String(format: "%.\(precision ?? 6)f", number.double))
    case ("d", nil), ("i", nil), ("f", nil):
      throw TokenizerError(.invalidInput, "template: %\(conversion) of a \(value.typeName)")
    default: throw TokenizerError(.unsupported, "template: the format %\(conversion)")
    }
  }

  /// `format.format(…)` with plain fields: `{}`, `{0}`, `{name}`.
  /// - Throws: `unsupported` for a field with a conversion, a format or an attribute.
  static func text(
    _ format: String, _ arguments: TemplateInterpreter.Arguments, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    try budget.scan(format.utf8.count)
    var out = TemplateTextBuilder(budget)
    var scalars = format.unicodeScalars[...]
    var next = 0
    while let scalar = scalars.popFirst() {
      guard scalar == "{" || scalar == "}" else {
        try out.append(scalar)
        continue
      }
      if scalars.first == scalar {
        scalars.removeFirst()
        try out.append(scalar)
        continue
      }
      guard scalar == "{", let end = scalars.firstIndex(of: "}") else {
        throw TokenizerError(.invalidInput, "template: a single brace in a format")
      }
      let field = String(scalars[..<end])
      scalars = scalars[scalars.index(after: end)...]
      guard field.utf8.count <= 64,
        field.utf8.allSatisfy({ $0 == 0x5F || (0x30...0x39).contains($0) || $0 | 32 > 0x60 })
      else { throw TokenizerError(.unsupported, "template: the field {\(field.prefix(64))}") }
      var value = arguments.named.first { $0.name == field }?.value
      if let index = field.isEmpty ? next : Int(field) {
        value = index < arguments.positional.count ? arguments.positional[index] : nil
        next += 1
      }
      guard let value else {
        throw TokenizerError(.invalidInput, "template: no value for the field {\(field)}")
      }
      try out.append(PythonText.string(value, budget))
    }
    return out.text
  }
}
