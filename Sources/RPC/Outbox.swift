package import DequeModule
internal import Synchronization
internal import ZeroMQ

/// A queue into a poll loop: any thread appends, the loop takes everything at once.
///
/// The loop is woken only when it sleeps. The order of steps makes that safe: the loop says that
/// it will sleep, then looks at the queue once more; a writer appends, then looks whether the loop
/// said so. Whichever comes second sees the other.
package final class Outbox<Element: Sendable>: Sendable {
  private struct State {
    var queue = Deque<Element>()
    /// Set when the loop has ended: takes what is appended after that.
    var onClosed: (@Sendable (Element) -> Void)?
  }

  private let state = Mutex(State())
  private let isSleeping = Atomic(false)
  private let wakeup: Wakeup

  init() throws(ZMQError) { wakeup = try Wakeup() }

  /// What the loop polls.
  var descriptor: Int32 { wakeup.descriptor }

  /// Appends, waking the loop if it sleeps.
  package func push(_ element: Element) { withQueue { $0.append(element) } }

  /// Runs `body` with the queue locked, so that what it decides and what it appends are one step.
  package func withQueue<Result: Sendable>(_ body: (inout Deque<Element>) -> Result) -> Result {
    let (result, late, onClosed) = state.withLock { state in
      let result = body(&state.queue)
      guard let onClosed = state.onClosed else { return (result, Deque<Element>(), state.onClosed) }
      defer { state.queue = [] }
      return (result, state.queue, onClosed)
    }
    if let onClosed {
      for element in late { onClosed(element) }
    } else {
      wakeIfSleeping()
    }
    return result
  }

  /// Wakes the loop if it sleeps, for instance to look at a flag.
  package func wakeIfSleeping() {
    if isSleeping.exchange(false, ordering: .sequentiallyConsistent) { wakeup.signal() }
  }

  // MARK: For the loop only

  /// Everything so far, in order, in exchange for a queue whose memory is used again.
  /// - Parameter list: emptied first.
  func take(into list: inout Deque<Element>) {
    list.removeAll(keepingCapacity: true)
    state.withLock { state in if !state.queue.isEmpty { swap(&list, &state.queue) } }
  }

  /// The loop wants to sleep.
  /// - Returns: false when there is something to take first.
  func prepareToSleep() -> Bool {
    isSleeping.store(true, ordering: .sequentiallyConsistent)
    if state.withLock({ $0.queue.isEmpty }) { return true }
    isSleeping.store(false, ordering: .sequentiallyConsistent)
    return false
  }

  /// The loop has slept.
  /// - Parameter signalled: the poll found the descriptor ready; else there is nothing to take
  ///   back, and a signal that comes only now makes the next poll return.
  func wokeUp(signalled: Bool) {
    isSleeping.store(false, ordering: .sequentiallyConsistent)
    if signalled { wakeup.drain() }
  }

  /// The loop ends: `body` takes what is queued and whatever is appended later.
  func close(_ body: @escaping @Sendable (Element) -> Void) {
    let rest = state.withLock { state in
      state.onClosed = body
      defer { state.queue = [] }
      return state.queue
    }
    for element in rest { body(element) }
  }
}
