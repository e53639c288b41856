/// What a supervisor knows of its children, a router and workers, and decides about them. It has no
/// clock and starts nothing: whoever owns it tells what happens and performs its actions.
///
/// - A child that ends is started again, when its restart policy says so; before the service was
///   ready once it fails instead.
/// - Before a worker's name is used again the router has taken note of the end. A router that is
///   started later has never known the process, so there is nothing to tell it.
/// - A child that hangs is killed: a router that says nothing, a worker that the router reports, or
///   that does not come back to a new router or does not get ready, any child that was stopped by a
///   signal and not woken.
package struct Supervision: Sendable {
  /// A process below the supervisor.
  package enum Child: Hashable, Sendable {
    case router
    case worker(Int)
  }

  /// What is to be done; in order.
  package enum Action: Sendable, Equatable {
    /// Start the process; `started` or `cannotStart` tells what came of it.
    case start(Child)
    /// Send SIGKILL.
    case kill(Child)
    /// Tell the router.
    case tell(SupervisorLine)
    /// The service can be used, for the first time.
    case ready(RouterAddresses)
    /// Something to log as an error.
    case report(String)
    /// The service cannot be started.
    case fail(String)
  }

  /// A router that said nothing for so long is killed. A loaded machine is no reason: the router's
  /// thread that speaks needs a millisecond of it.
  package static let routerSilence = Duration.seconds(15)
  /// The same before its first word: it reads configurations and tokenizers.
  package static let routerStart = Duration.seconds(120)
  /// A worker that a router knew before, and a later one has not heard of for so long, is killed.
  package static let workerAbsence = Duration.seconds(20)
  /// A worker that no router has known for so long since it was started is killed: this, ...
  package static let workerStart = Duration.seconds(120)
  /// ... and a second for each so many bytes of weights, which are read and packed.
  package static let bytesPerSecond = 8 << 20
  /// A child that is stopped by a signal for so long is killed: it may hold what others wait for.
  package static let stopped = Duration.seconds(15)
  /// Pauses between two starts of a router do not grow beyond this: nobody is served meanwhile.
  package static let longestRouterPause = Duration.seconds(1)
  /// Time in which the supervisor itself did not run (it was stopped, or the machine slept) counts
  /// as so much at most: others could not run either.
  private static let longestStep = Duration.seconds(1)

  /// Where the router listens, once it does.
  package private(set) var addresses: RouterAddresses?
  package private(set) var isReady = false

  private var router = Record(policy: RestartPolicy(longestPause: Self.longestRouterPause))
  private var workers: [Record]
  private let workerStart: Duration
  private var actions: [Action] = []
  /// Time in which this supervisor ran.
  private var now = Duration.zero
  private var lastTime = Duration.zero

  private struct Record {
    enum State {
      case new
      case running
      /// It ended, and the router has not taken note of it yet; it may be started again then.
      case ended(due: Duration)
      case waiting(until: Duration)
    }

    var policy: RestartPolicy
    var state = State.new
    var started = Duration.zero
    /// Router: it listens. Worker: a router has known it.
    var serves = false
    /// Router: its last word. Worker: when a router that listens last knew it.
    var heard = Duration.zero
    /// Since when it is seen stopped by a signal.
    var stoppedSince: Duration?
    /// Why this supervisor killed it.
    var killed: String?
    /// Why it ends, as it said itself.
    var failure: String?

    var isRunning: Bool { if case .running = state { true } else { false } }
  }

  /// - Parameter weightBytes: what a worker reads before it is ready.
  package init(workers: Int, weightBytes: Int = 0) {
    self.workers = Array(repeating: Record(policy: RestartPolicy()), count: workers)
    workerStart = Self.workerStart + .seconds(weightBytes / Self.bytesPerSecond)
  }

  /// The name of a worker.
  package static func name(_ worker: Int) -> String { "worker-\(worker)" }

  private static func name(_ child: Child) -> String {
    switch child {
    case .router: "the router"
    case .worker(let index): name(index)
    }
  }

  /// What is to be done since the last call.
  package mutating func takeActions() -> [Action] {
    defer { actions = [] }
    return actions
  }

  // MARK: What happens

  /// The first start of all.
  package mutating func start(at time: Duration) {
    pass(time)
    actions.append(.start(.router))
    for index in workers.indices { actions.append(.start(.worker(index))) }
  }

  /// A process was started.
  package mutating func started(_ child: Child, at time: Duration) {
    pass(time)
    self[child].state = .running
    self[child].started = now
    self[child].heard = now
    self[child].serves = false
    self[child].stoppedSince = nil
    self[child].killed = nil
    self[child].failure = nil
  }

  /// A process has said why it ends.
  package mutating func failing(_ child: Child, _ reason: String, at time: Duration) {
    pass(time)
    self[child].failure = reason
  }

  /// A process could not be started.
  package mutating func cannotStart(_ child: Child, _ problem: String, at time: Duration) {
    pass(time)
    guard isReady else { return actions.append(.fail(problem)) }
    let pause = self[child].policy.pause(afterRunning: .zero, byItself: true)
    actions.append(
      .report("\(Self.name(child)) cannot be started: \(problem); it is tried again \(When(pause))")
    )
    wait(child, until: now + pause)
  }

  /// A process has ended.
  ///
  /// - Parameter outOfMemory: the kernel killed it for the memory that it took.
  package mutating func ended(
    _ child: Child, _ ending: ProcessEnding, outOfMemory: Bool, at time: Duration
  ) {
    pass(time)
    let killed = self[child].killed
    let how =
      killed.map { "was killed: \($0)" } ?? self[child].failure.map { "failed: \($0)" }
      ?? (outOfMemory ? "\(ending), as memory ran out" : "\(ending)")
    guard isReady else {
      return actions.append(
        .fail(self[child].failure ?? "\(Self.name(child)) \(how) before it was ready"))
    }
    // What hung is the router's to suspect: it knows what did not get on.
    let crashed = killed == nil && (outOfMemory || ending.isCrash)
    var pause = self[child].policy.pause(
      afterRunning: now - self[child].started, byItself: killed != nil || crashed)
    // Whoever asked it to end may be about to ask this supervisor, too.
    if ending == .exited(0) { pause = max(pause, RestartPolicy.firstPause) }
    actions.append(.report("\(Self.name(child)) \(how); it is started again \(When(pause))"))
    switch child {
    case .router:
      wait(.router, until: now + pause)
      // Nobody is left who could mistake a new process for an old one.
      for index in workers.indices { noted(index) }
    case .worker(let index):
      workers[index].state = .ended(due: now + pause)
      guard router.isRunning else { return noted(index) }
      actions.append(.tell(.ended(worker: Self.name(index), crashed: crashed)))
    }
  }

  /// The router said something.
  package mutating func heard(_ line: RouterLine, at time: Duration) {
    pass(time)
    guard router.isRunning else { return }
    router.heard = now
    switch line {
    case .failed(let reason): router.failure = reason
    case .listens(let addresses):
      router.serves = true
      self.addresses = addresses
      for index in workers.indices { workers[index].heard = now }
    case .alive(let names): alive(Set(names))
    case .stalled(let name, let reason):
      for index in workers.indices where Self.name(index) == name { kill(.worker(index), reason) }
    case .noted(let name):
      for index in workers.indices where Self.name(index) == name { noted(index) }
    }
  }

  /// To be called several times a second.
  ///
  /// - Parameter stopped: the children that are stopped by a signal; nil where nobody has looked.
  package mutating func tick(at time: Duration, stopped: Set<Child>? = nil) {
    pass(time)
    for child in [.router] + workers.indices.map(Child.worker) {
      if case .waiting(let due) = self[child].state, now >= due { start(child) }
      if let stopped { look(child, isStopped: stopped.contains(child)) }
    }
    let silence = now - router.heard
    if router.isRunning, silence >= (router.serves ? Self.routerSilence : Self.routerStart) {
      kill(.router, "it said nothing for \(silence.components.seconds) s")
    }
    guard router.isRunning, router.serves else { return }
    for index in workers.indices where workers[index].isRunning {
      // By the router's last word: one that says nothing says nothing of workers either.
      let absence = router.heard - workers[index].heard
      let isBack = workers[index].serves
      guard absence >= (isBack ? Self.workerAbsence : workerStart) else { continue }
      kill(
        .worker(index),
        isBack
          ? "it did not come back to the router for \(absence.components.seconds) s"
          : "it was not ready after \(absence.components.seconds) s")
    }
  }

  // MARK: Parts

  private subscript(_ child: Child) -> Record {
    get {
      switch child {
      case .router: router
      case .worker(let index): workers[index]
      }
    }
    set {
      switch child {
      case .router: router = newValue
      case .worker(let index): workers[index] = newValue
      }
    }
  }

  private mutating func pass(_ time: Duration) {
    now += min(max(time - lastTime, .zero), Self.longestStep)
    lastTime = max(time, lastTime)
  }

  private mutating func look(_ child: Child, isStopped: Bool) {
    let since = isStopped ? self[child].stoppedSince ?? now : nil
    self[child].stoppedSince = since
    guard let since, now - since >= Self.stopped else { return }
    kill(child, "it was stopped for \((now - since).components.seconds) s")
  }

  private mutating func alive(_ names: Set<String>) {
    for index in workers.indices where names.contains(Self.name(index)) && workers[index].isRunning
    {
      workers[index].serves = true
      workers[index].heard = now
    }
    guard !isReady, let addresses, workers.allSatisfy(\.serves) else { return }
    isReady = true
    actions.append(.ready(addresses))
  }

  private mutating func kill(_ child: Child, _ reason: String) {
    guard self[child].isRunning, self[child].killed == nil else { return }
    self[child].killed = reason
    actions.append(.kill(child))
  }

  /// The end of a worker is known where it matters.
  private mutating func noted(_ index: Int) {
    guard case .ended(let due) = workers[index].state else { return }
    wait(.worker(index), until: due)
  }

  private mutating func wait(_ child: Child, until due: Duration) {
    self[child].state = .waiting(until: due)
    if now >= due { start(child) }
  }

  private mutating func start(_ child: Child) {
    self[child].state = .new
    actions.append(.start(child))
  }
}

/// A pause in words.
private struct When: CustomStringConvertible {
  let pause: Duration
  init(_ pause: Duration) { self.pause = pause }
  var description: String { pause == .zero ? "at once" : "in \(pause)" }
}
