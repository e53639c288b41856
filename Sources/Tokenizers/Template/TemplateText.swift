import Foundation

extension PythonText {
  /// `str()` of a value: what `{{ … }}` prints.
  /// - Throws: `unsupported` for values whose text is an implementation detail of Python.
  static func string(
    _ value: TemplateValue, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    switch value {
    case .undefined: return ""
    case .string(let text), .markup(let text): return text
    default:
      var out = TemplateTextBuilder(budget)
      try represent(value, &out)
      return out.text
    }
  }

  /// Appends `repr()` of a value.
  static func represent(
    _ value: TemplateValue, _ out: inout TemplateTextBuilder
  ) throws(TokenizerError) {
    try out.budget.charge()
    switch value {
    case .undefined: try out.append("Undefined")
    case .none: try out.append("None")
    case .bool(let flag): try out.append(flag ? "True" : "False")
    case .int(let number): try out.append(String(number))
    case .double(let number): try out.append(representation(number))
    case .string(let text): try quote(text, &out)
    case .markup(let text):
      try out.append("Markup(")
      try quote(text, &out)
      try out.append(")")
    case .list(let list):
      let (open, close) = try brackets(list)
      try out.append(open)
      for (index, item) in list.items.enumerated() {
        if index > 0 { try out.append(", ") }
        try represent(item, &out)
      }
      if list.kind == .tuple, list.items.count == 1 { try out.append(",") }
      try out.append(close)
    case .dictionary(let dictionary):
      try out.append("{")
      for (index, key) in dictionary.keys.enumerated() {
        if index > 0 { try out.append(", ") }
        try represent(key, &out)
        try out.append(": ")
        try represent(dictionary.values[index], &out)
      }
      try out.append("}")
    default: throw TokenizerError(.unsupported, "template: printing a \(value.typeName)")
    }
  }

  private static func brackets(_ list: TemplateList) throws(TokenizerError) -> (String, String) {
    switch list.kind {
    case .list: return ("[", "]")
    case .tuple: return ("(", ")")
    case .view, .range:
      throw TokenizerError(
        .unsupported, "template: printing a \(TemplateValue.list(list).typeName)")
    }
  }

  /// Python's shortest text of a float: exponents from 1e16 on and below 1e-4.
  static func representation(_ number: Double) -> String {
    guard number.isFinite else { return number.isNaN ? "nan" : number < 0 ? "-inf" : "inf" }
    if number == 0 { return number.sign == .minus ? "-0.0" : "0.0" }
    // Swift's description has the same shortest digits in another layout.
    let parts = Swift.abs(number).description.split(separator: "e")
    let mantissa = parts[0].split(separator: ".")
    let fraction = mantissa.count > 1 ? mantissa[1] : ""
    let all = String(mantissa[0] + fraction)
    let stripped = all.drop { $0 == "0" }
    let digits = String(
      stripped.prefix(stripped.count - stripped.reversed().prefix { $0 == "0" }.count))
    let leadingZeros = all.utf8.count - stripped.utf8.count
    let written = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    // The value is 0.digits × 10^point.
    let point = mantissa[0].utf8.count - leadingZeros + written
    let sign = number < 0 ? "-" : ""
    if (-3...16).contains(point) { return sign + plain(digits, point) }
    let rest = String(digits.dropFirst())
    let exponent = String(Swift.abs(point - 1))
    return sign + String(digits.prefix(1)) + (rest.isEmpty ? "" : "." + rest)
      + (point > 0 ? "e+" : "e-") + (exponent.utf8.count < 2 ? "0" + exponent : exponent)
  }

  private static func plain(_ digits: String, _ point: Int) -> String {
    if point <= 0 { return "0." + String(repeating: "0", count: -point) + digits }
    let count = digits.utf8.count
    if count <= point { return digits + String(repeating: "0", count: point - count) + ".0" }
    return String(digits.prefix(point)) + "." + String(digits.dropFirst(point))
  }

  private static func quote(
    _ text: String, _ out: inout TemplateTextBuilder
  ) throws(TokenizerError) {
    try out.budget.scan(text.utf8.count)
    let quote: Unicode.Scalar = text.utf8.contains(0x27) && !text.utf8.contains(0x22) ? "\"" : "'"
    try out.append(quote)
    for scalar in text.unicodeScalars {
      switch scalar {
      case quote, "\\": try out.append("\\" + String(scalar))
      case "\n": try out.append("\\n")
      case "\r": try out.append("\\r")
      case "\t": try out.append("\\t")
      default:
        if isPrintable(scalar) {
          try out.append(scalar)
        } else {
          let (letter, width) =
            scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
          try out.append("\\" + letter + hexadecimal(scalar.value, width))
        }
      }
    }
    try out.append(quote)
  }

