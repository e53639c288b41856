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

  /// The code points of a text as an array.
  static func scalars(
    _ text: String, _ budget: TemplateBudget
  ) throws(TokenizerError) -> [Unicode.Scalar] {
    try budget.scan(text.utf8.count)
    try budget.allocate(bytes: 4 * text.utf8.count)
    return Array(text.unicodeScalars)
  }

  static func text(
    _ scalars: some Sequence<Unicode.Scalar>, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    var out = TemplateTextBuilder(budget)
    for scalar in scalars { try out.append(scalar) }
    return out.text
  }

  private static func bytes(
    _ text: String, _ budget: TemplateBudget
  ) throws(TokenizerError) -> [UInt8] {
    try budget.allocate(bytes: text.utf8.count)
    return Array(text.utf8)
  }

  private static func cut(
    _ bytes: [UInt8], _ range: Range<Int>, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    try budget.allocate(bytes: range.count + 32)
    return String(decoding: bytes[range], as: UTF8.self)
  }

  /// Number of code points.
  static func length(_ text: String, _ budget: TemplateBudget) throws(TokenizerError) -> Int {
    try budget.scan(text.utf8.count / 4)
    return text.utf8.count { $0 & 0xC0 != 0x80 }
  }

  // MARK: Parts

  /// `str.strip`, `lstrip` and `rstrip`; white space where no characters are given.
  static func strip(
    _ text: String, _ characters: String?, left: Bool, right: Bool, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    try budget.scan(text.utf8.count + (characters?.utf8.count ?? 0))
    try budget.allocate(bytes: text.utf8.count + 8 * (characters?.utf8.count ?? 0))
    let set = characters.map { Set($0.unicodeScalars) }
    func isStripped(_ scalar: Unicode.Scalar) -> Bool {
      set.map { $0.contains(scalar) } ?? isSpace(scalar)
    }
    var rest = text.unicodeScalars[...]
    while left, let first = rest.first, isStripped(first) { rest.removeFirst() }
    while right, let last = rest.last, isStripped(last) { rest.removeLast() }
    return String(rest)
  }

  /// `str.split` with a separator, or `str.rsplit`.
  static func split(
    _ text: String, _ separator: String, limit: Int, isFromEnd: Bool = false,
    _ budget: TemplateBudget
  ) throws(TokenizerError) -> [String] {
    let bytes = try bytes(text, budget)
    let finder = try TextFinder(separator, budget)
    var places: [Int]
    if isFromEnd, limit >= 0 {
      places = try fromEnd(bytes, finder, limit, budget)
    } else {
      places = try finder.all(in: bytes, limit: limit < 0 ? .max : limit, budget)
    }
    try budget.allocate(items: places.count + 1)
    var parts: [String] = []
    var start = 0
    for place in places {
      parts.append(try cut(bytes, start..<place, budget))
      start = place + finder.part.count
    }
    parts.append(try cut(bytes, start..<bytes.count, budget))
    return parts
  }

  /// The last places of a separator, which may overlap otherwise than from the left.
  private static func fromEnd(
    _ bytes: [UInt8], _ finder: TextFinder, _ limit: Int, _ budget: TemplateBudget
  ) throws(TokenizerError) -> [Int] {
    let turned = try TextFinder(bytes: finder.part.reversed(), budget)
    try budget.allocate(bytes: bytes.count)
    let places = try turned.all(in: bytes.reversed(), limit: limit, budget)
    return places.reversed().map { bytes.count - $0 - finder.part.count }
  }

  /// `str.split` or `str.rsplit` at white space.
  static func splitAtSpace(
    _ text: String, limit: Int, isFromEnd: Bool = false, _ budget: TemplateBudget
  ) throws(TokenizerError) -> [String] {
    let scalars = try scalars(text, budget)
    var parts: [Range<Int>] = []
    // Positions counted from the side that is cut first.
    func isBlank(_ at: Int) -> Bool { isSpace(scalars[isFromEnd ? scalars.count - 1 - at : at]) }
    var at = 0
    while true {
      while at < scalars.count, isBlank(at) { at += 1 }
      guard at < scalars.count else { break }
      var end = at
      if limit >= 0, parts.count == limit {
        end = scalars.count
      } else {
        while end < scalars.count, !isBlank(end) { end += 1 }
      }
      try budget.allocate(items: 1)
      parts.append(at..<end)
      at = end
    }
    try budget.allocate(items: parts.count)
    var out: [String] = []
    for part in isFromEnd ? parts.reversed() : parts {
      let range =
        isFromEnd ? scalars.count - part.upperBound..<scalars.count - part.lowerBound : part
      out.append(try self.text(scalars[range], budget))
    }
    return out
  }

  /// `str.splitlines`.
  static func lines(
    _ text: String, keepsEnds: Bool = false, _ budget: TemplateBudget
  ) throws(TokenizerError) -> [String] {
    try budget.scan(text.utf8.count)
    var lines: [String] = []
    var line = TemplateTextBuilder(budget)
    var previous: Unicode.Scalar?
    func end(_ scalar: Unicode.Scalar) throws(TokenizerError) {
      if keepsEnds { try line.append(scalar) }
      try budget.allocate(items: 1)
      lines.append(line.text)
      line = TemplateTextBuilder(budget)
    }
    for scalar in text.unicodeScalars {
      defer { previous = scalar }
      switch scalar.value {
      case 0x0A where previous == "\r":
        if keepsEnds { lines[lines.count - 1] += "\n" }
      case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: try end(scalar)
      default: try line.append(scalar)
      }
    }
    if line.byteCount > 0 { lines.append(line.text) }
    return lines
  }

  /// `str.replace`.
  static func replace(
    _ text: String, _ old: String, _ new: String, limit: Int, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    var out = TemplateTextBuilder(budget)
    guard old.isEmpty else {
      let parts = try split(text, old, limit: limit, budget)
      for (index, part) in parts.enumerated() {
        if index > 0 { try out.append(new) }
        try out.append(part)
      }
      return out.text
    }
    try budget.scan(text.utf8.count)
    var left = limit < 0 ? Int.max : limit
    for scalar in text.unicodeScalars {
      if left > 0 {
        try budget.charge()
        try out.append(new)
        left -= 1
      }
      try out.append(scalar)
    }
    if left > 0 { try out.append(new) }
    return out.text
  }

  /// Where a part stands in code points, nil if nowhere.
  static func find(
    _ part: String, in text: String, isLast: Bool = false, _ budget: TemplateBudget
  ) throws(TokenizerError) -> Int? {
    let bytes = try bytes(text, budget)
    let place: Int?
    if isLast {
      place = try fromEnd(bytes, TextFinder(part, budget), 1, budget).first
    } else {
      place = try TextFinder(part, budget).first(in: bytes, budget)
    }
    return place.map { place in bytes[..<place].count { $0 & 0xC0 != 0x80 } }
  }

  /// `str.count`.
  static func count(
    _ part: String, in text: String, _ budget: TemplateBudget
  ) throws(TokenizerError) -> Int {
    if part.isEmpty { return try length(text, budget) + 1 }
    return try TextFinder(part, budget).all(in: bytes(text, budget), budget).count
  }

  // MARK: Case

  static func uppercased(
    _ text: String, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    if let ascii = try ascii(text, budget, { (0x61...0x7A).contains($0) ? $0 - 32 : $0 }) {
      return ascii
    }
    try budget.study(text)
    var out = TemplateTextBuilder(budget)
    for scalar in text.unicodeScalars { try out.append(scalar.properties.uppercaseMapping) }
    return out.text
  }

  /// `str.lower`, with the final form of sigma.
  static func lowercased(
    _ text: String, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    if let ascii = try ascii(text, budget, { (0x41...0x5A).contains($0) ? $0 + 32 : $0 }) {
      return ascii
    }
    try budget.study(text)
    let scalars = try scalars(text, budget)
    var out = TemplateTextBuilder(budget)
    for (index, scalar) in scalars.enumerated() { try out.append(lower(scalar, index, scalars)) }
    return out.text
  }

  /// A text of ASCII with its bytes changed, nil for any other.
  private static func ascii(
    _ text: String, _ budget: TemplateBudget, _ change: (UInt8) -> UInt8
  ) throws(TokenizerError) -> String? {
    try budget.skim(text.utf8.count)
    guard text.utf8.allSatisfy({ $0 < 0x80 }) else { return nil }
    try budget.scan(text.utf8.count)
    try budget.allocate(bytes: 2 * text.utf8.count)
    return String(decoding: text.utf8.map(change), as: UTF8.self)
  }

  private static func lower(
    _ scalar: Unicode.Scalar, _ index: Int, _ scalars: [Unicode.Scalar]
  ) -> String {
    scalar == "Σ" && isFinal(index, scalars) ? "ς" : scalar.properties.lowercaseMapping
  }

  /// Looks past characters without case on both sides; those between two sigmas are looked at
  /// twice, no others.
  private static func isFinal(_ index: Int, _ scalars: [Unicode.Scalar]) -> Bool {
    let before = scalars[..<index].last { !$0.properties.isCaseIgnorable }
    let after = scalars[(index + 1)...].first { !$0.properties.isCaseIgnorable }
    return before?.properties.isCased ?? false && !(after?.properties.isCased ?? false)
  }

  static func capitalized(
    _ text: String, _ budget: TemplateBudget
  ) throws(TokenizerError) -> String {
    try budget.study(text)
    let scalars = try scalars(text, budget)
    var out = TemplateTextBuilder(budget)
    for (index, scalar) in scalars.enumerated() {
      try out.append(
        index == 0 ? scalar.properties.titlecaseMapping : lower(scalar, index, scalars))
    }
    return out.text
  }

  /// `str.title`: a word starts behind whatever has no case.
  static func titled(_ text: String, _ budget: TemplateBudget) throws(TokenizerError) -> String {
    try budget.study(text)
    let scalars = try scalars(text, budget)
    var out = TemplateTextBuilder(budget)
    var isInside = false
    for (index, scalar) in scalars.enumerated() {
      try out.append(
        isInside ? lower(scalar, index, scalars) : scalar.properties.titlecaseMapping)
      isInside = scalar.properties.isCased
    }
    return out.text
  }

  /// Jinja's `title` filter: a word starts after white space, `-`, `(`, `{`, `[` or `<`.
  static func title(_ text: String, _ budget: TemplateBudget) throws(TokenizerError) -> String {
    try budget.scan(text.utf8.count)
    var out = TemplateTextBuilder(budget)
    var word = TemplateTextBuilder(budget)
    func flush() throws(TokenizerError) {
      guard let first = word.text.unicodeScalars.first else { return }
      try out.append(first.properties.uppercaseMapping)
      try out.append(lowercased(String(word.text.unicodeScalars.dropFirst()), budget))
      word = TemplateTextBuilder(budget)
    }
    for scalar in text.unicodeScalars {
      if isSpace(scalar) || "-({[<".unicodeScalars.contains(scalar) {
        try flush()
        try out.append(scalar)
      } else {
        try word.append(scalar)
      }
    }
    try flush()
    return out.text
  }

  /// `str.islower` and `str.isupper`.
  static func hasCase(
    _ text: String, isUpper: Bool, _ budget: TemplateBudget
  ) throws(TokenizerError) -> Bool {
    try budget.study(text)
    var isCased = false
    for scalar in text.unicodeScalars where scalar.properties.isCased {
      guard isUpper ? scalar.properties.isUppercase : scalar.properties.isLowercase else {
        return false
      }
      isCased = true
    }
    return isCased
  }

  /// `markupsafe.escape`.
  static func escaped(_ text: String, _ budget: TemplateBudget) throws(TokenizerError) -> String {
    try budget.scan(text.utf8.count)
    var out = TemplateTextBuilder(budget)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": try out.append("&amp;")
      case "<": try out.append("&lt;")
      case ">": try out.append("&gt;")
      case "'": try out.append("&#39;")
      case "\"": try out.append("&#34;")
      default: try out.append(scalar)
      }
    }
    return out.text
  }
}
