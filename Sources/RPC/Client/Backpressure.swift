internal import Synchronization

/// Counts the encoded bytes that a channel holds, and lets submitters wait until there is room.
final class Backpressure: Sendable {
  private let limit: Int
  private let bytes = Atomic(0)
  private let waiters = Mutex<[CheckedContinuation<Void, Never>]>([])

  init(limit: Int) { self.limit = limit }

  var hasRoom: Bool { bytes.load(ordering: .relaxed) < limit }

  func add(_ count: Int) { bytes.add(count, ordering: .sequentiallyConsistent) }

  func remove(_ count: Int) {
    bytes.subtract(count, ordering: .sequentiallyConsistent)
    guard hasRoom else { return }
    wakeAll()
  }

  /// Wakes everybody, also when there is no room (the channel ends).
  func wakeAll() {
    let woken = waiters.withLock { waiters in
      defer { waiters = [] }
      return waiters
    }
    for waiter in woken { waiter.resume() }
  }

  /// Suspends while the limit is exceeded.
  func ready() async {
    guard !hasRoom else { return }
    await withCheckedContinuation { continuation in
      let isReady = waiters.withLock { waiters in
        // Room that came between the two looks would find nobody to wake.
        if hasRoom { return true }
        waiters.append(continuation)
        return false
      }
      if isReady { continuation.resume() }
    }
  }
}
