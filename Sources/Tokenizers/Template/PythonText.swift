/// Strings as Python treats them: by code points, with Python's idea of white space and case.
enum PythonText {
  /// `str.isspace` of one character.
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0D, 0x1C...0x20: true
    case 0..<0x80: false
    default: ScalarTable.contains(scalar.value, in: .whiteSpace)
    }
  }

  /// Where `part` starts in `text` at or after `start`.
  static func find(_ part: [UInt8], in text: [UInt8], from start: Int = 0) -> Int? {
    guard let first = part.first else { return start <= text.count ? start : nil }
    var at = start
    while at + part.count <= text.count {
      if text[at] == first, text[at..<at + part.count].elementsEqual(part) { return at }
      at += 1
    }
    return nil
  }

  /// `str.strip`, `lstrip` and `rstrip`; white space where no characters are given.
  static func strip(_ text: String, _ characters: String?, left: Bool, right: Bool) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    func isStripped(_ scalar: Unicode.Scalar) -> Bool {
      set.map { $0.contains(scalar) } ?? isSpace(scalar)
    }
    var rest = text.unicodeScalars[...]
    while left, let first = rest.first, isStripped(first) { rest.removeFirst() }
    while right, let last = rest.last, isStripped(last) { rest.removeLast() }
    return String(rest)
  }

  /// `str.split` with a separator.
  static func split(_ text: String, _ separator: String, limit: Int) -> [String] {
    let bytes = Array(text.utf8)
    let mark = Array(separator.utf8)
    var parts: [String] = []
    var start = 0
    while limit < 0 || parts.count < limit, let found = find(mark, in: bytes, from: start) {
      parts.append(String(decoding: bytes[start..<found], as: UTF8.self))
      start = found + mark.count
    }
    parts.append(String(decoding: bytes[start...], as: UTF8.self))
    return parts
  }

  /// `str.rsplit` with a separator.
  static func splitFromEnd(_ text: String, _ separator: String, limit: Int) -> [String] {
    let reversed = split(
      String(String.UnicodeScalarView(text.unicodeScalars.reversed())),
      String(String.UnicodeScalarView(separator.unicodeScalars.reversed())), limit: limit)
    return reversed.reversed().map {
      String(String.UnicodeScalarView($0.unicodeScalars.reversed()))
    }
  }

  /// `str.split` at white space.
  static func splitAtSpace(_ text: String, limit: Int) -> [String] {
    var parts: [String] = []
    var rest = text.unicodeScalars[...]
    while true {
      while let first = rest.first, isSpace(first) { rest.removeFirst() }
      guard !rest.isEmpty else { return parts }
      if limit >= 0, parts.count == limit {
        return parts + [String(rest)]
      }
      let end = rest.firstIndex(where: isSpace) ?? rest.endIndex
      parts.append(String(rest[..<end]))
      rest = rest[end...]
    }
  }

  /// `str.splitlines`.
  static func lines(_ text: String) -> [String] {
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    var previous: Unicode.Scalar?
    for scalar in text.unicodeScalars {
      defer { previous = scalar }
      switch scalar.value {
      case 0x0A where previous == "\r": continue
      case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029:
        lines.append(String(line))
        line = String.UnicodeScalarView()
      default: line.append(scalar)
      }
    }
    return line.isEmpty ? lines : lines + [String(line)]
  }

  /// `str.replace`.
  static func replace(_ text: String, _ old: String, _ new: String, limit: Int) -> String {
    guard old.isEmpty else { return split(text, old, limit: limit).joined(separator: new) }
    var out = ""
    var left = limit < 0 ? Int.max : limit
    for scalar in text.unicodeScalars {
      if left > 0 {
        out += new
        left -= 1
      }
      out.unicodeScalars.append(scalar)
    }
    return left > 0 ? out + new : out
  }

  // MARK: Case

  static func uppercased(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { $0 += $1.properties.uppercaseMapping }
  }

  /// `str.lower`, with the final form of sigma.
  static func lowercased(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    var out = ""
    for (index, scalar) in scalars.enumerated() {
      out += scalar == "Σ" && isFinal(index, scalars) ? "ς" : scalar.properties.lowercaseMapping
    }
    return out
  }

  private static func isFinal(_ index: Int, _ scalars: [Unicode.Scalar]) -> Bool {
    let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
    let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
    return before?.properties.isCased ?? false && !(after?.properties.isCased ?? false)
  }

  static func capitalized(_ text: String) -> String {
    guard let first = text.unicodeScalars.first else { return "" }
    let rest = lowercased(text).unicodeScalars.dropFirst(
      first.properties.lowercaseMapping.unicodeScalars.count)
    return first.properties.titlecaseMapping + String(rest)
  }

  /// Jinja's `title` filter: a word starts after white space, `-`, `(`, `{`, `[` or `<`.
  static func title(_ text: String) -> String {
    var out = ""
    var word = String.UnicodeScalarView()
    func flush() {
      guard let first = word.first else { return }
      out += first.properties.uppercaseMapping + lowercased(String(word.dropFirst()))
      word = String.UnicodeScalarView()
    }
    for scalar in text.unicodeScalars {
      if isSpace(scalar) || "-({[<".unicodeScalars.contains(scalar) {
        flush()
        out.unicodeScalars.append(scalar)
      } else {
        word.append(scalar)
      }
    }
    flush()
    return out
  }
}
