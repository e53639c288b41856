internal import Synchronization

/// The answer to a call that was made: a future.
///
/// Every call of the clients returns at once with one of these. The order of calls on a client is
/// the order in which the service runs them, however and whenever the answers are awaited; so a
/// training loop submits the next step before it awaits the last one.
///
/// ```swift
/// let pass = training.forwardBackward(batch, loss: .crossEntropy)
/// let step = training.optimStep(AdamParams(learningRate: 1e-3))
/// print(try await pass.value().loss, try await step.value().metrics)
/// ```
public final class Pending<Value: Sendable>: Sendable {
  package typealias Outcome = Result<Value, TinsmithError>

  private struct State {
    var outcome: Outcome?
    var nextWaiter = 0
    var waiters: [Int: @Sendable (Outcome) -> Void] = [:]
    var isCancelled = false
    var onCancel: (@Sendable () -> Void)?
  }

  private let state = Mutex(State())

  /// A future that somebody resolves later.
  package init() {}

  /// A future whose value is what `body` returns. The task starts at once.
  convenience init(_ body: @escaping @Sendable () async throws -> Value) {
    self.init()
    let task = Task { [self] in
      do {
        resolve(.success(try await body()))
      } catch {
        resolve(.failure(TinsmithError(wrapping: error)))
      }
    }
    whenCancelled { task.cancel() }
  }

  /// The answer to a request, read by `read`, which runs on the task pool and not on the
  /// connection's thread. Cancelling it asks the service to give up the request.
  convenience init<Source: Sendable>(
    from source: Pending<Source>, _ read: @escaping @Sendable (Source) throws -> Value
  ) {
    self.init { try read(try await source.value()) }
    whenCancelled { source.cancel() }
  }

  /// A call that failed before it was sent.
  convenience init(failed error: TinsmithError) {
    self.init()
    resolve(.failure(error))
  }

  /// Waits for the answer. May be called any number of times, from any task.
  ///
  /// Cancelling the task that waits ends the waiting, not the call: its place in the order is
  /// taken. `cancel()` gives up the call itself.
  ///
  /// - Throws: `TinsmithError`: what the service answered, or why it could not be asked.
  public func value() async throws(TinsmithError) -> Value {
    let id = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    let outcome: Outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        // The handler below may have run before: then nothing would remove this waiter again.
        add(id, isCancelled: Task.isCancelled) { continuation.resume(returning: $0) }
      }
    } onCancel: {
      remove(id)?(Self.waitCancelled)
    }
    return try outcome.get()
  }

  /// Whether the answer is there.
  public var isFinished: Bool { state.withLock { $0.outcome != nil } }

  /// Whether it ended with an error.
  var hasFailed: Bool {
    state.withLock { state in
      if case .failure? = state.outcome { true } else { false }
    }
  }

  /// Asks the service to give up the call. One that has begun may still finish; the answer then
  /// stands. A cancelled `forwardBackward` makes the next `optimStep` fail, as a failed one does.
  public func cancel() {
    let action = state.withLock { state in
      guard state.outcome == nil else { return nil as (@Sendable () -> Void)? }
      state.isCancelled = true
      defer { state.onCancel = nil }
      return state.onCancel
    }
    action?()
  }

  /// Sets the outcome; only the first one counts.
  package func resolve(_ outcome: Outcome) {
    let waiters = state.withLock { state in
      guard state.outcome == nil else { return [:] as [Int: @Sendable (Outcome) -> Void] }
      state.outcome = outcome
      state.onCancel = nil
      defer { state.waiters = [:] }
      return state.waiters
    }
    for waiter in waiters.values { waiter(outcome) }
  }

  /// What to do if the call is cancelled while it is out.
  package func whenCancelled(_ action: @escaping @Sendable () -> Void) {
    let isLate = state.withLock { state in
      if state.isCancelled { return true }
      if state.outcome == nil { state.onCancel = action }
      return false
    }
    if isLate { action() }
  }

  /// Passes the outcome on to another future, and its cancelling back to this one.
  func forward(to other: Pending<Value>) {
    let id = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    add(id, isCancelled: false) { other.resolve($0) }
    other.whenCancelled { self.cancel() }
  }

  private static var waitCancelled: Outcome {
    .failure(TinsmithError(.cancelled, "the task that waited was cancelled"))
  }

  private func add(
    _ id: Int, isCancelled: Bool, _ waiter: @escaping @Sendable (Outcome) -> Void
  ) {
    let ready: Outcome? = state.withLock { state in
      if let outcome = state.outcome { return outcome }
      if isCancelled { return Self.waitCancelled }
      state.waiters[id] = waiter
      return nil
    }
    if let ready { waiter(ready) }
  }

  private func remove(_ id: Int) -> (@Sendable (Outcome) -> Void)? {
    state.withLock { $0.waiters.removeValue(forKey: id) }
  }
}
