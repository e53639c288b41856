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
}

/// A request with a deadline that waits in the router.
struct Deadline: Comparable {
  var due: UInt64
  var key: RequestKey

  static func < (left: Self, right: Self) -> Bool { left.due < right.due }
}

/// A request by its place in the stream table.
struct RequestKey: Hashable {
  var stream: Int32
  /// Tells a stream from a later one in the same place.
  var generation: UInt32
  var seq: UInt64
}
