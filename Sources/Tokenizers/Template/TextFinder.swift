/// Finds one text in others in time linear in both, whatever they are (Knuth, Morris, Pratt).
struct TextFinder {
  let part: [UInt8]
  /// For each length of a part found so far, the longest shorter one that it also ends with.
  private var borders: [Int32] = []

  /// - Throws: `limitExceeded`.
  init(_ part: String, _ budget: TemplateBudget) throws(TokenizerError) {
    try self.init(bytes: part.utf8, budget)
  }

  init(bytes: some Collection<UInt8>, _ budget: TemplateBudget) throws(TokenizerError) {
    try budget.scan(bytes.count)
    try budget.allocate(bytes: 5 * bytes.count)
    part = Array(bytes)
    guard part.count > 1 else { return }
    borders = [Int32](repeating: 0, count: part.count)
    var length = 0
    for at in 1..<part.count {
      while length > 0, part[at] != part[length] { length = Int(borders[length - 1]) }
      if part[at] == part[length] { length += 1 }
      borders[at] = Int32(length)
    }
  }

  /// Where the part first stands in `text`.
  func first(in text: [UInt8], _ budget: TemplateBudget) throws(TokenizerError) -> Int? {
    try budget.scan(text.count)
    return search(text, from: 0)
  }

  /// Where it stands from left to right without overlap, at most `limit` times.
  func all(
    in text: [UInt8], limit: Int = .max, _ budget: TemplateBudget
  ) throws(TokenizerError) -> [Int] {
    try budget.scan(text.count)
    var found: [Int] = []
    var start = 0
    while found.count < limit, let at = search(text, from: start) {
      try budget.allocate(bytes: MemoryLayout<Int>.stride)
      try budget.charge()
      found.append(at)
      start = at + max(part.count, 1)
    }
    return found
  }

  private func search(_ text: [UInt8], from start: Int) -> Int? {
    guard part.count > 1 else {
      guard let byte = part.first else { return start <= text.count ? start : nil }
      return text[min(start, text.count)...].firstIndex(of: byte)
    }
    var length = 0
    for at in start..<max(start, text.count) {
      while length > 0, text[at] != part[length] { length = Int(borders[length - 1]) }
      if text[at] == part[length] { length += 1 }
      if length == part.count { return at + 1 - length }
    }
    return nil
  }
}
