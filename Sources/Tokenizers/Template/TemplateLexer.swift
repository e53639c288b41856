/// Cuts a template's source into text and the tokens inside its tags, with Jinja's rules for white
/// space as transformers sets them: `trim_blocks` and `lstrip_blocks` on, one final newline dropped.
struct TemplateLexer {
  enum Token: Equatable {
    case text(String)
    case blockStart, blockEnd, outputStart, outputEnd
    case name(String)
    case string(String)
    case int(Int)
    case double(Double)
    case symbol(String)
    case end
  }

  private static let symbols = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";",
  ].map { Array($0.unicodeScalars) }

  private let source: [Unicode.Scalar]
  private var at = 0
  private var tokens: [(token: Token, line: Int)] = []
  private var line = 1
  private var countedTo = 0
  /// Whether what was last taken ends a line, so that a tag that follows starts one.
  private var isLineStart = true

  /// - Throws: `unsupported` or `invalidFile`, with the line.
  static func tokens(_ source: String) throws(TokenizerError) -> [(token: Token, line: Int)] {
    guard source.utf8.count <= TemplateLimits.sourceBytes else {
      throw TokenizerError(.limitExceeded, "a template above \(TemplateLimits.sourceBytes) bytes")
    }
    var lexer = TemplateLexer(source)
    try lexer.run()
    return lexer.tokens
  }

  private init(_ source: String) {
    var scalars: [Unicode.Scalar] = []
    var previous: Unicode.Scalar?
    for scalar in source.unicodeScalars {
      defer { previous = scalar }
      if scalar == "\n", previous == "\r" { continue }
      scalars.append(scalar == "\r" ? "\n" : scalar)
    }
    if scalars.last == "\n" { scalars.removeLast() }
    self.source = scalars
  }

  // MARK: Helpers

  private func failure(_ code: TokenizerError.Code, _ what: String) -> TokenizerError {
    TokenizerError(code, "template line \(line): \(what)")
  }

  private func isAt(_ text: String, _ position: Int? = nil) -> Bool {
    source[min(position ?? at, source.count)...].starts(with: text.unicodeScalars)
  }

  private mutating func take(_ text: String) -> Bool {
    guard isAt(text) else { return false }
    at += text.unicodeScalars.count
    return true
  }

  private mutating func skipSpace() {
    while at < source.count, PythonText.isSpace(source[at]) { at += 1 }
  }

  private mutating func add(_ token: Token) {
    while countedTo < min(at, source.count) {
      if source[countedTo] == "\n" { line += 1 }
      countedTo += 1
    }
    tokens.append((token, line))
  }

  private mutating func addText(_ scalars: ArraySlice<Unicode.Scalar>) {
    if !scalars.isEmpty { add(.text(String(String.UnicodeScalarView(scalars)))) }
  }

  // MARK: Text

  private mutating func run() throws(TokenizerError) {
    while at < source.count {
      var tag = at
      while tag < source.count, !isAt("{%", tag), !isAt("{{", tag), !isAt("{#", tag) { tag += 1 }
      guard tag < source.count else {
        addText(source[at...])
        at = source.count
        break
      }
      let text = source[at..<tag]
      let kind = source[tag + 1]
      at = tag + 2
      addText(stripped(text, kind))
      guard tokens.count <= TemplateLimits.tokens else {
        throw failure(.limitExceeded, "more than \(TemplateLimits.tokens) parts")
      }
      isLineStart = false
      switch kind {
      case "#": try comment()
      case "{": try inside(.outputStart, .outputEnd, "}}", trims: false)
      default:
        if try !raw() { try inside(.blockStart, .blockEnd, "%}", trims: true) }
      }
      isLineStart = at > 0 && source[at - 1] == "\n"
    }
    add(.end)
  }

  /// The text before a tag without the white space that the tag takes away; takes the sign.
  private mutating func stripped(
    _ text: ArraySlice<Unicode.Scalar>, _ kind: Unicode.Scalar
  ) -> ArraySlice<Unicode.Scalar> {
    if take("-") {
      let end = text.lastIndex { !PythonText.isSpace($0) }.map { $0 + 1 } ?? text.startIndex
      return text[..<end]
    }
    guard !take("+"), kind != "{" else { return text }
    let newline = text.lastIndex(of: "\n")
    let start = newline.map { $0 + 1 } ?? text.startIndex
    guard newline != nil || isLineStart, text[start...].allSatisfy(PythonText.isSpace) else {
      return text
    }
    return text[..<start]
  }

  /// Takes the end of a tag if it is here, and the white space that goes with it.
  private mutating func takeEnd(_ end: String, trims: Bool) -> Bool {
    if trims, take("+" + end) { return true }
    if take("-" + end) {
      skipSpace()
      return true
    }
    guard take(end) else { return false }
    if trims { _ = take("\n") }
    return true
  }

  private mutating func comment() throws(TokenizerError) {
    while at < source.count {
      if takeEnd("#}", trims: true) { return }
      at += 1
    }
    throw failure(.invalidFile, "a comment without its end")
  }

  /// `{% raw %}`: its text as it stands. False if the tag is another one.
  private mutating func raw() throws(TokenizerError) -> Bool {
    let start = at
    skipSpace()
    guard take("raw") else {
      at = start
      return false
    }
    skipSpace()
    guard takeEnd("%}", trims: false) else {
      at = start
      return false
    }
    let textStart = at
    isLineStart = source[at - 1] == "\n"
    while at < source.count {
      let textEnd = at
      guard take("{%") else {
        at += 1
        continue
      }
      // The text is looked at only where the tag is the right one: once, not at every tag.
      if !take("-") { _ = take("+") }
      skipSpace()
      if take("endraw") {
        skipSpace()
        if takeEnd("%}", trims: true) {
          let end = at
          at = textEnd + 2
          let text = stripped(source[textStart..<textEnd], "%")
          at = end
          addText(text)
          return true
        }
      }
      at = textEnd + 1
    }
    throw failure(.invalidFile, "raw without endraw")
  }

  // MARK: Tags

  private mutating func inside(
    _ first: Token, _ last: Token, _ end: String, trims: Bool
  ) throws(TokenizerError) {
    add(first)
    var open: [Unicode.Scalar] = []
    while at < source.count {
      guard tokens.count <= TemplateLimits.tokens else {
        throw failure(.limitExceeded, "more than \(TemplateLimits.tokens) parts")
      }
      if open.isEmpty, takeEnd(end, trims: trims) {
        add(last)
        return
      }
      let scalar = source[at]
      if PythonText.isSpace(scalar) {
        skipSpace()
      } else if ("0"..."9").contains(scalar) {
        add(try number())
      } else if Self.isNamePart(scalar) {
        let start = at
        while at < source.count, Self.isNamePart(source[at]) { at += 1 }
        add(.name(String(String.UnicodeScalarView(source[start..<at]))))
      } else if scalar == "\"" || scalar == "'" {
        add(.string(try string(quote: scalar)))
      } else {
        add(.symbol(try symbol(&open)))
      }
    }
    throw failure(.invalidFile, "a tag without its end")
  }

  private static func isNamePart(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "0"..."9", "_": true
    default: false
    }
  }

  private mutating func symbol(_ open: inout [Unicode.Scalar]) throws(TokenizerError) -> String {
    guard let symbol = Self.symbols.first(where: { source[at...].starts(with: $0) }) else {
      throw failure(.unsupported, "the character \(source[at])")
    }
    at += symbol.count
    switch symbol[0] {
    case "(": open.append(")")
    case "[": open.append("]")
    case "{": open.append("}")
    case ")", "]", "}":
      guard open.popLast() == symbol[0] else {
        throw failure(.invalidFile, "an unexpected \(symbol[0])")
      }
    default: break
    }
    return String(String.UnicodeScalarView(symbol))
  }

  private mutating func number() throws(TokenizerError) -> Token {
    let isAfterPoint = at > 0 && source[at - 1] == "."
    let start = at
    func isDigit(_ position: Int) -> Bool {
      position < source.count && ("0"..."9").contains(source[position])
    }
    while isDigit(at) || (at < source.count && source[at] == "_" && isDigit(at + 1)) { at += 1 }
    var isFloat = false
    if !isAfterPoint, at < source.count, source[at] == ".", isDigit(at + 1) {
      isFloat = true
      at += 1
      while isDigit(at) { at += 1 }
    }
    if !isAfterPoint, at < source.count, source[at] == "e" || source[at] == "E" {
      let sign = at + 1 < source.count && (source[at + 1] == "+" || source[at + 1] == "-") ? 1 : 0
      if isDigit(at + 1 + sign) {
        isFloat = true
        at += 1 + sign
        while isDigit(at) { at += 1 }
      }
    }
    let digits = source[start..<at].filter { $0 != "_" }
    let text = String(String.UnicodeScalarView(digits))
    let isOctalLike = text.utf8.count > 1 && text.utf8.first == 0x30 && !isFloat
    guard at >= source.count || !Self.isNamePart(source[at]), !isOctalLike else {
      throw failure(.unsupported, "the number \(text)…")
    }
    if isFloat, let value = Double(text), value.isFinite { return .double(value) }
    if !isFloat, let value = Int(text) { return .int(value) }
    throw failure(.unsupported, "the number \(text)")
  }

  // MARK: Strings

  private mutating func string(quote: Unicode.Scalar) throws(TokenizerError) -> String {
    at += 1
    var text = String.UnicodeScalarView()
    while at < source.count {
      let scalar = source[at]
      at += 1
      if scalar == quote { return String(text) }
      if scalar == "\\" {
        try escape(&text)
      } else {
        text.append(scalar)
      }
    }
    throw failure(.invalidFile, "a string without its end")
  }

  private mutating func escape(_ text: inout String.UnicodeScalarView) throws(TokenizerError) {
    guard at < source.count else { throw failure(.invalidFile, "a string without its end") }
    let scalar = source[at]
    at += 1
    switch scalar {
    case "\n": break
    case "\\", "'", "\"": text.append(scalar)
    case "n": text.append("\n")
    case "r": text.append("\r")
    case "t": text.append("\t")
    case "a": text.append("\u{7}")
    case "b": text.append("\u{8}")
    case "f": text.append("\u{c}")
    case "v": text.append("\u{b}")
    case "x": text.append(try code(2))
    case "u": text.append(try code(4))
    case "U": text.append(try code(8))
    case "N", "0"..."7": throw failure(.unsupported, "the escape \\\(scalar)")
    default:
      text.append("\\")
      text.append(scalar)
    }
  }

  private mutating func code(_ count: Int) throws(TokenizerError) -> Unicode.Scalar {
    let digits = source[at..<min(at + count, source.count)]
    guard digits.count == count, digits.allSatisfy({ $0.properties.isASCIIHexDigit }),
      let value = UInt32(String(String.UnicodeScalarView(digits)), radix: 16),
      let scalar = Unicode.Scalar(value)
    else { throw failure(.unsupported, "an escape that is no character") }
    at += count
    return scalar
  }
}
