import Testing
import Wire

@testable import RPC

/// Workers that are stopped, and workers that hang.
@Suite struct RouterPulseTests {
  private func supervised() -> RouterBench {
    RouterBench {
      $0.supervisedWorkers = ["w1"]
      $0.hangMilliseconds = 60_000
    }
  }

  private func beat(_ bench: inout RouterBench, _ progress: UInt64 = 0) {
    bench.control(.heartbeat(progress: progress, outstanding: 0, room: WorkerRoom()))
  }

  private func stalls(_ bench: inout RouterBench) -> [String] {
    bench.actions().filter { $0.hasPrefix("stalled") }
  }

  @Test func aWorkerThatIsStoppedIsReported() {
    var bench = supervised()
    beat(&bench)
    bench.pass(14_000)
    #expect(stalls(&bench).isEmpty)
    bench.pass(2000)
    #expect(stalls(&bench) == ["stalled w1: said nothing for 15 s"])
    #expect(bench.state.statistics.workers == 0)
    #expect(bench.report["worker.w1.stalled"] == 1)
    bench.pass(9000)
    #expect(stalls(&bench).isEmpty)
    bench.pass(2000)
    #expect(stalls(&bench).count == 1)
    // It was only late.
    beat(&bench)
    bench.pass(100)
    #expect(stalls(&bench).isEmpty)
    #expect(bench.state.statistics.workers == 1)
  }

  @Test func oneWhoseConnectionWasLostIsReportedToo() {
    var bench = supervised()
    bench.state.lost(worker: RouterBench.worker, now: bench.now)
    bench.pass(16_000)
    #expect(stalls(&bench).count == 1)
    // But not one that ended, or goes on purpose.
    bench.ended(crashed: false)
    bench.pass(60_000)
    #expect(stalls(&bench).isEmpty)
    bench.register()
    bench.control(.goodbye)
    bench.pass(60_000)
    #expect(stalls(&bench).isEmpty)
  }

  @Test func onABusyMachineSilenceSaysNothing() {
    var bench = supervised()
    beat(&bench)
    // The router itself gets its turn only every second.
    for _ in 0..<60 {
      bench.now += 1000
      bench.state.tick(now: bench.now)
    }
    #expect(stalls(&bench).isEmpty)
  }

  @Test func aWorkerThatFinishesNothingIsReported() {
    var bench = supervised()
    bench.sample("r", seq: 0)
    for second in 0..<59 {
      beat(&bench, 7)
      bench.pass(1000)
      #expect(stalls(&bench).isEmpty, "second \(second)")
    }
    for _ in 0..<3 {
      beat(&bench, 7)
      bench.pass(1000)
    }
    #expect(stalls(&bench) == ["stalled w1: finished nothing for 60 s, with 1 requests there"])
    // What it hung at is suspected, whatever killed it.
    bench.ended(crashed: false)
    #expect(bench.state.suspects.count == 1)
  }

  @Test func progressAndAnswersAndIdlenessAreNoStandstill() {
    var bench = supervised()
    for second: UInt64 in 0..<200 {
      beat(&bench, second / 50)
      if second == 10 { bench.sample("r", seq: 0) }
      bench.pass(1000)
    }
    #expect(stalls(&bench).isEmpty)
    for second: UInt64 in 0..<200 {
      beat(&bench, 9)
      if second % 50 == 0 {
        bench.sampled("a", seq: second / 50)
        bench.sample("r", seq: second / 50 + 1)
      }
      bench.pass(1000)
    }
    bench.sampled("a", seq: 4)
    for _ in 0..<200 {
      beat(&bench, 9)
      bench.pass(1000)
    }
    #expect(stalls(&bench).isEmpty)
  }

  @Test func oneOfAnotherHostThatHangsIsGivenUp() {
    var bench = RouterBench { $0.hangMilliseconds = 60_000 }
    bench.sample("r", seq: 0)
    for _ in 0..<62 {
      beat(&bench, 7)
      bench.pass(1000)
    }
    #expect(bench.actions().contains("answer 0 UNAVAILABLE to 1"))
    #expect(bench.state.suspects.count == 1)
    #expect(bench.state.statistics.workers == 0)
  }

  @Test func anOldRequestThatIsAskedForIsNoted() {
    var bench = supervised()
    bench.create()
    bench.request("r1", seq: 1)
    bench.request("r3", seq: 3)
    _ = bench.actions()
    for _ in 0..<31 {
      beat(&bench)
      bench.pass(1000)
    }
    #expect(bench.report["router.oldest_request_ms"] == 31_000)
    #expect(bench.report["request.s:train:0#1.age_ms"] == 31_000)
    bench.request("await", .futuresAwait, seq: 1)
    #expect(
      bench.actions().contains {
        $0.hasPrefix("note seq 1 of s:train:0 is asked for after 31 s: it is at worker w1")
      })
  }
}
