import JSON

/// The `added_tokens` of a tokenizer file: texts that stand for one token wherever they occur.
struct AddedTokens: Sendable {
  struct Entry: Sendable {
    let id: Int32
    let content: String
    var isSpecial: Bool
    let stripsLeft: Bool
    let stripsRight: Bool
    let isSingleWord: Bool
    let isNormalized: Bool
  }

  enum Piece {
    case text(Range<Int>)
    case token(Int32)
  }

  /// Longest added token, in bytes.
  static let maximumBytes = 1 << 12

  let entries: [Entry]
  private let verbatim: TokenFinder
  private let normalized: TokenFinder
  private let specialIDs: Set<Int32>
  /// Normalised contents, where that changes them: what the reference decodes such a token to.
  private let shown: [Int32: String]

  /// The entries of a tokenizer file's `added_tokens`.
  /// - Throws: `invalidFile` where a field is missing or of the wrong type.
  static func entries(_ json: JSONValue?) throws(TokenizerError) -> [Entry] {
    guard let list = (json ?? []).array else {
      throw TokenizerError(.invalidFile, "tokenizer.json: added_tokens is no list")
    }
    var entries: [Entry] = []
    for item in list { entries.append(try entry(item)) }
    return entries
  }

  init(_ entries: [Entry], normalizer: Normalizer) {
    self.entries = entries
    // Special ones first, as in the reference: of two that normalise to one text the first counts.
    let special = entries.filter(\.isSpecial)
    let ordered = special + entries.filter { !$0.isSpecial }
    verbatim = TokenFinder(
      ordered.filter { !$0.isNormalized }.map { (Array($0.content.utf8), $0) })
    normalized = TokenFinder(
      ordered.filter(\.isNormalized).map { (Array(normalizer(Array($0.content.utf8)[...])), $0) })
    var shown: [Int32: String] = [:]
    for entry in entries where entry.isNormalized {
      let content = Array(entry.content.utf8)
      let changed = normalizer(content[...])
      if !changed.elementsEqual(content) {
        shown[entry.id] = String(decoding: changed, as: UTF8.self)
      }
    }
    self.shown = shown
    // The reference tells special tokens by their text, so one that is shown otherwise is not.
    specialIDs = Set(special.map(\.id)).subtracting(shown.keys)
  }

  private static func entry(_ json: JSONValue) throws(TokenizerError) -> Entry {
    guard let object = json.object, let content = object["content"]?.string,
      let id = object["id"]?.int.flatMap({ Int32(exactly: $0) }), !content.isEmpty
    else { throw TokenizerError(.invalidFile, "added_tokens: an entry without id and content") }
    try checkLength(content)
    func flag(_ name: String) throws(TokenizerError) -> Bool {
      guard let flag = object[name]?.bool else {
        throw TokenizerError(.invalidFile, "added_tokens: \(content): \(name)")
      }
      return flag
    }
    return Entry(
      id: id, content: content, isSpecial: try flag("special"), stripsLeft: try flag("lstrip"),
      stripsRight: try flag("rstrip"), isSingleWord: try flag("single_word"),
      isNormalized: try flag("normalized"))
  }

  private static func checkLength(_ content: String) throws(TokenizerError) {
    guard content.utf8.count <= maximumBytes else {
      throw TokenizerError(.limitExceeded, "added_tokens: a token above \(maximumBytes) bytes")
    }
  }

  /// Gives the file's tokens their places in the vocabulary, then the config's.
  ///
  /// The reference gives added tokens ids of its own choosing and ignores those of the files; a
  /// folder where the two differ would mean different ids there and here, so it is refused.
  /// - Throws: `invalidFile` or `unsupported` for such an id.
  static func place(
    _ entries: inout [Entry], _ additions: [TokenizerConfig.Addition], in table: inout TokenTable
  ) throws(TokenizerError) {
    var next = table.count
    var places: [CodePoints: Int] = [:]
    for (index, entry) in entries.enumerated() {
      _ = try place(entry.content, Int(entry.id), &next, &table)
      places[CodePoints(entry.content)] = index
    }
    for addition in additions where !addition.content.isEmpty {
      try checkLength(addition.content)
      let known = places[CodePoints(addition.content)]
      if addition.id == nil, known != nil { continue }
      let id = try place(addition.content, addition.id, &next, &table)
      let wasSpecial = known.map { entries[$0].isSpecial } ?? false
      let entry = Entry(
        id: id, content: addition.content, isSpecial: addition.isSpecial || wasSpecial,
        stripsLeft: addition.stripsLeft, stripsRight: addition.stripsRight,
        isSingleWord: addition.isSingleWord, isNormalized: addition.isNormalized)
      if let known {
        entries[known] = entry
      } else {
        places[CodePoints(addition.content)] = entries.count
        entries.append(entry)
      }
    }
  }

  /// The id of a token, which is put into the vocabulary if it is not there.
  private static func place(
    _ content: String, _ stated: Int?, _ next: inout Int, _ table: inout TokenTable
  ) throws(TokenizerError) -> Int32 {
    if let id = table.id(of: content) {
      guard stated == nil || stated == Int(id) else {
        throw TokenizerError(
          .invalidFile, "added token \(content): id \(stated ?? 0), in the vocabulary \(id)")
      }
      next = max(next, Int(id) + 1)
      return id
    }
    guard stated == nil || stated == next else {
      throw TokenizerError(
        .unsupported, "added token \(content): id \(stated ?? 0) where \(next) is next")
    }
    try table.insert(content, id: next)
    defer { next += 1 }
    return Int32(next)
  }

