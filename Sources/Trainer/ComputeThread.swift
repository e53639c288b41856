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

  /// Appends a job; jobs run in order.
  func submit(_ job: @escaping Job) {
    state.withLock { $0.jobs.append(job) }
    signal.signal()
  }

  /// Ends the thread after the job that is running.
  func stop() {
    state.withLock { $0.isStopping = true }
    signal.signal()
  }

  /// Alternates: one job, then one step of decoding, so neither waits long for the other.
  private func run(_ worker: Worker) {
    var taken: ArraySlice<Job> = []
    while true {
      if taken.isEmpty {
        let (jobs, isStopping) = state.withLock { state in
          defer { state.jobs = [] }
          return (state.jobs, state.isStopping)
        }
        if isStopping { return }
        taken = jobs[...]
      }
      if let job = taken.popFirst() { job(worker) }
      worker.decodeStep()
      if taken.isEmpty, worker.isIdle { signal.wait() }
    }
  }
}