  private static let unprintable: CategorySet = (CategorySet(named: "C") ?? []).union(
    CategorySet(named: "Z") ?? []
  ).union(.whiteSpace)

  private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    scalar == " " || !ScalarTable.contains(scalar.value, in: unprintable)
  }

  static func hexadecimal(_ value: UInt32, _ width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: Swift.max(0, width - digits.utf8.count)) + digits
  }

  /// `float()` of a text, nil where Python refuses it.
  static func double(_ text: String, _ budget: TemplateBudget) throws(TokenizerError) -> Double? {
    let text = try strip(text, nil, left: true, right: true, budget)
    guard text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }) else {
      let name = try strip(lowercased(text, budget), "+-", left: true, right: false, budget)
      if ["inf", "nan", "infinity"].contains(name) {
        throw TokenizerError(.unsupported, "template: the number \(name)")
      }
      return nil
    }
    return Double(text)
  }
}

/// `json.dumps` as transformers calls it in the `tojson` filter.
struct TemplateJSON {
  let isASCII: Bool
  let sortsKeys: Bool
  var indent: String?
  var itemSeparator: String?
  var keySeparator = ": "

  init(isASCII: Bool, sortsKeys: Bool) {
    self.isASCII = isASCII
    self.sortsKeys = sortsKeys
  }

  /// - Throws: `invalidInput` for a value that JSON does not have, `limitExceeded`.
  func text(
    _ value: TemplateValue, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    var out = TemplateTextBuilder(budget)
    try write(value, level: 0, to: &out)
    return out.text
  }

  private func write(
    _ value: TemplateValue, level: Int, to out: inout TemplateTextBuilder
  ) throws(TokenizerError) {
    try out.budget.charge()
    switch value {
    case .none: try out.append("null")
    case .bool(let flag): try out.append(flag ? "true" : "false")
    case .int(let number): try out.append(String(number))
    case .double(let number): try out.append(Self.text(number))
    case .string(let text), .markup(let text): try write(text, to: &out)
    case .list(let list) where list.isPlain:
      try writeItems("[", "]", list.items, level, to: &out) { (item, out) throws(TokenizerError) in
        try write(item, level: level + 1, to: &out)
      }
    case .dictionary(let dictionary):
      try writeItems("{", "}", members(dictionary, out.budget), level, to: &out) {
        (member, out) throws(TokenizerError) in
        try write(Self.name(member.0), to: &out)
        try out.append(keySeparator)
        try write(member.1, level: level + 1, to: &out)
      }
    default:
      throw TokenizerError(.invalidInput, "template: tojson of a \(value.typeName)")
    }
  }

  private static func text(_ number: Double) -> String {
    number.isFinite
      ? PythonText.representation(number)
      : number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity"
  }

  /// A key as text: JSON has no others.
  private static func name(_ key: TemplateValue) throws(TokenizerError) -> String {
    switch key {
    case .string(let text), .markup(let text): return text
    case .none: return "null"
    case .bool(let flag): return flag ? "true" : "false"
    case .int(let number): return String(number)
    case .double(let number): return text(number)
    default:
      throw TokenizerError(.invalidInput, "template: tojson of a key that is a \(key.typeName)")
    }
  }

  private func members(
    _ dictionary: TemplateDictionary, _ budget: TemplateBudget
  ) throws(TokenizerError) -> [(TemplateValue, TemplateValue)] {
    try budget.allocate(items: 2 * dictionary.keys.count)
    let members = Array(zip(dictionary.keys, dictionary.values))
    guard sortsKeys else { return members }
    return try TemplateSorting.ordered(members.count, budget) {
      (left, right) throws(TokenizerError) in
      try members[left].0.isLess(than: members[right].0, budget)
    }.map { members[$0] }
  }

