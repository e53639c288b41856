import Testing
import Wire

@testable import RPC

/// What workers say of themselves is bounded, and what they are told.
@Suite struct RouterClaimTests {
  @Test(arguments: [true, false])
  func anEpochThatNobodyGaveIsNotBelieved(recovers: Bool) {
    var bench = RouterBench {
      $0.recoversModels = recovers
      $0.firstEpoch = recovers ? 5000 : 0
    }
    bench.register(
      RouterBench.second, "w2",
      streams: [OwnedStream(stream: "s:train:0", nextSeq: 1, epoch: 1 << 63)])
    #expect(bench.actions().contains { $0.hasPrefix("command close(stream: \"s:train:0\"") })
    // The model is as usable as before.
    bench.request("create", .trainingCreateModel, seq: 0)
    #expect(bench.actions().contains { $0.hasPrefix("command open") })
    #expect(bench.state.lastEpoch < 10_000)
  }

  @Test func aSeqThatNobodyReachesTrapsNothing() {
    // An owner whose records are lost says so: whatever comes is passed to it, to be refused.
    var bench = RouterBench()
    bench.request("create", .trainingCreateModel, seq: 0)
    _ = bench.actions()
    bench.control(.opened(OwnedStream(stream: "s:train:0", nextSeq: .max, epoch: 1)))
    bench.request("last", seq: Limits.maxOrderedSeq, acked: 1)
    #expect(bench.actions() == ["forward create to 101", "forward last to 101"])
    bench.response("a", seq: Limits.maxOrderedSeq, code: .dataLoss)
    bench.response("b", seq: 0, code: .unavailable)
    #expect(bench.actions() == ["deliver a to 1", "deliver b to 1"])
    #expect(bench.state.outstanding == Account())
  }

  @Test func roomIsWhatCanBeAddedUp() {
    var bench = RouterBench(registered: false)
    let room = WorkerRoom(
      trainingTokens: .max, decodeTokens: .max, controlRequests: .max)
    bench.register(room: room)
    for seq: UInt64 in 0..<100 { bench.sample("r", seq: seq, cost: .max >> 24) }
    bench.control(.heartbeat(progress: .max, outstanding: .max, room: room))
    #expect(bench.actions().filter { $0.hasPrefix("forward") }.count == 1)
    _ = bench.report
  }

  @Test(arguments: ["", "a b", "a\n", "é"])
  func aWorkersNameIsOne(name: String) {
    var bench = RouterBench()
    bench.register(RouterBench.second, name)
    #expect(bench.actions().contains { $0.hasPrefix("command refused") })
    #expect(bench.state.statistics.workers == 1)
  }

  @Test func thereIsOneKeeper() {
    var bench = RouterBench()
    var hello = WorkerHello(name: "impostor")
    hello.isKeeper = true
    bench.state.control(.hello(hello), from: RouterBench.second, now: bench.now)
    #expect(bench.actions().contains { $0.hasPrefix("command refused") })
    hello.name = "w1"
    bench.state.control(.hello(hello), from: RouterBench.second, now: bench.now)
    #expect(bench.actions().contains { $0.hasPrefix("command refused") })
    bench.request("ping", .adminPing, "", seq: 0, session: nil)
    #expect(bench.actions() == ["forward ping as @1 to 100"])
  }

  @Test func workersOfAnotherNumericsClassAreRefused() {
    let (one, other) = (
      NumericsClass(version: "4", precision: "f32"), NumericsClass(version: "5", precision: "f32")
    )
    var bench = RouterBench(registered: false)
    bench.register(numerics: one)
    bench.register(RouterBench.second, "w2", numerics: other)
    let actions = bench.actions()
    #expect(actions.contains { $0.hasPrefix("note worker w2 is refused: it computes with") })
    #expect(actions.contains { $0.hasPrefix("command refused") && $0.hasSuffix("to 102") })
    #expect(bench.state.statistics.workers == 1)
    // The configuration has the first word, if it has one.
    bench = RouterBench({ $0.numerics = other }, registered: false)
    bench.register(numerics: one)
    #expect(bench.state.statistics.workers == 0)
    bench.register(RouterBench.second, "w2", numerics: other)
    #expect(bench.state.statistics.workers == 1)
  }

  @Test(.timeLimit(.minutes(30))) func aRefusedWorkerEndsWithTheReason() async throws {
    var rules = RouterRules()
    rules.numerics = NumericsClass(version: "4", precision: "f32")
    let fixture = try Fixture(rules: rules) { worker in
      worker.numericsVersion = "5"
      worker.precision = "f32"
    }
    let error = await #expect(throws: RPCError.self) { try await fixture.services[0].wait() }
    #expect(error?.message.contains("do not give the same bits") == true)
    await fixture.stop()
  }

  // MARK: Sessions that ended

  @Test func aWorkerThatWasAwayHearsOfSessionsThatEnded() {
    var bench = RouterBench()
    bench.create()
    bench.state.lost(worker: RouterBench.worker, now: bench.now)
    bench.control(.sessionEnded("s"), from: RouterBench.keeper)
    #expect(bench.actions() == [])
    bench.register(streams: [OwnedStream(stream: "s:train:0", nextSeq: 1, epoch: 1)])
    #expect(bench.actions().contains("command sessionEnded(\"s\") to 101"))
    // So does a new one, which may have its disk; and each of them once.
    bench.register(RouterBench.second, "w2")
    #expect(bench.actions() == ["command welcome to 102", "command sessionEnded(\"s\") to 102"])
    bench.register(RouterBench.second, "w2")
    #expect(bench.actions() == ["command welcome to 102"])
  }

  @Test func aSessionThatEndedBeforeARestartStaysSo() {
    var bench = RouterBench(endings: [SessionDigest("s")])
    bench.sample("r", seq: 0)
    #expect(bench.actions() == ["answer 0 UNAUTHENTICATED to 1", "drop r"])
    bench.register(
      RouterBench.second, "w2",
      streams: [OwnedStream(stream: "s:train:0", nextSeq: 1, epoch: 1)])
    #expect(bench.actions().contains("command sessionEnded(\"s\") to 102"))
    bench.sample("q", "t:sample:0", seq: 0)
    #expect(bench.actions() == ["forward q to 101"])
  }

  @Test func anOpeningThatWasNotHeardIsRepeated() {
    var bench = RouterBench { $0.gapMilliseconds = 1000 }
    bench.request("create", .trainingCreateModel, seq: 0)
    let open = "command open(stream: \"s:train:0\", epoch: 1) to 101"
    #expect(bench.actions() == [open])
    bench.pass(2000)
    #expect(bench.actions().suffix(3) == ["answer 0 UNAVAILABLE to 1", "drop create", open])
  }
}
