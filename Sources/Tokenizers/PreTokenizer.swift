import JSON

/// The `pre_tokenizer` of a byte-level tokenizer file: splits in order, then `ByteLevel`.
struct PreTokenizer: Sendable {
  /// GPT-2's pattern, which `ByteLevel` applies by itself unless told not to.
  static let gpt2Pattern =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  /// Most splits in a row.
  static let maximumSplits = 64

  private var splits: [Split] = []
  private var addsPrefixSpace = false
  private var byteLevelPattern: PatternProgram?

  /// - Throws: `unsupported` naming the part that this module does not do.
  init(_ json: JSONValue?) throws(TokenizerError) {
    guard let json, !json.isNull else {
      throw TokenizerError(.unsupported, "pre_tokenizer null: only byte-level tokenizers")
    }
    var parts = try Self.flattened(json)
    guard let last = parts.popLast(), last["type"]?.string == "ByteLevel" else {
      throw TokenizerError(.unsupported, "pre_tokenizer that does not end with ByteLevel")
    }
    guard parts.count <= Self.maximumSplits else {
      throw TokenizerError(
        .limitExceeded, "pre_tokenizer: more than \(Self.maximumSplits) splits in a row")
    }
    for part in parts { splits.append(try Split(part)) }
    addsPrefixSpace = last["add_prefix_space"]?.bool ?? true
    if last["use_regex"]?.bool ?? true { byteLevelPattern = try PatternProgram(Self.gpt2Pattern) }
  }

  private static func flattened(
    _ json: JSONValue, depth: Int = 0
  ) throws(TokenizerError) -> [JSONObject] {
    guard let object = json.object, depth < 8 else {
      throw TokenizerError(.invalidFile, "pre_tokenizer is not an object, or nested too deep")
    }
    guard object["type"]?.string == "Sequence" else { return [object] }
    guard let parts = object["pretokenizers"]?.array else {
      throw TokenizerError(.invalidFile, "pre_tokenizer Sequence without pretokenizers")
    }
    var flat: [JSONObject] = []
    for part in parts { flat += try flattened(part, depth: depth + 1) }
    return flat
  }

  /// Calls `body` with each word of `text`, in order; a word is given in UTF-8 and never empty.
  /// - Parameter steps: how many the patterns may take; what they took is subtracted.
  func forEachWord(
    in text: [UInt8], steps: inout Int, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) throws(TokenizerError) {
    var pieces = [0..<text.count]
    for split in splits {
      var next: [Range<Int>] = []
      next.reserveCapacity(pieces.count)
      for piece in pieces { next += try split.apply(to: text, piece, steps: &steps) }
      pieces = next
    }
    for piece in pieces where !piece.isEmpty {
      if addsPrefixSpace, text[piece.lowerBound] != 0x20 {
        let prefixed = [0x20] + text[piece]
        try forEachByteLevelWord(in: prefixed, 0..<prefixed.count, &steps, body)
      } else {
        try forEachByteLevelWord(in: text, piece, &steps, body)
      }
    }
  }

  private func forEachByteLevelWord(
    in text: [UInt8], _ piece: Range<Int>, _ steps: inout Int,
    _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) throws(TokenizerError) {
    guard let byteLevelPattern else {
      text.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[piece])) }
      return
    }
    let words = try Split.covering(byteLevelPattern, text, piece, steps: &steps)
    text.withUnsafeBufferPointer { all in
      for word in words { body(UnsafeBufferPointer(rebasing: all[word.range])) }
    }
  }
}

/// One splitting step: what it looks for and what becomes of the parts found.
struct Split: Sendable {
  enum Behavior: String {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
  }

  struct Part {
    var range: Range<Int>
    var isMatch: Bool
  }

  private enum Target {
    case pattern(PatternProgram)
    case numeric
  }

  private let target: Target
  private let behavior: Behavior
  private let isInverted: Bool

