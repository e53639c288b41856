internal import DequeModule

/// Requests that wait for room at one worker, of one class.
///
/// One first-in-first-out queue per tenant, served in the order of the tenants' counters. All
/// sessions belong to the one default tenant, whose queue is therefore the whole queue.
struct FairQueue {
  /// A request by its place in the stream table.
  struct Item: Equatable {
    var stream: Int
    /// Tells a stream from a later one in the same place.
    var generation: UInt32
    var seq: UInt64
  }

  private var items = Deque<Item>()

  var isEmpty: Bool { items.isEmpty }
  var count: Int { items.count }

  /// The request that is served next.
  var first: Item? { items.first }

  mutating func append(_ item: Item) { items.append(item) }

  mutating func removeFirst() { items.removeFirst() }
}
