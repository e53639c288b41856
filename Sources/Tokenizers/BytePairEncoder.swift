import JSON

/// Byte-pair encoding of one word: joins neighbours in the order of the merges' ranks.
///
/// A heap keeps the candidate merges, so that a word of n bytes takes O(n log n).
struct BytePairEncoder: Sendable {
  private struct Merge {
    let rank: Int32
    let joined: Int32
  }

  private let merges: [UInt64: Merge]
  /// Token id of each byte's symbol; -1 for bytes that have none: those that UTF-8 never has, and those
  /// that the text did not have from which the vocabulary was made. The reference passes over them.
  private let byteSymbols: [Int32]
  private let ignoresMerges: Bool

  /// - Throws: `unsupported` for options that change the result, `invalidFile` for merges that the
  ///   vocabulary lacks.
  init(_ model: JSONObject, vocabulary: TokenTable) throws(TokenizerError) {
    try Self.checkOptions(model)
    ignoresMerges = model["ignore_merges"]?.bool ?? false
    byteSymbols = ByteAlphabet.scalars.map { vocabulary.id(of: String($0)) ?? -1 }
    try Self.checkMissing(byteSymbols, model)
    guard let list = model["merges"]?.array else {
      throw TokenizerError(.invalidFile, "model: no merges")
    }
    var merges: [UInt64: Merge] = [:]
    merges.reserveCapacity(list.count)
    for (rank, item) in list.enumerated() {
      let (left, right) = try Self.pair(item)
      guard let leftID = vocabulary.id(of: left), let rightID = vocabulary.id(of: right),
        let joined = vocabulary.id(of: left + right)
      else {
        throw TokenizerError(
          .invalidFile, "model: merge \(rank), \(left) \(right), is not in the vocabulary")
      }
      merges[Self.key(leftID, rightID)] = Merge(rank: Int32(rank), joined: joined)
    }
    self.merges = merges
  }