  init(_ json: JSONObject) throws(TokenizerError) {
    switch json["type"]?.string {
    case "Split":
      target = .pattern(try Self.pattern(json["pattern"]))
      guard let behavior = json["behavior"]?.string.flatMap(Behavior.init(rawValue:)) else {
        throw TokenizerError(.unsupported, "pre_tokenizer Split: behavior")
      }
      self.behavior = behavior
      isInverted = json["invert"]?.bool ?? false
    case "Digits":
      target = .numeric
      behavior = json["individual_digits"]?.bool ?? false ? .isolated : .contiguous
      isInverted = false
    case "ByteLevel":
      throw TokenizerError(.unsupported, "pre_tokenizer ByteLevel before another one")
    case let type:
      throw TokenizerError(.unsupported, "pre_tokenizer \(type ?? "without a type")")
    }
  }

  private static func pattern(_ json: JSONValue?) throws(TokenizerError) -> PatternProgram {
    if let regex = json?.object?["Regex"]?.string { return try PatternProgram(regex) }
    if let text = json?.object?["String"]?.string { return try PatternProgram(literal: text) }
    throw TokenizerError(.invalidFile, "pre_tokenizer Split: pattern")
  }

  /// The parts that `piece` of `text` falls into, empty ones left out.
  func apply(
    to text: [UInt8], _ piece: Range<Int>, steps: inout Int
  ) throws(TokenizerError) -> [Range<Int>] {
    var parts: [Part]
    switch target {
    case .pattern(let program): parts = try Self.covering(program, text, piece, steps: &steps)
    case .numeric: parts = Self.numericParts(text, piece)
    }
    if isInverted {
      for index in parts.indices { parts[index].isMatch.toggle() }
    }
    return merged(parts).filter { !$0.isEmpty }
  }

  /// Matches and what lies between them, in order, together all of `piece`.
  static func covering(
    _ program: PatternProgram, _ text: [UInt8], _ piece: Range<Int>, steps: inout Int
  ) throws(TokenizerError) -> [Part] {
    let base = piece.lowerBound
    let matches = try text.withUnsafeBufferPointer { (all) throws(TokenizerError) in
      try PatternMatcher.matches(
        of: program, in: UnsafeBufferPointer(rebasing: all[piece]), steps: &steps)
    }
    var parts: [Part] = []
    var end = base
    for match in matches {
      let match = match.lowerBound + base..<match.upperBound + base
      if match.lowerBound > end {
        parts.append(Part(range: end..<match.lowerBound, isMatch: false))
      }
      parts.append(Part(range: match, isMatch: true))
      end = match.upperBound
    }
    if end < piece.upperBound { parts.append(Part(range: end..<piece.upperBound, isMatch: false)) }
    return parts
  }

  private static func numericParts(_ text: [UInt8], _ piece: Range<Int>) -> [Part] {
    var parts: [Part] = []
    text.withUnsafeBufferPointer { all in
      var at = piece.lowerBound
      var plain = at
      while at < piece.upperBound {
        let scalar = UTF8Text.scalar(all, at)
        let next = at + UTF8Text.length(all[at])
        if ScalarTable.contains(scalar, in: .number) || ScalarTable.extraNumeric.contains(scalar) {
          if plain < at { parts.append(Part(range: plain..<at, isMatch: false)) }
          parts.append(Part(range: at..<next, isMatch: true))
          plain = next
        }
        at = next
      }
      if plain < at { parts.append(Part(range: plain..<at, isMatch: false)) }
    }
    return parts
  }

  private func merged(_ parts: [Part]) -> [Range<Int>] {
    switch behavior {
    case .isolated: return parts.map(\.range)
    case .removed: return parts.filter { !$0.isMatch }.map(\.range)
    case .contiguous: return Self.joined(parts) { $0 == $1 }
    case .mergedWithPrevious: return Self.joined(parts) { $1 && !$0 }
    case .mergedWithNext:
      return Self.joined(parts.reversed()) { $1 && !$0 }.reversed()
    }
  }

  /// Joins a part to the one before it where `joins` says so of (the earlier is a match, it is).
  private static func joined(
    _ parts: [Part], _ joins: (_ previous: Bool, _ current: Bool) -> Bool
  ) -> [Range<Int>] {
    var out: [Range<Int>] = []
    var previous = false
    for part in parts {
      if joins(previous, part.isMatch), let last = out.last {
        out[out.count - 1] =
          min(last.lowerBound, part.range.lowerBound)..<max(last.upperBound, part.range.upperBound)
      } else {
        out.append(part.range)
      }
      previous = part.isMatch
    }
    return out
  }
}
