internal import Glibc
internal import Synchronization
internal import Wire

/// A named thread that runs one loop. Poll loops block, so they never run on the task pool.
package final class LoopThread: Sendable {
  private struct State {
    var result: Result<Void, any Error>?
    var waiters: [CheckedContinuation<Void, any Error>] = []
    var isStarted = false
  }

  private let name: String
  private let body: @Sendable () throws -> Void
  private let state = Mutex(State())

  /// - Parameter name: shown by debuggers; the system cuts it at 15 bytes.
  package init(name: String, body: @escaping @Sendable () throws -> Void) {
    self.name = name
    self.body = body
  }

  /// Starts the thread, once; later calls do nothing.
  /// - Throws: `RPCError` if the system gives no thread.
  package func start() throws {
    let isFirst = state.withLock { state in
      defer { state.isStarted = true }
      return !state.isStarted
    }
    guard isFirst else { return }
    var thread = pthread_t()
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    // The thread holds the object until it ends.
    let context = Unmanaged.passRetained(self)
    let code = pthread_create(
      &thread, &attributes,
      { context in
        if let context { Unmanaged<LoopThread>.fromOpaque(context).takeRetainedValue().main() }
        return nil
      }, context.toOpaque())
    guard code == 0 else {
      context.release()
      let error = RPCError(.internal, "no thread: error \(code)")
      finish(.failure(error))
      throw error
    }
  }

  /// Waits until the loop ended, and throws what it threw.
  package func wait() async throws {
    try await withCheckedThrowingContinuation { continuation in
      let result = state.withLock { state in
        if state.result == nil { state.waiters.append(continuation) }
        return state.result
      }
      if let result { continuation.resume(with: result) }
    }
  }

  /// Starts the thread, waits for its end, and asks it to stop when the task is cancelled.
  package func run(stop: @escaping @Sendable () -> Void) async throws {
    try start()
    try await withTaskCancellationHandler {
      try await wait()
    } onCancel: {
      stop()
    }
  }

  private func main() {
    nameThread()
    finish(Result { try body() })
  }

  /// The kernel takes a thread's name from this file; where there is none it stays unnamed.
  private func nameThread() {
    let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { return }
    let text = Array(name.utf8.prefix(15))
    _ = write(file, text, text.count)
    close(file)
  }

  private func finish(_ result: Result<Void, any Error>) {
    let waiters = state.withLock { state in
      state.result = result
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume(with: result) }
  }
}
