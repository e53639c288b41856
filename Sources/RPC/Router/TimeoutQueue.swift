internal import HeapModule

/// Places of a table that are to be looked at when a time has come, so that nobody has to look at
/// the whole table. Whoever takes an entry checks whether its time has really come (it may have
/// been used since) and appends it again if not.
struct TimeoutQueue {
  struct Entry: Comparable {
    var due: UInt64
    var place: Int
    /// Tells what was there from what is there now.
    var generation: UInt32

    static func < (left: Self, right: Self) -> Bool { left.due < right.due }
  }

  private var entries = Heap<Entry>()

  var count: Int { entries.count }

  mutating func append(_ place: Int, generation: UInt32, due: UInt64) {
    entries.insert(Entry(due: due, place: place, generation: generation))
  }

  /// The first entry, if its time has come.
  mutating func popDue(_ now: UInt64) -> Entry? {
    guard let first = entries.min, first.due <= now else { return nil }
    return entries.popMin()
  }

  /// The first entry, whether or not its time has come.
  mutating func popFirst() -> Entry? { entries.popMin() }

  /// Forgets entries of what is gone, once they are the most.
  mutating func clean(live: Int, _ isCurrent: (Entry) -> Bool) {
    guard entries.count > 1024 + 2 * live else { return }
    entries = Heap(entries.unordered.filter(isCurrent))
  }
}

/// The deadlines of requests that wait in the router. One that does not wait any more is only
/// noticed when its time comes, or by `keep`.
struct DeadlineQueue {
  struct Entry: Comparable {
    var due: UInt64
    var key: RequestKey

    static func < (left: Self, right: Self) -> Bool { left.due < right.due }
  }

  private var entries = Heap<Entry>()

  var count: Int { entries.count }

  mutating func append(_ key: RequestKey, due: UInt64) {
    entries.insert(Entry(due: due, key: key))
  }

  /// The first entry, if its time has come.
  mutating func popDue(_ now: UInt64) -> Entry? {
    guard let first = entries.min, first.due <= now else { return nil }
    return entries.popMin()
  }

  /// Forgets what `isWaiting` says no to.
  mutating func keep(_ isWaiting: (Entry) -> Bool) {
    entries = Heap(entries.unordered.filter(isWaiting))
  }
}

/// A request by its place in the stream table.
struct RequestKey: Hashable {
  var stream: Int32
  /// Tells a stream from a later one in the same place.
  var generation: UInt32
  var seq: UInt64
}