  private func writeItems<Item>(
    _ open: String, _ close: String, _ items: [Item], _ level: Int,
    to out: inout TemplateTextBuilder,
    _ body: (Item, inout TemplateTextBuilder) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    try out.append(open)
    for (index, item) in items.enumerated() {
      if index > 0 { try out.append(itemSeparator ?? (indent == nil ? ", " : ",")) }
      try breakLine(level + 1, &out)
      try body(item, &out)
    }
    if !items.isEmpty { try breakLine(level, &out) }
    try out.append(close)
  }

  private func breakLine(
    _ level: Int, _ out: inout TemplateTextBuilder
  ) throws(TokenizerError) {
    guard let indent else { return }
    try out.append("\n")
    for _ in 0..<level { try out.append(indent) }
  }

  private func write(
    _ text: String, to out: inout TemplateTextBuilder
  ) throws(TokenizerError) {
    try out.budget.scan(text.utf8.count)
    try out.append("\"")
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": try out.append("\\\"")
      case "\\": try out.append("\\\\")
      case "\n": try out.append("\\n")
      case "\r": try out.append("\\r")
      case "\t": try out.append("\\t")
      case "\u{8}": try out.append("\\b")
      case "\u{c}": try out.append("\\f")
      default:
        if scalar.value < 0x20 || (isASCII && scalar.value > 0x7E) {
          for unit in String(scalar).utf16 {
            try out.append("\\u" + PythonText.hexadecimal(UInt32(unit), 4))
          }
        } else {
          try out.append(scalar)
        }
      }
    }
    try out.append("\"")
  }
}

/// Stable order by a comparison that can fail, as Python's `sorted`.
enum TemplateSorting {
  /// The indices below `count` in order.
  static func ordered(
    _ count: Int, _ budget: TemplateBudget,
    _ isLess: (Int, Int) throws(TokenizerError) -> Bool
  ) throws(TokenizerError) -> [Int] {
    var order = Array(0..<count)
    var width = 1
    while width < order.count {
      try budget.allocate(bytes: MemoryLayout<Int>.stride * count)
      var merged: [Int] = []
      merged.reserveCapacity(count)
      for start in stride(from: 0, to: order.count, by: 2 * width) {
        let middle = Swift.min(start + width, order.count)
        let end = Swift.min(start + 2 * width, order.count)
        var (left, right) = (start, middle)
        while left < middle, right < end {
          try budget.charge()
          let swaps = try isLess(order[right], order[left])
          merged.append(order[swaps ? right : left])
          if swaps { right += 1 } else { left += 1 }
        }
        merged += order[left..<middle] + order[right..<end]
      }
      order = merged
      width *= 2
    }
    return order
  }
}

/// `strftime` with the directives that chat templates use, in English.
enum TemplateClock {
  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
  ]
  private static let days = [
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
  ]

  /// - Throws: `unsupported` naming any other directive.
  static func text(
    _ format: String, _ now: Date, _ timeZone: TimeZone, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    try budget.scan(format.utf8.count)
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = timeZone
    let parts = calendar.dateComponents(
      [.year, .month, .day, .hour, .minute, .second, .weekday], from: now)
    let month = months[((parts.month ?? 1) - 1) % 12]
    let day = days[((parts.weekday ?? 1) - 1) % 7]
    let hour = parts.hour ?? 0
    var out = TemplateTextBuilder(budget)
    var scalars = format.unicodeScalars[...]
    while let scalar = scalars.popFirst() {
      guard scalar == "%", let directive = scalars.popFirst() else {
        try out.append(scalar)
        continue
      }
      switch directive {
      case "%": try out.append("%")
      case "d": try out.append(padded(parts.day))
      case "m": try out.append(padded(parts.month))
      case "y": try out.append(padded((parts.year ?? 0) % 100))
      case "Y": try out.append(String(parts.year ?? 0))
      case "H": try out.append(padded(hour))
      case "I": try out.append(padded((hour + 11) % 12 + 1))
      case "M": try out.append(padded(parts.minute))
      case "S": try out.append(padded(parts.second))
      case "p": try out.append(hour < 12 ? "AM" : "PM")
      case "B": try out.append(month)
      case "b": try out.append(String(month.prefix(3)))
      case "A": try out.append(day)
      case "a": try out.append(String(day.prefix(3)))
      default: throw TokenizerError(.unsupported, "template: strftime_now with %\(directive)")
      }
    }
    return out.text
  }

  private static func padded(_ number: Int?) -> String {
    let digits = String(number ?? 0)
    return digits.utf8.count < 2 ? "0" + digits : digits
  }
}
