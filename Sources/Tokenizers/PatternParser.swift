/// Reads the regular expressions of `tokenizer.json` files, with the meaning that Oniguruma's Ruby
/// syntax gives them, which is what the reference library uses.
///
/// Only constructs whose meaning is certain are read: literals, sets, `\s \d \p{..}`, groups,
/// `(?i:`, `(?>`, lookahead, alternation and quantifiers. The rest is refused by name.
struct PatternParser {
  static let maximumDepth = 32
  static let maximumRepeat = 1000
  /// Longest pattern, in bytes.
  static let maximumBytes = 1 << 16
  /// Letter pairs that some other character equals when case is ignored, "ß" for "ss" and so on.
  private static let multiLetterFolds = ["ss", "ff", "fi", "fl", "st"]

  private let pattern: String
  private let scalars: [Unicode.Scalar]
  private var at = 0
  private var depth = 0
  private var ignoresCase = false

  /// - Throws: `unsupported` naming the construct, `invalidFile` for a malformed pattern.
  static func parse(_ pattern: String) throws(TokenizerError) -> PatternNode {
    guard pattern.utf8.count <= maximumBytes else {
      throw TokenizerError(.limitExceeded, "a split pattern above \(maximumBytes) bytes")
    }
    var parser = PatternParser(pattern)
    let node = try parser.alternation()
    guard parser.at == parser.scalars.count else { throw parser.malformed("an unpaired ')'") }
    return node
  }

  private init(_ pattern: String) {
    self.pattern = pattern
    scalars = Array(pattern.unicodeScalars)
  }

  // MARK: Errors and characters

  private func unsupported(_ what: String) -> TokenizerError {
    TokenizerError(.unsupported, "\(what) in the pattern \(pattern)")
  }

  private func malformed(_ what: String) -> TokenizerError {
    TokenizerError(.invalidFile, "\(what) at character \(at) of the pattern \(pattern)")
  }

  private var current: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

  private mutating func take(_ text: String) -> Bool {
    guard scalars[at...].starts(with: text.unicodeScalars) else { return false }
    at += text.unicodeScalars.count
    return true
  }

  private mutating func next(in what: String) throws(TokenizerError) -> Unicode.Scalar {
    guard let scalar = current else { throw malformed("\(what) without its end") }
    at += 1
    return scalar
  }

  // MARK: Structure

  private mutating func alternation() throws(TokenizerError) -> PatternNode {
    guard depth < Self.maximumDepth else {
      throw TokenizerError(.limitExceeded, "groups nested too deep in the pattern \(pattern)")
    }
    depth += 1
    defer { depth -= 1 }
    let ignoredCaseBefore = ignoresCase
    defer { ignoresCase = ignoredCaseBefore }
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .alternation(branches)
  }

  private mutating func sequence() throws(TokenizerError) -> PatternNode {
    var parts: [PatternNode] = []
    var folded = ""
    while let scalar = current, scalar != "|", scalar != ")" {
      let start = at
      let part = try quantified(try atom())
      parts.append(part)
      if ignoresCase {
        folded += at - start == 1 ? String(scalar).lowercased() : " "
        for fold in Self.multiLetterFolds where folded.hasSuffix(fold) {
          throw unsupported("(?i) over \"\(fold)\"")
        }
      }
    }
    switch parts.count {
    case 0: return .empty
    case 1: return parts[0]
    default: return .sequence(parts)
    }
  }

  private mutating func atom() throws(TokenizerError) -> PatternNode {
    let scalar = try next(in: "a pattern")
    switch scalar {
    case "(": return try group()
    case "[": return .set(try bracketSet())
    case "\\": return .set(try escape(inBrackets: false))
    case ".":
      var set = ScalarSet(scalar: "\n")
      set.isInverted = true
      return .set(set)
    case "^", "$": throw unsupported("the anchor \(scalar)")
    case "*", "+", "?": throw malformed("a quantifier with nothing before it")
    case "{", "}", "]": throw unsupported("an unescaped \(scalar)")
    default: return .set(try literal(scalar))
    }
  }

