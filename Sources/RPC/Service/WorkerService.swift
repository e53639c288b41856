internal import Logging
internal import Synchronization
package import Wire
package import ZeroMQ

/// How a worker presents itself and what it is asked.
package struct WorkerConfiguration: Sendable {
  /// The router's endpoint for workers.
  package var endpoint: String
  /// Unique in the installation; a restarted worker keeps its name.
  package var name: String
  /// Workers with the same values give the same bits.
  package var numericsVersion = ""
  package var precision = ""
  /// What this worker can take at once.
  package var room = WorkerRoom()
  /// The keeper answers Sessions and Admin.
  package var isKeeper = false
  /// How often the router hears of this worker.
  package var heartbeatMilliseconds: UInt64 = 1000
  /// Numbers for `Admin.Stats`, asked for on the loop thread at every heartbeat, so it must not
  /// wait; at most `Limits.maxWorkerStatistics` names of letters, digits and underscores. Counters
  /// that only grow end in `_total` or `_seconds`; `memory_bytes` and `memory_limit_bytes` guide placement.
  package var statistics: @Sendable () -> [String: Double] = { [:] }
  /// After so long without a word from the router the connection is made anew.
  package var routerTimeoutMilliseconds: UInt64 = 5000
  /// Base models that it was to serve and cannot, with the reasons; asked for when it registers.
  package var refusedModels: @Sendable () -> [String: String] = { [:] }
  /// What streams are recorded in; nil where they end with the process.
  package var journal: (any StreamJournal)?
  /// Called on the loop thread when a request is recorded as refused without having reached its
  /// handler (the router's permanent refusals).
  package var requestRefused: @Sendable (_ stream: String, _ method: Method) -> Void = { _, _ in }
  /// Called on the loop thread when a stream is somebody else's or ended.
  package var closeStream: @Sendable (_ stream: String) -> Void = { _ in }
  /// Called on the loop thread when a session ended: its streams are not needed any more.
  package var sessionEnded: @Sendable (_ session: String) -> Void = { _ in }

  package init(endpoint: String, name: String) {
    self.endpoint = endpoint
    self.name = name
  }
}

/// Counts finished pieces of compute work. It travels in heartbeats, so that an I/O thread that
/// answers cannot hide a compute thread that hangs.
package final class ProgressCounter: Sendable {
  private let count = Atomic<UInt64>(0)

  package init() {}

  /// One more piece is done. From any thread.
  package func advance() { count.wrappingAdd(1, ordering: .relaxed) }

  package var value: UInt64 { count.load(ordering: .relaxed) }
}

/// A worker's receive/dispatch/reply loop on a thread of its own.
///
/// The same object serves as a thread beside the router (`inproc://`) or alone in a process.
package final class WorkerService: Sendable {
  /// What the compute threads advance.
  package let progress = ProgressCounter()

  private let thread: LoopThread
  private let control: ServiceControl

  /// - Parameters:
  ///   - methods: everything this worker answers; other methods get UNIMPLEMENTED.
  ///   - context: must be the router's when the endpoint is `inproc://`.
  package init(
    _ configuration: WorkerConfiguration, methods: MethodTable, context: Context
  ) throws {
    let control = try ServiceControl()
    let progress = progress
    self.control = control
    thread = LoopThread(name: "rpc-\(configuration.name)") {
      let loop = try ServiceLoop(
        configuration, methods: methods, context: context, control: control, progress: progress)
      try loop.run()
    }
  }

  /// Serves until `stop` or the task's cancellation.
  package func run() async throws { try await thread.run(stop: stop) }

  /// Starts serving and returns; `run` or `wait` tells of its end.
  package func start() throws { try thread.start() }

  /// Asks the loop to end: it says goodbye to the router and drops what it has not answered.
  package func stop() { control.stop() }

  /// Waits for the end of a service that was started.
  package func wait() async throws { try await thread.wait() }

  /// Tells the router that a stream is no longer owned here. From any thread.
  /// - Parameters:
  ///   - epoch: of the opening that ended; nil for whichever there is.
  ///   - error: why it cannot be, for its clients; nil if it ended on purpose.
  package func close(stream: String, epoch: UInt64? = nil, _ error: RPCError? = nil) {
    control.outbox.push(.closed(stream, epoch: epoch, error))
  }

  /// Tells the router (if this is the keeper) that a session ended. From any thread.
  package func end(session: String) { control.outbox.push(.sessionEnded(session)) }
}

/// What other threads may touch of a service loop.
final class ServiceControl: Sendable {
  enum Event: Sendable {
    case finished(Call)
    indirect case reply(ReplyEvent)
    /// The outcome of a request whose handler gave none.
    case settled(ReplyEvent.Key, Outcome)
    case opened(String, epoch: UInt64, OpenedLog)
    indirect case closed(String, epoch: UInt64?, RPCError?)
    case sessionEnded(String)
  }

  let outbox: Outbox<Event>
  private let isStopping = Atomic(false)

  init() throws(ZMQError) { outbox = try Outbox() }

  var shouldStop: Bool { isStopping.load(ordering: .acquiring) }

  func stop() {
    isStopping.store(true, ordering: .releasing)
    // The flag is no element of the queue, so the loop may just be past its look at it: it
    // sleeps at most one heartbeat, and usually this wakes it.
    outbox.wakeIfSleeping()
  }
}
