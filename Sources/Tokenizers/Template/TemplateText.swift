import Foundation

extension PythonText {
  /// `str()` of a value: what `{{ … }}` prints.
  /// - Throws: `unsupported` for values whose text is an implementation detail of Python.
  static func string(_ value: TemplateValue) throws(TokenizerError) -> String {
    switch value {
    case .undefined: ""
    case .string(let text): text
    default: try representation(value)
    }
  }

  /// `repr()` of a value.
  static func representation(_ value: TemplateValue) throws(TokenizerError) -> String {
    switch value {
    case .undefined: return "Undefined"
    case .none: return "None"
    case .bool(let flag): return flag ? "True" : "False"
    case .int(let number): return String(number)
    case .double(let number): return representation(number)
    case .string(let text): return quoted(text)
    case .list(let list) where list.isPlain:
      var parts: [String] = []
      for item in list.items { parts.append(try representation(item)) }
      let text = parts.joined(separator: ", ")
      if list.kind == .list { return "[\(text)]" }
      return parts.count == 1 ? "(\(text),)" : "(\(text))"
    case .dictionary(let dictionary):
      var parts: [String] = []
      for (key, value) in zip(dictionary.keys, dictionary.values) {
        parts.append("\(quoted(key)): \(try representation(value))")
      }
      return "{\(parts.joined(separator: ", "))}"
    default: throw TokenizerError(.unsupported, "template: printing a \(value.typeName)")
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
    let digits = strip(strip(all, "0", left: true, right: false), "0", left: false, right: true)
    let leadingZeros = all.utf8.count - strip(all, "0", left: true, right: false).utf8.count
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

  private static func quoted(_ text: String) -> String {
    let quote: Unicode.Scalar = text.utf8.contains(0x27) && !text.utf8.contains(0x22) ? "\"" : "'"
    var out = String.UnicodeScalarView([quote])
    for scalar in text.unicodeScalars {
      switch scalar {
      case quote, "\\": out.append(contentsOf: ["\\", scalar])
      case "\n": out.append(contentsOf: "\\n".unicodeScalars)
      case "\r": out.append(contentsOf: "\\r".unicodeScalars)
      case "\t": out.append(contentsOf: "\\t".unicodeScalars)
      default:
        if isPrintable(scalar) {
          out.append(scalar)
        } else {
          let (letter, width) =
            scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
          out.append(contentsOf: ("\\" + letter + hexadecimal(scalar.value, width)).unicodeScalars)
        }
      }
    }
    out.append(quote)
    return String(out)
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
  static func double(_ text: String) throws(TokenizerError) -> Double? {
    let text = strip(text, nil, left: true, right: true)
    guard text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }) else {
      if ["inf", "nan", "infinity"].contains(
        strip(lowercased(text), "+-", left: true, right: false))
      {
        throw TokenizerError(.unsupported, "template: the number \(text)")
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

  /// - Throws: `invalidInput` for a value that JSON does not have.
  func text(_ value: TemplateValue) throws(TokenizerError) -> String {
    var out = ""
    try write(value, level: 0, to: &out)
    return out
  }

  private func write(
    _ value: TemplateValue, level: Int, to out: inout String
  ) throws(TokenizerError) {
    switch value {
    case .none: out += "null"
    case .bool(let flag): out += flag ? "true" : "false"
    case .int(let number): out += String(number)
    case .double(let number):
      guard number.isFinite else {
        out += number.isNaN ? "NaN" : number < 0 ? "-Infinity" : "Infinity"
        return
      }
      out += PythonText.representation(number)
    case .string(let text): write(text, to: &out)
    case .list(let list) where list.isPlain:
      try writeItems("[", "]", list.items, level, to: &out) { (item, out) throws(TokenizerError) in
        try write(item, level: level + 1, to: &out)
      }
    case .dictionary(let dictionary):
      var members = Array(zip(dictionary.keys, dictionary.values))
      if sortsKeys {
        members.sort { $0.0.unicodeScalars.lexicographicallyPrecedes($1.0.unicodeScalars) }
      }
      try writeItems("{", "}", members, level, to: &out) { (member, out) throws(TokenizerError) in
        write(member.0, to: &out)
        out += keySeparator
        try write(member.1, level: level + 1, to: &out)
      }
    default:
      throw TokenizerError(.invalidInput, "template: tojson of a \(value.typeName)")
    }
  }

  private func writeItems<Item>(
    _ open: String, _ close: String, _ items: [Item], _ level: Int, to out: inout String,
    _ body: (Item, inout String) throws(TokenizerError) -> Void
  ) throws(TokenizerError) {
    out += open
    for (index, item) in items.enumerated() {
      if index > 0 { out += itemSeparator ?? (indent == nil ? ", " : ",") }
      if let indent { out += "\n" + String(repeating: indent, count: level + 1) }
      try body(item, &out)
    }
    if let indent, !items.isEmpty { out += "\n" + String(repeating: indent, count: level) }
    out += close
  }

  private func write(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{8}": out += "\\b"
      case "\u{c}": out += "\\f"
      default:
        if scalar.value < 0x20 || (isASCII && scalar.value > 0x7E) {
          for unit in String(scalar).utf16 {
            out += "\\u" + PythonText.hexadecimal(UInt32(unit), 4)
          }
        } else {
          out.unicodeScalars.append(scalar)
        }
      }
    }
    out += "\""
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
    _ format: String, _ now: Date, _ timeZone: TimeZone
  ) throws(TokenizerError) -> String {
    var calendar = Calendar(identifier: .gregorian)
    calendar.timeZone = timeZone
    let parts = calendar.dateComponents(
      [.year, .month, .day, .hour, .minute, .second, .weekday], from: now)
    let month = months[((parts.month ?? 1) - 1) % 12]
    let day = days[((parts.weekday ?? 1) - 1) % 7]
    let hour = parts.hour ?? 0
    var out = ""
    var scalars = format.unicodeScalars[...]
    while let scalar = scalars.popFirst() {
      guard scalar == "%", let directive = scalars.popFirst() else {
        out.unicodeScalars.append(scalar)
        continue
      }
      switch directive {
      case "%": out += "%"
      case "d": out += padded(parts.day)
      case "m": out += padded(parts.month)
      case "y": out += padded((parts.year ?? 0) % 100)
      case "Y": out += String(parts.year ?? 0)
      case "H": out += padded(hour)
      case "I": out += padded((hour + 11) % 12 + 1)
      case "M": out += padded(parts.minute)
      case "S": out += padded(parts.second)
      case "p": out += hour < 12 ? "AM" : "PM"
      case "B": out += month
      case "b": out += String(month.prefix(3))
      case "A": out += day
      case "a": out += String(day.prefix(3))
      default: throw TokenizerError(.unsupported, "template: strftime_now with %\(directive)")
      }
    }
    return out
  }

  private static func padded(_ number: Int?) -> String {
    let digits = String(number ?? 0)
    return digits.utf8.count < 2 ? "0" + digits : digits
  }
}
