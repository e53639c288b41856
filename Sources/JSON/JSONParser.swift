/// A strict JSON reader over bytes, bounded in depth and in the number of values, that keeps the
/// order of members.
///
/// Numbers are read as Python writes them: integers of any size, `NaN`, `Infinity`. Who needs a
/// number that fits says so.
package struct JSONParser {
  static let maximumDepth = 96
  /// Most values in one file: a vocabulary has a million, its merges three each.
  package static let maximumValues = 1 << 23
  /// Most digits of an integer, as in Python.
  static let maximumDigits = 4300

  private let bytes: [UInt8]
  private var at = 0
  private var depth = 0
  private var values = 0

  /// Reads one JSON value that fills `bytes`.
  /// - Throws: `invalid` with the byte offset, `limitExceeded` when nested too deep.
  package static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
    var parser = JSONParser(bytes: bytes)
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { throw parser.failure("a byte order mark") }
    let value = try parser.value()
    parser.skipSpace()
    guard parser.at == bytes.count else { throw parser.failure("text after the value") }
    return value
  }

  private init(bytes: [UInt8]) {
    self.bytes = bytes
  }

  private func failure(_ what: String) -> JSONError {
    JSONError(.invalid, "\(what) at byte \(at)")
  }

  private var current: UInt8? { at < bytes.count ? bytes[at] : nil }

  private mutating func skipSpace() {
    while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      at += 1
    }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard current == byte else { return false }
    at += 1
    return true
  }

  private mutating func value() throws(JSONError) -> JSONValue {
    values += 1
    guard values <= Self.maximumValues else {
      throw JSONError(.limitExceeded, "JSON with more than \(Self.maximumValues) values")
    }
    skipSpace()
    switch current {
    case UInt8(ascii: "{"):
      return try nested { (parser) throws(JSONError) in
        try parser.object()
      }
    case UInt8(ascii: "["):
      return try nested { (parser) throws(JSONError) in
        try parser.array()
      }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "N"): return try word("NaN", .double(.nan))
    case UInt8(ascii: "I"): return try word("Infinity", .double(.infinity))
    case .none: throw failure("unexpected end")
    default: return try number()
    }
  }

  private mutating func nested(
    _ body: (inout JSONParser) throws(JSONError) -> JSONValue
  ) throws(JSONError) -> JSONValue {
    guard depth < Self.maximumDepth else {
      throw JSONError(.limitExceeded, "JSON nested deeper than \(Self.maximumDepth) levels")
    }
    depth += 1
    at += 1
    defer { depth -= 1 }
    return try body(&self)
  }

  private mutating func word(_ text: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
    guard bytes[at...].starts(with: text.utf8) else { throw failure("an unknown word") }
    at += text.utf8.count
    return value
  }

  private mutating func array() throws(JSONError) -> JSONValue {
    var items: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return .array(items) }
    while true {
      items.append(try value())
      skipSpace()
      if take(UInt8(ascii: "]")) { return .array(items) }
      guard take(UInt8(ascii: ",")) else { throw failure("no comma between items") }
    }
  }

  private mutating func object() throws(JSONError) -> JSONValue {
    var members = JSONObject()
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipSpace()
      guard current == UInt8(ascii: "\"") else { throw failure("a key that is not a string") }
      let key = try string()
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw failure("no colon after a key") }
      members.append(key, try value())
      skipSpace()
      if take(UInt8(ascii: "}")) { return .object(members) }
      guard take(UInt8(ascii: ",")) else { throw failure("no comma between members") }
    }
  }

  // MARK: Scalars

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = at
    if take(UInt8(ascii: "-")), current == UInt8(ascii: "I") {
      return try word("Infinity", .double(-.infinity))
    }
    let leadingZero = current == UInt8(ascii: "0")
    let whole = digits()
    guard whole > 0, !(leadingZero && whole > 1) else { throw failure("an unexpected character") }
    var isInteger = true
    if take(UInt8(ascii: ".")) {
      isInteger = false
      guard digits() > 0 else { throw failure("no digit after the point") }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      isInteger = false
      at += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { at += 1 }
      guard digits() > 0 else { throw failure("no digit in the exponent") }
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if isInteger {
      if let value = Int(text) { return .int(value) }
      guard whole <= Self.maximumDigits else { throw failure("an integer of \(whole) digits") }
      return .bigInteger(text)
    }
    guard let value = Double(text) else { throw failure("an unreadable number") }
    return .double(value)
  }

  private mutating func digits() -> Int {
    let start = at
    while let byte = current, (0x30...0x39).contains(byte) { at += 1 }
    return at - start
  }

  private mutating func string() throws(JSONError) -> String {
    at += 1
    let start = at
    while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\"),
      bytes[at] >= 0x20
    { at += 1 }
    if current == UInt8(ascii: "\"") {
      defer { at += 1 }
      return try text(bytes[start..<at])
    }
    var content = Array(bytes[start..<at])
    while let byte = current {
      at += 1
      switch byte {
      case UInt8(ascii: "\""): return try text(content[...])
      case UInt8(ascii: "\\"): content += String(try escape()).utf8
      case 0..<0x20: throw failure("a control character in a string")
      default: content.append(byte)
      }
    }
    throw failure("a string without its end")
  }

  private func text(_ content: ArraySlice<UInt8>) throws(JSONError) -> String {
    guard let string = String(validating: content, as: UTF8.self) else {
      throw failure("a string that is not UTF-8")
    }
    return string
  }

  private mutating func escape() throws(JSONError) -> Unicode.Scalar {
    let byte = current
    at += 1
    switch byte {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try unicodeEscape()
    default: throw failure("an unknown escape")
    }
  }

  private mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
    var code = try hexQuad()
    if (0xD800..<0xDC00).contains(code), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) {
      let low = try hexQuad()
      guard (0xDC00..<0xE000).contains(low) else { throw failure("half of a surrogate pair") }
      code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(code) else { throw failure("half of a surrogate pair") }
    return scalar
  }

  private mutating func hexQuad() throws(JSONError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure("a bad \\u escape")
      }
      code = code << 4 | UInt32(digit)
      at += 1
    }
    return code
  }
}