  func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

  /// The text of an id where it is not the one in the file.
  func shownToken(_ id: Int32) -> String? { shown.isEmpty ? nil : shown[id] }

  /// The pieces of a text before normalisation.
  /// - Throws: `limitExceeded` when the steps, from which those taken are subtracted, are used up.
  func split(_ text: ArraySlice<UInt8>, steps: inout Int) throws(TokenizerError) -> [Piece] {
    try verbatim.split(text, steps: &steps)
  }

  /// The pieces of a part of the text after normalisation.
  /// - Throws: as `split`.
  func splitNormalized(
    _ text: ArraySlice<UInt8>, steps: inout Int
  ) throws(TokenizerError) -> [Piece] {
    try normalized.split(text, steps: &steps)
  }
}

/// Finds a set of texts, leftmost first and longest among those, by a trie over their bytes.
private struct TokenFinder: Sendable {
  private struct Node {
    var children: [UInt8: Int] = [:]
    var entry: Int?
  }

  private let entries: [AddedTokens.Entry]
  private var nodes = [Node()]
  private var isLead = [Bool](repeating: false, count: 256)

  init(_ items: [(text: [UInt8], entry: AddedTokens.Entry)]) {
    entries = items.map(\.entry)
    for (index, item) in items.enumerated() where !item.text.isEmpty {
      isLead[Int(item.text[0])] = true
      var node = 0
      for byte in item.text {
        if let child = nodes[node].children[byte] {
          node = child
        } else {
          nodes.append(Node())
          nodes[node].children[byte] = nodes.count - 1
          node = nodes.count - 1
        }
      }
      nodes[node].entry = nodes[node].entry ?? index
    }
  }

  func split(
    _ text: ArraySlice<UInt8>, steps: inout Int
  ) throws(TokenizerError) -> [AddedTokens.Piece] {
    guard !text.isEmpty else { return [] }
    guard !entries.isEmpty else { return [.text(text.indices)] }
    var pieces: [AddedTokens.Piece] = []
    var done = text.startIndex
    var at = text.startIndex
    while at < text.endIndex, steps >= 0 {
      guard isLead[Int(text[at])], let (entry, matchEnd) = longest(text, at, &steps) else {
        at += 1
        continue
      }
      let start = at
      at = matchEnd
      var end = matchEnd
      if entry.isSingleWord, WordEdge.isInsideWord(text, start, end) { continue }
      var cut = start
      if entry.stripsLeft { cut = WordEdge.spaceStart(text, before: start, from: done) }
      // Behind a token that took this white space already, it need not be walked again.
      if entry.stripsRight { end = end < done ? done : WordEdge.spaceEnd(text, after: end) }
      if done < cut { pieces.append(.text(done..<cut)) }
      pieces.append(.token(entry.id))
      done = end
    }
    guard steps >= 0 else {
      throw TokenizerError(.limitExceeded, "the added tokens need too many steps for this text")
    }
    if done < text.endIndex { pieces.append(.text(done..<text.endIndex)) }
    return pieces
  }

  private func longest(
    _ text: ArraySlice<UInt8>, _ start: Int, _ steps: inout Int
  ) -> (AddedTokens.Entry, end: Int)? {
    var node = 0
    var at = start
    var found: (AddedTokens.Entry, end: Int)?
    while at < text.endIndex, let child = nodes[node].children[text[at]] {
      node = child
      at += 1
      steps -= 1
      if let entry = nodes[node].entry { found = (entries[entry], at) }
    }
    return found
  }
}

/// What lies beside a position of a text: word characters or white space.
private enum WordEdge {
  static func isInsideWord(_ text: ArraySlice<UInt8>, _ start: Int, _ end: Int) -> Bool {
    let before = start > text.startIndex ? scalar(text, lastBefore(text, start)) : nil
    let after = end < text.endIndex ? scalar(text, end) : nil
    return before.map(isWord) ?? false || after.map(isWord) ?? false
  }

  static func spaceStart(_ text: ArraySlice<UInt8>, before end: Int, from start: Int) -> Int {
    var at = end
    while at > start {
      let previous = lastBefore(text, at)
      guard isSpace(scalar(text, previous)) else { break }
      at = previous
    }
    return at
  }

  static func spaceEnd(_ text: ArraySlice<UInt8>, after start: Int) -> Int {
    var at = start
    while at < text.endIndex, isSpace(scalar(text, at)) { at += UTF8Text.length(text[at]) }
    return at
  }

  private static func isWord(_ scalar: UInt32) -> Bool {
    ScalarTable.contains(scalar, in: .word) || ScalarTable.extraWord.contains(scalar)
  }

  private static func isSpace(_ scalar: UInt32) -> Bool {
    ScalarTable.contains(scalar, in: .whiteSpace)
  }

  private static func lastBefore(_ text: ArraySlice<UInt8>, _ position: Int) -> Int {
    var at = position - 1
    while at > text.startIndex, text[at] & 0xC0 == 0x80 { at -= 1 }
    return at
  }

  private static func scalar(_ text: ArraySlice<UInt8>, _ position: Int) -> UInt32 {
    text.withUnsafeBufferPointer { UTF8Text.scalar($0, position - text.startIndex) }
  }
}