  private func literal(_ scalar: Unicode.Scalar) throws(TokenizerError) -> ScalarSet {
    var set = ScalarSet(scalar: scalar)
    guard ignoresCase else { return set }
    guard scalar.isASCII else { throw unsupported("(?i) over the letter \(scalar)") }
    switch scalar {
    case "a"..."z": set.ranges.append(scalar.value - 32...scalar.value - 32)
    case "A"..."Z": set.ranges.append(scalar.value + 32...scalar.value + 32)
    default: return set
    }
    // The only other characters that fold to an ASCII letter: long s and the Kelvin sign.
    if scalar.value | 32 == 0x73 { set.ranges.append(0x17F...0x17F) }
    if scalar.value | 32 == 0x6B { set.ranges.append(0x212A...0x212A) }
    return set
  }

  private mutating func group() throws(TokenizerError) -> PatternNode {
    guard take("?") else { return try body { $0 } }
    if take(":") { return try body { $0 } }
    if take(">") { return try body { .atomic($0) } }
    if take("=") { return try body { .lookahead($0, isNegative: false) } }
    if take("!") { return try body { .lookahead($0, isNegative: true) } }
    if take("i:") {
      let before = ignoresCase
      defer { ignoresCase = before }
      ignoresCase = true
      return try body { $0 }
    }
    if take("i)") {
      // The rest of the enclosing group, its further branches included.
      ignoresCase = true
      return try rest()
    }
    let kind = String(String.UnicodeScalarView(scalars[(at - 2)...].prefix(4)))
    throw unsupported("the group \(kind)")
  }

  /// What follows `(?i)` up to the end of the enclosing group, all branches.
  private mutating func rest() throws(TokenizerError) -> PatternNode {
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .alternation(branches)
  }

  private mutating func body(
    _ wrap: (PatternNode) -> PatternNode
  ) throws(TokenizerError) -> PatternNode {
    let node = try alternation()
    guard take(")") else { throw malformed("a group without its ')'") }
    return wrap(node)
  }

  // MARK: Quantifiers

  private mutating func quantified(_ node: PatternNode) throws(TokenizerError) -> PatternNode {
    guard let (count, isInterval) = try repeatCount() else { return node }
    var kind = RepeatKind.greedy
    if take("?") {
      kind = .lazy
    } else if current == "+" {
      guard !isInterval else { throw unsupported("{..}+") }
      at += 1
      kind = .possessive
    }
    if let following = current, "*+?{".unicodeScalars.contains(following) {
      throw unsupported("a quantifier on a quantifier")
    }
    if case .lookahead = node { throw unsupported("a quantifier on a lookahead") }
    if count.maximum == nil, node.canBeEmpty {
      throw unsupported("an unbounded repetition of something that can be empty")
    }
    if kind == .lazy, isInterval, count.maximum == count.minimum { throw unsupported("{n}?") }
    return .repetition(node, count: count, kind: kind)
  }

  private mutating func repeatCount() throws(TokenizerError) -> (RepeatCount, Bool)? {
    if take("*") { return (RepeatCount(minimum: 0, maximum: nil), false) }
    if take("+") { return (RepeatCount(minimum: 1, maximum: nil), false) }
    if take("?") { return (RepeatCount(minimum: 0, maximum: 1), false) }
    guard take("{") else { return nil }
    let minimum = try number()
    var maximum: Int? = minimum
    if take(",") { maximum = current == "}" ? nil : try number() }
    guard take("}") else { throw unsupported("an unusual {..}") }
    guard minimum <= maximum ?? minimum else { throw unsupported("{n,m} with n above m") }
    return (RepeatCount(minimum: minimum, maximum: maximum), true)
  }

  private mutating func number() throws(TokenizerError) -> Int {
    var digits = ""
    while let scalar = current, ("0"..."9").contains(scalar) {
      digits.unicodeScalars.append(scalar)
      at += 1
    }
    guard let value = Int(digits) else { throw unsupported("an unusual {..}") }
    guard value <= Self.maximumRepeat else {
      throw TokenizerError(.limitExceeded, "a repeat above \(Self.maximumRepeat) in \(pattern)")
    }
    return value
  }

