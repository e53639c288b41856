import Synchronization

/// Sends a scenario's requests to a target and records what becomes of them.
///
/// Closed loops are tasks, one for each request that may be outstanding: they send, wait for the
/// answer and send again. Open loops have their moments from the plan: one thread waits for them
/// and hands the requests over, so that neither a slow target nor a busy task pool moves them.
/// Latency counts from the intended moment: when a slot was free, or when the arrival was due.
package final class Driver: Sendable {
  private let scenario: Scenario
  private let clock: Clock
  private let timelines: [Timeline]
  private let plan: RequestPlan
  private let target: any Target
  private let recorder: Recorder
  private let inFlight = InFlight()
  private let senders = Counter()
  private let inFlightByGroup: [Counter]

  /// - Parameter clock: must reach 0 after the scenario's warm-up.
  package init(_ scenario: Scenario, target: any Target, recorder: Recorder, clock: Clock) {
    self.scenario = scenario
    self.clock = clock
    self.target = target
    self.recorder = recorder
    plan = RequestPlan(scenario)
    timelines = scenario.groups.map { Timeline($0.stages, warmup: scenario.warmup) }
    inFlightByGroup = scenario.groups.map { _ in Counter() }
  }

  /// Runs all stages and waits for the answers, at most as long as the scenario says. Requests
  /// without an answer are then counted as errors.
  ///
  /// Cancelling the task ends the run early; what was seen until then is recorded.
  package func run() async {
    await withTaskGroup { tasks in
      for group in scenario.groups.indices {
        addClosedLoops(of: group, to: &tasks)
        addCancels(of: group, to: &tasks)
      }
      let pacer = OpenLoop(scenario, timelines, plan, clock) { [self] request, intended in
        sendOpen(request, intended)
      }
      add(to: &tasks) { await pacer.run() }
      await watch()
    }
  }

  /// Waits until the stages are over and everything was answered, or the time for it is over.
  private func watch() async {
    let limit = scenario.seconds + scenario.drain
    while senders.value > 0 || inFlight.count > 0
      || (clock.now < scenario.seconds && !Task.isCancelled)
    {
      if Task.isCancelled || clock.now >= limit { abandon() }
      // A task of its own: when this one is cancelled it must not spin.
      await Task { try? await Task.sleep(for: .milliseconds(5)) }.value
    }
  }

  /// Counts what has no answer as errors and gives it up.
  private func abandon() {
    let now = clock.now
    for left in inFlight.removeAll() {
      recorder.done(left.ticket, .failed(Recorder.unfinished), at: now)
      left.cancel?()
      left.then()
    }
    target.stop()
  }

  private func add(
    to tasks: inout TaskGroup<Void>, _ body: @escaping @Sendable () async -> Void
  ) {
    senders.increment()
    tasks.addTask { [senders] in
      await body()
      senders.decrement()
    }
  }

  // MARK: Closed loop

  private func addClosedLoops(of group: Int, to tasks: inout TaskGroup<Void>) {
    for client in 0..<scenario.groups[group].clients {
      // The slots of a client share its count of requests.
      let requests = Counter()
      for slot in 0..<scenario.groups[group].slots {
        add(to: &tasks) { [self] in await closedLoop(group, client, slot, requests) }
      }
    }
  }

  private func closedLoop(_ group: Int, _ client: Int, _ slot: Int, _ requests: Counter) async {
    while !Task.isCancelled {
      let now = clock.now
      guard let next = timelines[group].nextTime(slot: slot, from: now) else { return }
      if next > now {
        guard (try? await clock.sleep(until: next)) != nil else { return }
        continue
      }
      let index = requests.increment() - 1
      let request = plan.request(group: group, client: client, index: index)
      await target.ready(for: request)
      await withCheckedContinuation { continuation in
        send(request, intended: now, isOpen: false) { continuation.resume() }
      }
    }
  }

  // MARK: Open loop

  private func sendOpen(_ request: Request, _ intended: Double) {
    if inFlightByGroup[request.group].value < scenario.groups[request.group].limit {
      send(request, intended: intended, isOpen: true) {}
    } else if let ticket = ticket(request, intended) {
      recorder.skipped(ticket, at: clock.now)
    }
  }

  // MARK: Both

  private func send(
    _ request: Request, intended: Double, isOpen: Bool, then: @escaping @Sendable () -> Void
  ) {
    guard let ticket = ticket(request, intended) else { return then() }
    let count = inFlightByGroup[request.group]
    let id = inFlight.add(ticket, then: then)
    count.increment()
    recorder.sent(ticket, at: clock.now, isOpen: isOpen)
    let cancel = target.start(request) { [self] outcome in
      let now = clock.now
      count.decrement()
      guard let done = inFlight.remove(id) else { return }
      recorder.done(done.ticket, outcome, at: now)
      done.then()
    }
    inFlight.started(id, cancel: cancel)
  }

  private func ticket(_ request: Request, _ intended: Double) -> Recorder.Ticket? {
    guard let block = timelines[request.group].block(at: intended) else { return nil }
    let tenant = scenario.groups[request.group].tenant(of: request.client)
    return Recorder.Ticket(
      key: Recorder.Key(
        group: request.group, stage: block.name, tenant: tenant, primitive: request.primitive),
      intended: intended, tokens: request.tokens)
  }

  // MARK: Stages that cancel

  private func addCancels(of group: Int, to tasks: inout TaskGroup<Void>) {
    for block in timelines[group].blocks where block.cancels {
      add(to: &tasks) { [self] in
        guard (try? await clock.sleep(until: block.start)) != nil else { return }
        inFlight.cancel(group: group)
      }
    }
  }
}

/// A number that any thread may count.
final class Counter: Sendable {
  private let atomic = Atomic(0)

  var value: Int { atomic.load(ordering: .relaxed) }

  /// Adds one.
  /// - Returns: the new value.
  @discardableResult
  func increment() -> Int { atomic.add(1, ordering: .sequentiallyConsistent).newValue }

  func decrement() { atomic.subtract(1, ordering: .sequentiallyConsistent) }
}