  private static func checkOptions(_ model: JSONObject) throws(TokenizerError) {
    let texts = ["unk_token", "continuing_subword_prefix", "end_of_word_suffix"]
    let flags = ["fuse_unk", "byte_fallback", "ignore_merges"]
    for (names, isGood) in [
      (texts, { (value: JSONValue) in value.string != nil }), (flags, { $0.bool != nil }),
    ] {
      for name in names {
        guard let value = model[name], !value.isNull, !isGood(value) else { continue }
        throw TokenizerError(.invalidFile, "model: \(name) is \(value.text.prefix(80))")
      }
    }
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let text = model[name]?.string, !text.isEmpty {
        throw TokenizerError(.unsupported, "model: \(name)")
      }
    }
    if let dropout = model["dropout"], !dropout.isNull {
      switch dropout {
      case .int(0), .double(0): break
      default: throw TokenizerError(.unsupported, "model: dropout")
      }
    }
  }

  /// What has no symbol may have another token in its place: not here. Once every byte has its symbol
  /// these options have no effect.
  private static func checkMissing(
    _ byteSymbols: [Int32], _ model: JSONObject
  ) throws(TokenizerError) {
    let missing = byteSymbols.indices.first { byte in
      byteSymbols[byte] < 0 && byte != 0xC0 && byte != 0xC1 && byte <= 0xF4
    }
    guard let missing else { return }
    for (name, isOn) in [
      ("unk_token", model["unk_token"]?.string != nil),
      ("byte_fallback", model["byte_fallback"]?.bool ?? false),
    ] where isOn {
      throw TokenizerError(
        .unsupported, "model: \(name) for byte \(missing), whose symbol the vocabulary lacks")
    }
  }

  private static func pair(_ item: JSONValue) throws(TokenizerError) -> (String, String) {
    if let parts = item.array, parts.count == 2, let left = parts[0].string,
      let right = parts[1].string
    {
      return (left, right)
    }
    if let text = item.string {
      let parts = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
      if parts.count == 2 { return (String(Substring(parts[0])), String(Substring(parts[1]))) }
    }
    throw TokenizerError(.invalidFile, "model: a merge that is not a pair")
  }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  // MARK: Encoding

  /// Memory that calls of `encode` share.
  struct Workspace {
    fileprivate var symbols: [Symbol] = []
    fileprivate var queue = MinimumHeap()
    fileprivate var spelled: [UInt8] = []

    init() {}
  }

  fileprivate struct Symbol {
    var id: Int32
    var previous: Int32
    var next: Int32
    var isGone: Bool
  }

  /// Appends the tokens of `word`, UTF-8 without the byte alphabet's spelling.
  func encode(
    _ word: UnsafeBufferPointer<UInt8>, _ vocabulary: TokenTable, _ work: inout Workspace,
    into out: inout [Int32]
  ) {
    if word.count == 1 {
      let id = byteSymbols[Int(word[0])]
      if id >= 0 { out.append(id) }
      return
    }
    if ignoresMerges {
      work.spelled.removeAll(keepingCapacity: true)
      for byte in word { work.spelled += ByteAlphabet.utf8[Int(byte)] }
      if let id = work.spelled.withUnsafeBufferPointer({ vocabulary.id(of: $0) }) {
        out.append(id)
        return
      }
    }
    fill(word, &work)
    while let top = work.queue.popMinimum() { join(top, &work) }
    var at: Int32 = work.symbols.isEmpty ? -1 : 0
    while at >= 0 {
      out.append(work.symbols[Int(at)].id)
      at = work.symbols[Int(at)].next
    }
  }

  private func fill(_ word: UnsafeBufferPointer<UInt8>, _ work: inout Workspace) {
    work.symbols.removeAll(keepingCapacity: true)
    for byte in word where byteSymbols[Int(byte)] >= 0 {
      let at = Int32(work.symbols.count)
      work.symbols.append(
        Symbol(id: byteSymbols[Int(byte)], previous: at - 1, next: at + 1, isGone: false))
    }
    guard let last = work.symbols.indices.last else { return }
    work.symbols[last].next = -1
    for index in 0..<last { propose(Int32(index), &work) }
  }

  private func propose(_ at: Int32, _ work: inout Workspace) {
    let symbol = work.symbols[Int(at)]
    guard symbol.next >= 0,
      let merge = merges[Self.key(symbol.id, work.symbols[Int(symbol.next)].id)]
    else { return }
    work.queue.push(
      MinimumHeap.Candidate(rank: merge.rank, position: at, joined: merge.joined))
  }

  /// Does a candidate merge, unless its symbols have changed since it was proposed.
  private func join(_ candidate: MinimumHeap.Candidate, _ work: inout Workspace) {
    let at = candidate.position
    let left = work.symbols[Int(at)]
    guard !left.isGone, left.next >= 0 else { return }
    let right = work.symbols[Int(left.next)]
    guard merges[Self.key(left.id, right.id)]?.joined == candidate.joined else { return }
    work.symbols[Int(left.next)].isGone = true
    work.symbols[Int(at)].id = candidate.joined
    work.symbols[Int(at)].next = right.next
    if right.next >= 0 { work.symbols[Int(right.next)].previous = at }
    if left.previous >= 0 { propose(left.previous, &work) }
    propose(at, &work)
  }
}

/// A binary heap of candidate merges: lowest rank first, then leftmost.
private struct MinimumHeap {
  struct Candidate {
    let rank: Int32
    let position: Int32
    let joined: Int32

    var order: UInt64 {
      UInt64(UInt32(bitPattern: rank)) << 32 | UInt64(UInt32(bitPattern: position))
    }
  }

  private var items: [Candidate] = []

  mutating func push(_ item: Candidate) {
    var at = items.count
    items.append(item)
    while at > 0 {
      let parent = (at - 1) / 2
      guard item.order < items[parent].order else { break }
      items[at] = items[parent]
      at = parent
    }
    items[at] = item
  }

  mutating func popMinimum() -> Candidate? {
    guard let first = items.first, let last = items.popLast() else { return nil }
    guard !items.isEmpty else { return first }
    var at = 0
    while true {
      var child = 2 * at + 1
      guard child < items.count else { break }
      if child + 1 < items.count, items[child + 1].order < items[child].order { child += 1 }
      guard items[child].order < last.order else { break }
      items[at] = items[child]
      at = child
    }
    items[at] = last
    return first
  }
}