  // MARK: Sets

  private mutating func bracketSet() throws(TokenizerError) -> ScalarSet {
    var set = ScalarSet()
    set.isInverted = take("^")
    if current == "]" { throw unsupported("an empty set") }
    while true {
      let scalar = try next(in: "a set")
      if scalar == "]" { return set }
      if scalar == "[" { throw unsupported("a set within a set, or [[:name:]],") }
      if scalar == "&", current == "&" { throw unsupported("&& in a set") }
      var item = try scalar == "\\" ? escape(inBrackets: true) : literal(scalar)
      if current == "-", at + 1 < scalars.count, scalars[at + 1] != "]" {
        item = try range(from: item)
      }
      set.categories.formUnion(item.categories)
      set.ranges += item.ranges
    }
  }

  private mutating func range(from low: ScalarSet) throws(TokenizerError) -> ScalarSet {
    at += 1
    let scalar = try next(in: "a set")
    if scalar == "[" { throw unsupported("a set within a set") }
    let high = try scalar == "\\" ? escape(inBrackets: true) : literal(scalar)
    guard low.categories.isEmpty, high.categories.isEmpty, let first = low.ranges.first,
      let last = high.ranges.first
    else { throw unsupported("a range with a class at its end") }
    guard first.lowerBound <= last.lowerBound else {
      throw malformed("a range that runs backwards")
    }
    if ignoresCase { throw unsupported("a range under (?i)") }
    var set = ScalarSet()
    set.ranges = [first.lowerBound...last.lowerBound]
    return set
  }

  private mutating func escape(inBrackets: Bool) throws(TokenizerError) -> ScalarSet {
    let scalar = try next(in: "an escape")
    switch scalar {
    case "s": return ScalarSet(categories: .whiteSpace)
    case "S": return ScalarSet(categories: CategorySet.whiteSpace.inverted)
    case "d": return ScalarSet(categories: .decimalDigit)
    case "D": return ScalarSet(categories: CategorySet.decimalDigit.inverted)
    case "p", "P": return try property(isInverted: scalar == "P")
    case "n": return ScalarSet(scalar: "\n")
    case "r": return ScalarSet(scalar: "\r")
    case "t": return ScalarSet(scalar: "\t")
    case "f": return ScalarSet(scalar: "\u{c}")
    case "v": return ScalarSet(scalar: "\u{b}")
    case "x": return try hexadecimal(take("{") ? 1...8 : 1...2, isBraced: scalars[at - 1] == "{")
    case "u": return try hexadecimal(4...4, isBraced: false)
    case "a"..."z", "A"..."Z", "0"..."9": throw unsupported("the escape \\\(scalar)")
    default: return try literal(scalar)
    }
  }

  private mutating func hexadecimal(
    _ length: ClosedRange<Int>, isBraced: Bool
  ) throws(TokenizerError) -> ScalarSet {
    var digits = ""
    while digits.utf8.count < length.upperBound, let scalar = current, scalar.isASCII,
      scalar.properties.isASCIIHexDigit
    {
      digits.unicodeScalars.append(scalar)
      at += 1
    }
    guard digits.utf8.count >= length.lowerBound, let value = UInt32(digits, radix: 16),
      let scalar = Unicode.Scalar(value), isBraced || value < 0x80 || length.lowerBound == 4,
      !isBraced || take("}")
    else { throw unsupported("an unusual \\x or \\u escape") }
    return try literal(scalar)
  }

  private mutating func property(isInverted: Bool) throws(TokenizerError) -> ScalarSet {
    guard take("{") else { throw unsupported("\\p without braces") }
    var isInverted = isInverted
    if take("^") { isInverted.toggle() }
    var name = ""
    while true {
      let scalar = try next(in: "\\p{")
      if scalar == "}" { break }
      name.unicodeScalars.append(scalar)
    }
    guard let categories = CategorySet(named: name) else { throw unsupported("\\p{\(name)}") }
    if ignoresCase { throw unsupported("\\p{\(name)} under (?i)") }
    return ScalarSet(categories: isInverted ? categories.inverted : categories)
  }
}
