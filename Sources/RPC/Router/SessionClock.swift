internal import DequeModule

/// One tenant's sessions, in the order in which they are looked at when one of them has to be
/// forgotten to make room: a clock with a second chance for those that were used meanwhile.
struct SessionClock {
  struct Entry {
    var place: Int32
    var generation: UInt32
    /// Its last use when it was put here.
    var seen: UInt64
  }

  private(set) var entries = Deque<Entry>()

  mutating func append(_ place: Int, generation: UInt32, seen: UInt64) {
    entries.append(Entry(place: Int32(place), generation: generation, seen: seen))
  }

  mutating func popFirst() -> Entry? { entries.popFirst() }

  /// Forgets entries of sessions that are gone, once they are the most.
  mutating func clean(sessions: Int, _ isCurrent: (Entry) -> Bool) {
    guard entries.count > 64 + 2 * sessions else { return }
    entries.removeAll { !isCurrent($0) }
  }
}
