import Foundation
import Synchronization

/// The thread that owns the engine: everything that computes runs here, so that no task and no
/// socket ever waits for it, and engine objects need no locks.
final class ComputeThread: Sendable {
  typealias Job = @Sendable (Worker) -> Void

  private struct State {
    var jobs: [Job] = []
    var isStopping = false
  }

  private let state = Mutex(State())
  private let signal = DispatchSemaphore(value: 0)

  /// Starts the thread; `makeWorker` runs on it.
  ///
  /// - Throws: what `makeWorker` throws; the thread has ended then.
  func start(_ makeWorker: @escaping @Sendable () throws -> Worker) async throws {
    try await withCheckedThrowingContinuation { (ready: CheckedContinuation<Void, any Error>) in
      let thread = Thread { [self] in
        do {
          let worker = try makeWorker()
          ready.resume()
          run(worker)
        } catch {
          ready.resume(throwing: error)
        }
      }
      thread.name = "compute"
      thread.stackSize = 16 << 20
      thread.start()
    }
  }

  /// Hands something to the thread; it runs before the next piece of computing, in order.
  func submit(_ job: @escaping Job) {
    state.withLock { $0.jobs.append(job) }
    signal.signal()
  }

  /// Runs something on the thread and waits for its end.
  func perform(_ job: @escaping Job) async {
    await withCheckedContinuation { done in
      submit { worker in
        job(worker)
        done.resume()
      }
    }
  }

  /// Ends the thread after the piece that is running.
  func stop() {
    state.withLock { $0.isStopping = true }
    signal.signal()
  }

  /// Everything that was handed over, then one piece of computing; sleeps when there is nothing.
  private func run(_ worker: Worker) {
    while true {
      let (jobs, isStopping) = state.withLock { state in
        defer { state.jobs = [] }
        return (state.jobs, state.isStopping)
      }
      if isStopping { return }
      for job in jobs { job(worker) }
      if worker.step() || !jobs.isEmpty { continue }
      worker.rest()
      signal.wait()
      worker.wake()
    }
  }
}
