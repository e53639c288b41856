internal import Synchronization

/// Counts the encoded bytes that a channel holds, and lets submitters wait until there is room.
final class Backpressure: Sendable {
  private let limit: Int
  private let bytes = Atomic(0)
  private let waiters = Mutex<[CheckedContinuation<Void, Never>]>([])
  /// The number of waiters: most of the time nobody waits, and each answer asks.
  private let waiting = Atomic(0)

  init(limit: Int) { self.limit = limit }

  var hasRoom: Bool { bytes.load(ordering: .sequentiallyConsistent) < limit }

  func add(_ count: Int) { bytes.add(count, ordering: .sequentiallyConsistent) }

  func remove(_ count: Int) {
    bytes.subtract(count, ordering: .sequentiallyConsistent)
    // A waiter counts itself and then looks for room: one of the two sees the other.
    guard waiting.load(ordering: .sequentiallyConsistent) > 0, hasRoom else { return }
    wakeAll()
  }

  /// Wakes everybody, also when there is no room (the channel ends).
  func wakeAll() {
    let woken = waiters.withLock { waiters in
      defer { waiters = [] }
      waiting.store(0, ordering: .sequentiallyConsistent)
      return waiters
    }
    for waiter in woken { waiter.resume() }
  }

  /// Suspends while the limit is exceeded.
  func ready() async {
    guard !hasRoom else { return }
    await withCheckedContinuation { continuation in
      let isReady = waiters.withLock { waiters in
        waiting.add(1, ordering: .sequentiallyConsistent)
        // Room that came between the two looks would find nobody to wake.
        if hasRoom {
          waiting.subtract(1, ordering: .sequentiallyConsistent)
          return true
        }
        waiters.append(continuation)
        return false
      }
      if isReady { continuation.resume() }
    }
  }
}
