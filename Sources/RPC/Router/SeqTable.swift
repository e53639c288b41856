internal import DequeModule

/// Values by seq, sorted. Seqs come and go mostly in their order, so both ends are reached at once;
/// elsewhere it is a binary search and a move of at most a window's entries. For the few entries
/// of most streams that is less than a hash table costs, in time and in memory.
struct SeqTable<Value: Sendable>: Sendable {
  struct Entry: Sendable {
    let seq: UInt64
    var value: Value
  }

  private(set) var entries = Deque<Entry>()

  var isEmpty: Bool { entries.isEmpty }
  var count: Int { entries.count }
  /// All seqs, ascending.
  var seqs: [UInt64] { entries.map(\.seq) }
  /// The highest seq.
  var last: UInt64? { entries.last?.seq }

  subscript(seq: UInt64) -> Value? {
    guard let place = place(of: seq) else { return nil }
    return entries[place].value
  }

  func contains(_ seq: UInt64) -> Bool { place(of: seq) != nil }

  /// Adds a value, or replaces that of the seq.
  mutating func insert(_ value: Value, _ seq: UInt64) {
    let place = lowerBound(seq)
    if place < entries.count, entries[place].seq == seq {
      entries[place].value = value
    } else {
      entries.insert(Entry(seq: seq, value: value), at: place)
    }
  }

  mutating func remove(_ seq: UInt64) -> Value? {
    guard let place = place(of: seq) else { return nil }
    return entries.remove(at: place).value
  }

  mutating func removeAll() { entries.removeAll() }

  /// Removes what `isWanted` says no to.
  mutating func keep(_ isWanted: (Value) -> Bool) { entries.removeAll { !isWanted($0.value) } }

  /// Works on a value in place.
  /// - Returns: what `body` returns; nil if there is no such seq.
  @discardableResult
  mutating func update<Result>(_ seq: UInt64, _ body: (inout Value) -> Result) -> Result? {
    guard let place = place(of: seq) else { return nil }
    return body(&entries[place].value)
  }

  /// Looks at a value without copying it.
  func read<Result>(_ seq: UInt64, _ body: (borrowing Value) -> Result) -> Result? {
    guard let place = place(of: seq) else { return nil }
    return body(entries[place].value)
  }

  private func place(of seq: UInt64) -> Int? {
    let place = lowerBound(seq)
    return place < entries.count && entries[place].seq == seq ? place : nil
  }

  /// The first place whose seq is not lower.
  private func lowerBound(_ seq: UInt64) -> Int {
    let count = entries.count
    guard count > 0, entries[count - 1].seq >= seq else { return count }
    var (low, high) = (0, count - 1)
    if entries[0].seq >= seq { return 0 }
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].seq < seq { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
