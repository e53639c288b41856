import Glibc
import Testing

@testable import Operations

/// What a supervisor decides. Times are seconds since its start.
@Suite struct SupervisionDecisionTests {
  private static let addresses = RouterAddresses(clients: "tcp://127.0.0.1:1234")
  private static let names = ["worker-0", "worker-1"]

  /// A supervisor and its clock, which ticks as the real one does.
  private struct Service {
    var supervision = Supervision(workers: 2)
    var time = 0.0

    /// A service that was ready at 1 s.
    static func ready(weightBytes: Int = 0) -> Service {
      var service = Service()
      service.supervision = Supervision(workers: 2, weightBytes: weightBytes)
      service.supervision.start(at: .zero)
      _ = service.supervision.takeActions()
      for child in [Supervision.Child.router, .worker(0), .worker(1)] {
        service.supervision.started(child, at: .zero)
      }
      service.wait(1)
      service.says(.listens(addresses))
      #expect(service.says(.alive(workers: names)) == [.ready(addresses)])
      return service
    }

    /// Lets time pass; a router that lives says so each second.
    @discardableResult
    mutating func wait(_ seconds: Double, alive: [String]? = nil) -> [Supervision.Action] {
      let end = time + seconds
      var actions: [Supervision.Action] = []
      var next = time + 1
      while time < end {
        time = min(time + 0.1, end)
        if let alive, time >= next {
          next += 1
          supervision.heard(.alive(workers: alive), at: .seconds(time))
        }
        supervision.tick(at: .seconds(time))
        actions += supervision.takeActions()
      }
      return actions
    }

    @discardableResult
    mutating func says(_ line: RouterLine) -> [Supervision.Action] {
      supervision.heard(line, at: .seconds(time))
      return supervision.takeActions()
    }

    @discardableResult
    mutating func ends(
      _ child: Supervision.Child, _ ending: ProcessEnding, outOfMemory: Bool = false
    ) -> [Supervision.Action] {
      supervision.ended(child, ending, outOfMemory: outOfMemory, at: .seconds(time))
      return supervision.takeActions()
    }

    mutating func starts(_ child: Supervision.Child) {
      supervision.started(child, at: .seconds(time))
    }
  }

  // MARK: The first start

