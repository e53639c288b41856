internal import Synchronization

/// Keeps the order of calls while one of them still has requests to come.
///
/// `forwardBackwardCustom` sends a forward pass, runs the user's loss, and then sends the backward
/// pass. Calls made meanwhile wait here, so that they run behind it as they were made.
final class SubmissionQueue: Sendable {
  /// What a step does after it sent its requests.
  enum After {
    /// The next call may follow.
    case next
    /// Later calls wait until `release`.
    case hold
  }

  private struct State {
    var isHeld = false
    var waiting: [@Sendable () -> After] = []
  }

  private let state = Mutex(State())

  /// Runs `step` now, or behind the calls that wait. It sends requests and must not call back.
  func submit(_ step: @escaping @Sendable () -> After) {
    state.withLock { state in
      if state.isHeld {
        state.waiting.append(step)
      } else {
        state.isHeld = step() == .hold
      }
    }
  }

  /// Sends the last requests of the call that holds the queue, then those of the calls that wait.
  func release(_ last: () -> Void) {
    state.withLock { state in
      last()
      state.isHeld = false
      var done = 0
      while done < state.waiting.count, !state.isHeld {
        state.isHeld = state.waiting[done]() == .hold
        done += 1
      }
      state.waiting.removeFirst(done)
    }
  }
}