  @Test func allStartAtOnceAndAreReadyOnce() {
    var service = Service()
    service.supervision.start(at: .zero)
    #expect(
      service.supervision.takeActions() == [
        .start(.router), .start(.worker(0)), .start(.worker(1)),
      ])
    for child in [Supervision.Child.router, .worker(0), .worker(1)] { service.starts(child) }
    // A worker may be faster than the router's first word.
    #expect(service.says(.alive(workers: ["worker-1"])).isEmpty)
    #expect(service.says(.listens(Self.addresses)).isEmpty)
    #expect(service.says(.alive(workers: Self.names)) == [.ready(Self.addresses)])
    #expect(service.says(.alive(workers: Self.names)).isEmpty)
    #expect(service.supervision.isReady)
  }

  @Test(arguments: [Supervision.Child.router, .worker(1)])
  func whatEndsBeforeThatEndsTheService(child: Supervision.Child) {
    var service = Service()
    service.supervision.start(at: .zero)
    _ = service.supervision.takeActions()
    for child in [Supervision.Child.router, .worker(0), .worker(1)] { service.starts(child) }
    let name = child == .router ? "the router" : "worker-1"
    #expect(
      service.ends(child, .exited(1)) == [.fail("\(name) ended with status 1 before it was ready")])
  }

  /// In its own words, once.
  @Test(arguments: [Supervision.Child.router, .worker(1)])
  func whatFailsBeforeThatSaysWhy(child: Supervision.Child) {
    var service = Service()
    service.supervision.start(at: .zero)
    _ = service.supervision.takeActions()
    for child in [Supervision.Child.router, .worker(0), .worker(1)] { service.starts(child) }
    service.supervision.failing(child, "no such folder: /models", at: .zero)
    #expect(service.ends(child, .exited(1)) == [.fail("no such folder: /models")])
  }

  @Test func whatFailsLaterSaysWhy() {
    var service = Service.ready()
    service.wait(20, alive: Self.names)
    service.supervision.failing(.worker(0), "no such folder", at: .seconds(service.time))
    #expect(
      service.ends(.worker(0), .exited(1)).first
        == .report("worker-0 failed: no such folder; it is started again at once"))
  }

  /// Loading takes its time, by the bytes that are to be read; hanging takes more.
  @Test(arguments: [0, 100]) func aWorkerThatDoesNotGetReadyIsKilled(seconds: Int) {
    var service = Service()
    service.supervision = Supervision(
      workers: 2, weightBytes: seconds * Supervision.bytesPerSecond)
    service.supervision.start(at: .zero)
    _ = service.supervision.takeActions()
    for child in [Supervision.Child.router, .worker(0), .worker(1)] { service.starts(child) }
    service.says(.listens(Self.addresses))
    #expect(service.wait(119 + Double(seconds), alive: ["worker-0"]).isEmpty)
    #expect(service.wait(3, alive: ["worker-0"]) == [.kill(.worker(1))])
    guard case .fail(let words) = service.ends(.worker(1), .signalled(SIGKILL)).first else {
      Issue.record("the service goes on")
      return
    }
    #expect(words.contains("worker-1 was killed: it was not ready after 12") || seconds > 0)
    #expect(words.contains("s before it was ready"))
  }

  /// While there is no router nobody can be ready.
  @Test func aWorkersStartCountsFromTheRouters() {
    var service = Service.ready()
    service.wait(20, alive: Self.names)
    service.ends(.worker(1), .signalled(SIGSEGV))
    service.says(.noted(worker: "worker-1"))
    service.starts(.worker(1))
    service.wait(110, alive: ["worker-0"])
    service.ends(.router, .signalled(SIGKILL))
    service.starts(.router)
    service.says(.listens(Self.addresses))
    #expect(service.wait(115, alive: ["worker-0"]).isEmpty)
    #expect(service.wait(8, alive: ["worker-0"]) == [.kill(.worker(1))])
  }

  @Test func whatCannotBeStartedAtFirstEndsTheService() {
    var service = Service()
    service.supervision.start(at: .zero)
    _ = service.supervision.takeActions()
    service.supervision.cannotStart(.worker(0), "no pipe", at: .zero)
    #expect(service.supervision.takeActions() == [.fail("no pipe")])
  }

  // MARK: Workers that end

  @Test(arguments: [
    (ProcessEnding.signalled(SIGSEGV), false, true, "was ended by SIGSEGV"),
    (.signalled(SIGKILL), false, false, "was ended by SIGKILL"),
    (.signalled(SIGKILL), true, true, "was ended by SIGKILL, as memory ran out"),
    (.exited(1), false, true, "ended with status 1"),
  ])
  func theRouterHearsOfAnEndBeforeTheNameIsUsedAgain(
    ending: ProcessEnding, outOfMemory: Bool, crashed: Bool, words: String
  ) {
    var service = Service.ready()
    service.wait(20, alive: Self.names)
    #expect(
      service.ends(.worker(0), ending, outOfMemory: outOfMemory) == [
        .report("worker-0 \(words); it is started again at once"),
        .tell(.ended(worker: "worker-0", crashed: crashed)),
      ])
    #expect(service.wait(3, alive: ["worker-1"]).isEmpty)
    #expect(service.says(.noted(worker: "worker-1")).isEmpty)
    #expect(service.says(.noted(worker: "worker-0")) == [.start(.worker(0))])
  }

  /// As when everything is asked to end at once, and the supervisor hears of it last.
  @Test(arguments: [Supervision.Child.router, .worker(0)])
  func whatWasAskedToEndHasAPause(child: Supervision.Child) {
    var service = Service.ready()
    service.wait(20, alive: Self.names)
    let actions = service.ends(child, .exited(0))
    #expect(!actions.contains(.start(child)))
    service.says(.noted(worker: "worker-0"))
    #expect(service.wait(0.4).isEmpty)
    #expect(service.wait(0.2) == [.start(child)])
  }

  @Test func pausesGrowAndTheRouterIsToldAtOnce() {
    var service = Service.ready()
    for pause in [0, 0.5, 1, 2, 4] {
      let actions = service.ends(.worker(0), .signalled(SIGABRT))
      #expect(actions.last == .tell(.ended(worker: "worker-0", crashed: true)))
      var started = service.says(.noted(worker: "worker-0"))
      if pause > 0 {
        #expect(started.isEmpty)
        #expect(service.wait(pause - 0.2, alive: ["worker-1"]).isEmpty)
        started = service.wait(0.4, alive: ["worker-1"])
      }
      #expect(started == [.start(.worker(0))], "after \(pause)")
      service.starts(.worker(0))
    }
  }

  @Test func failedStartsCountAndAreTriedLaterAndLater() {
    var service = Service.ready()
    service.wait(3600, alive: Self.names)
    service.ends(.worker(0), .signalled(SIGKILL))
    #expect(service.says(.noted(worker: "worker-0")) == [.start(.worker(0))])
    var tries = 0
    let start = service.time
    service.supervision.cannotStart(.worker(0), "no pipe", at: .seconds(service.time))
    while service.time < start + 600 {
      // A failure follows each try.
      for action in service.supervision.takeActions() where action == .start(.worker(0)) {
        tries += 1
        service.supervision.cannotStart(.worker(0), "no pipe", at: .seconds(service.time))
      }
      service.time += 0.1
      service.supervision.heard(.alive(workers: ["worker-1"]), at: .seconds(service.time))
      service.supervision.tick(at: .seconds(service.time))
    }
    #expect((20...30).contains(tries), "\(tries)")
  }

  // MARK: A router that ends

  @Test func aRouterIsBackWithinASecondHoweverOftenItIsKilled() {
    var service = Service.ready()
    for round in 0..<50 {
      service.wait(1.1, alive: Self.names)
      let actions = service.ends(.router, .signalled(SIGKILL))
      #expect(actions.contains(.start(.router)), "round \(round)")
      service.starts(.router)
      #expect(service.says(.listens(Self.addresses)).isEmpty)
      #expect(service.says(.alive(workers: Self.names)).isEmpty)
    }
    for _ in 0..<20 {
      // One that traps as soon as it serves.
      service.ends(.router, .signalled(SIGILL))
      #expect(service.wait(1.1).filter { $0 == .start(.router) }.count <= 1)
      service.starts(.router)
    }
  }

  @Test func anEndWhileNoRouterRunsIsNobodysNews() {
    var service = Service.ready()
    service.wait(20, alive: Self.names)
    // The router has not noted the first end when it goes, too.
    service.ends(.worker(0), .signalled(SIGKILL))
    #expect(
      service.ends(.router, .signalled(SIGKILL)) == [
        .report("the router was ended by SIGKILL; it is started again at once"),
        .start(.router), .start(.worker(0)),
      ])
    service.supervision.cannotStart(.router, "no pipe", at: .seconds(service.time))
    _ = service.supervision.takeActions()
    #expect(
      service.ends(.worker(1), .signalled(SIGKILL)) == [
        .report("worker-1 was ended by SIGKILL; it is started again at once"), .start(.worker(1)),
      ])
  }

  // MARK: What hangs

  @Test func aRouterThatSaysNothingIsKilledOnce() {
    var service = Service.ready()
    #expect(service.wait(14.5).isEmpty)
    #expect(service.wait(1) == [.kill(.router)])
    #expect(service.wait(60).isEmpty)
    let actions = service.ends(.router, .signalled(SIGKILL))
    #expect(
      actions.first
        == .report("the router was killed: it said nothing for 15 s; it is started again at once"))
    // The next one reads its files for as long as it takes.
    service.starts(.router)
    #expect(service.wait(110).isEmpty)
    #expect(service.wait(20) == [.kill(.router)])
  }

  @Test func aSupervisorThatWasStoppedBlamesNobody() {
    var service = Service.ready()
    for _ in 0..<10 {
      service.time += 3600
      service.supervision.tick(at: .seconds(service.time))
      #expect(service.supervision.takeActions().isEmpty)
    }
  }

  @Test func aStalledWorkerIsKilledOnceAndReplaced() {
    var service = Service.ready()
    service.wait(30, alive: Self.names)
    let line = RouterLine.stalled(worker: "worker-1", reason: "nothing was heard of it for 15 s")
    #expect(service.says(line) == [.kill(.worker(1))])
    #expect(service.says(line).isEmpty)
    #expect(
      service.ends(.worker(1), .signalled(SIGKILL)) == [
        .report(
          "worker-1 was killed: nothing was heard of it for 15 s; it is started again at once"),
        .tell(.ended(worker: "worker-1", crashed: false)),
      ])
    // The router may say so again before it hears of the end.
    #expect(service.says(line).isEmpty)
    #expect(service.says(.noted(worker: "worker-1")) == [.start(.worker(1))])
    #expect(service.says(.stalled(worker: "somebody", reason: "")).isEmpty)
  }

  @Test(arguments: [Supervision.Child.router, .worker(1)])
  func aChildThatIsStoppedAndNotWokenIsKilled(child: Supervision.Child) {
    var service = Service.ready()
    for stopped in [10.0, 14, 15.2] {
      for second in stride(from: 0, to: stopped, by: 0.1) {
        service.time += 0.1
        service.supervision.heard(.alive(workers: Self.names), at: .seconds(service.time))
        service.supervision.tick(at: .seconds(service.time), stopped: [child])
        let actions = service.supervision.takeActions()
        #expect(second < 14.9 ? actions.isEmpty : actions.count <= 1)
        if !actions.isEmpty { #expect(actions == [.kill(child)]) }
      }
      service.supervision.tick(at: .seconds(service.time), stopped: [])
    }
    let report = service.ends(child, .signalled(SIGKILL)).first
    let name = child == .router ? "the router" : "worker-1"
    #expect(
      report == .report("\(name) was killed: it was stopped for 15 s; it is started again at once"))
  }

  @Test func aWorkerThatDoesNotComeBackToANewRouterIsKilled() {
    var service = Service.ready()
    service.ends(.router, .signalled(SIGKILL))
    service.wait(1)
    service.starts(.router)
    // Nobody can come to a router that does not listen.
    #expect(service.wait(60).isEmpty)
    service.says(.listens(Self.addresses))
    #expect(service.wait(19, alive: ["worker-0"]).isEmpty)
    #expect(service.wait(2, alive: ["worker-0"]) == [.kill(.worker(1))])
  }

  @Test func aWorkerThatLoadsMuchForLongIsLeftAlone() {
    var service = Service.ready(weightBytes: 500 * Supervision.bytesPerSecond)
    service.ends(.worker(0), .signalled(SIGKILL))
    service.says(.noted(worker: "worker-0"))
    service.wait(1, alive: ["worker-1"])
    service.starts(.worker(0))
    #expect(service.wait(600, alive: ["worker-1"]).isEmpty)
  }

  // MARK: Lines

  @Test func linesAreReadAsTheyWereWritten() {
    let lines: [RouterLine] = [
      .listens(RouterAddresses(clients: "a", remoteWorkers: "b\n", metrics: "127.0.0.1:1")),
      .listens(Self.addresses), .alive(workers: []), .alive(workers: Self.names),
      .stalled(worker: "worker-0", reason: "\u{1B}[31m \"\\ \n"), .noted(worker: "worker-63"),
    ]
    for line in lines {
      let text = SupervisionText.encode(line)
      #expect(!text.contains("\n"))
      #expect(SupervisionText.decode(text, as: RouterLine.self) == line)
      #expect(SupervisionText.decode(text, as: SupervisorLine.self) == nil)
    }
    let line = SupervisorLine.ended(worker: "worker-1", crashed: true)
    #expect(SupervisionText.decode(SupervisionText.encode(line), as: SupervisorLine.self) == line)
    for text in ["", "ready", "{}", "{\"alive\":{}}", "[]"] {
      #expect(SupervisionText.decode(text, as: RouterLine.self) == nil)
    }
  }
}
