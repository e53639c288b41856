import Testing
import Wire

@testable import RPC

/// Workers that end, what they held, and who is blamed; clients that are gone.
@Suite struct RouterLossTests {
  // MARK: Models

  @Test func theModelsOfAnEndedWorkerAreLostForGood() {
    var bench = RouterBench()
    bench.create()
    bench.register(RouterBench.second, "w2")
    bench.request("r1", seq: 1)
    bench.request("r3", seq: 3)
    _ = bench.actions()
    bench.ended(crashed: true)
    #expect(
      bench.actions() == ["answer 1 DATA_LOSS to 1", "answer 3 DATA_LOSS to 1", "drop r3"])
    for (seq, acked): (UInt64, UInt64) in [(0, 0), (1, 0), (2, 1), (7, 6)] {
      bench.request("again", seq: seq, acked: acked)
      #expect(bench.actions() == ["answer \(seq) DATA_LOSS to 1", "drop again"])
    }
    bench.request("await", .futuresAwait, seq: 1)
    #expect(bench.actions() == ["answer 1 DATA_LOSS to 1", "drop await"])
    // Also when the worker is started again under its name.
    bench.register(ConnectionID(103), "w1", incarnation: 7)
    bench.pass(60_000)
    _ = bench.actions()
    bench.request("again", .trainingCreateModel, seq: 0)
    #expect(bench.actions() == ["answer 0 DATA_LOSS to 1", "drop again"])
    // A new model is another matter.
    bench.control(
      .heartbeat(progress: 0, outstanding: 0, room: WorkerRoom()), from: ConnectionID(103))
    bench.register(ConnectionID(103), "w1", incarnation: 7)
    _ = bench.actions()
    bench.request("create", .trainingCreateModel, "s:train:1", seq: 0)
    #expect(bench.actions() == ["command open(stream: \"s:train:1\", epoch: 1) to 103"])
  }

  @Test func aLostConnectionAloneWaitsForTheWorker() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1)
    _ = bench.actions()
    bench.state.lost(worker: RouterBench.worker, now: bench.now)
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 1"])
    bench.pass(4999)
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 1", "drop r1"])
    bench.register(
      RouterBench.second, "w1", streams: [OwnedStream(stream: "s:train:0", nextSeq: 1, epoch: 1)])
    bench.pass(5000)
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["command welcome to 102", "forward r1 to 102"])
  }

  @Test func aWorkerThatDoesNotComeBackHasEnded() {
    var bench = RouterBench()
    bench.create()
    bench.state.lost(worker: RouterBench.worker, now: bench.now)
    bench.pass(5000)
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["answer 1 DATA_LOSS to 1", "drop r1"])
    // It comes back after all: its model was given up.
    bench.register(
      RouterBench.second, "w1", streams: [OwnedStream(stream: "s:train:0", nextSeq: 1, epoch: 1)])
    #expect(
      bench.actions() == [
        "command welcome to 102", "command close(stream: \"s:train:0\", epoch: 1) to 102",
      ])
  }

  @Test func theEndOfASupervisedWorkerIsReported() {
    var bench = RouterBench { $0.supervisedWorkers = ["w1"] }
    bench.create()
    bench.pass(60_000)
    #expect(bench.actions().allSatisfy { $0.hasPrefix("stalled") })
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["forward r1 to 101"])
    bench.state.lost(worker: RouterBench.worker, now: bench.now)
    _ = bench.actions()
    bench.pass(60_000)
    #expect(bench.actions().allSatisfy { $0.hasPrefix("stalled") })
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 1", "drop r1"])
    bench.ended(crashed: false)
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["answer 1 DATA_LOSS to 1", "drop r1"])
  }

  @Test func aNewProcessUnderTheOldNameLostTheModels() {
    var bench = RouterBench()
    bench.create()
    bench.state.lost(worker: RouterBench.worker, now: bench.now)
    bench.register(RouterBench.second, "w1", incarnation: 7)
    _ = bench.actions()
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["answer 1 DATA_LOSS to 1", "drop r1"])
  }

  @Test func theSameProcessMayHaveClosedAModelMeanwhile() {
    var bench = RouterBench()
    bench.create()
    bench.register(RouterBench.second, "w1")
    #expect(bench.actions() == ["command welcome to 102"])
    #expect(bench.state.streamIndex.isEmpty)
  }

  @Test func aModelThatIsOnlyBeingOpenedIsOpenedElsewhere() {
    var bench = RouterBench()
    bench.request("create", .trainingCreateModel, seq: 0)
    bench.register(RouterBench.second, "w2")
    _ = bench.actions()
    bench.ended(crashed: true)
    #expect(bench.actions() == ["answer 0 UNAVAILABLE to 1", "drop create"])
    bench.request("create", .trainingCreateModel, seq: 0)
    #expect(bench.actions() == ["command open(stream: \"s:train:0\", epoch: 2) to 102"])
  }

  @Test func lostModelsGoWithTheirSession() {
    var bench = RouterBench()
    bench.create()
    bench.ended(crashed: false)
    bench.control(.sessionEnded("s"), from: RouterBench.keeper)
    #expect(bench.state.streamIndex.isEmpty)
    #expect(bench.state.sessionIndex.isEmpty)
  }

  @Test func workersThatNobodyKnowsEndUnnoticed() {
    var bench = RouterBench()
    bench.ended("nobody", crashed: true)
    bench.ended("keeper", crashed: true)
    #expect(bench.actions() == [])
    bench.request("r", .adminPing, "x", seq: 0, session: nil)
    #expect(bench.actions() == ["forward r to 100"])
  }

  // MARK: Sampling

  @Test func theSamplingOfAnEndedWorkerRunsElsewhere() {
    var bench = RouterBench(registered: false)
    bench.register(room: WorkerRoom(decodeTokens: 10))
    bench.sample("r1", seq: 1, cost: 10)
    bench.sample("r2", seq: 2, cost: 10)
    _ = bench.actions()
    bench.ended(crashed: false)
    // What waits in the queue of all workers goes on waiting.
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 1"])
    bench.register(RouterBench.second, "w2")
    #expect(bench.actions() == ["command welcome to 102", "forward r2 to 102"])
    bench.sample("r1", seq: 1, cost: 10)
    #expect(bench.actions() == ["forward r1 to 102"])
    // A late answer of the dead does not count.
    bench.sampled("late", seq: 1)
    #expect(bench.actions().last == "drop late")
    bench.sampled("a", seq: 1, from: RouterBench.second)
    #expect(bench.actions() == ["deliver a to 1"])
  }

  @Test func queuedControlRequestsOfAnEndedWorkerAreSentAgain() {
    var bench = RouterBench(registered: false)
    bench.register(room: WorkerRoom(controlRequests: 1))
    bench.request("l1", .checkpointsImport, "s", seq: 1)
    bench.request("l2", .checkpointsImport, "s", seq: 2)
    _ = bench.actions()
    bench.ended(crashed: false)
    #expect(
      bench.actions() == [
        "answer 1 UNAVAILABLE to 1", "answer 2 UNAVAILABLE to 1", "drop l2",
      ])
    #expect(bench.report["tenant.default.waiting"] == 0)
    #expect(bench.report["tenant.default.in_flight"] == 0)
  }

  // MARK: Blame

  /// Two workers; two requests crash the first one together.
  private func crashed() -> RouterBench {
    var bench = RouterBench()
    bench.sample("r1", seq: 1)
    bench.sample("r2", seq: 2)
    bench.ended(crashed: true)
    bench.register(RouterBench.second, "w2")
    _ = bench.actions()
    return bench
  }

  @Test func suspectsRunAlone() {
    var bench = crashed()
    bench.sample("r1", seq: 1)
    bench.sample("r2", seq: 2)
    bench.sample("other", "s:sample:1", seq: 1)
    #expect(bench.actions() == ["forward r1 to 102"])
    bench.sampled("a", seq: 1, from: RouterBench.second)
    // Those that waited come before the next suspect.
    #expect(bench.actions() == ["deliver a to 1", "forward other to 102"])
    bench.sampled("b", "s:sample:1", seq: 1, from: RouterBench.second)
    #expect(bench.actions() == ["deliver b to 1", "forward r2 to 102"])
    bench.sampled("c", seq: 2, from: RouterBench.second)
    #expect(bench.actions() == ["deliver c to 1"])
    #expect(bench.state.suspects.isEmpty)
    // An answer clears it.
    bench.sample("r1", seq: 1)
    bench.sample("more", seq: 3)
    #expect(bench.actions() == ["forward r1 to 102", "forward more to 102"])
  }

  @Test func aSuspectWaitsUntilItsWorkerIsFree() {
    var bench = crashed()
    bench.sample("busy", "s:sample:1", seq: 1)
    bench.sample("r1", seq: 1)
    bench.sample("late", "s:sample:2", seq: 1)
    #expect(bench.actions() == ["forward busy to 102"])
    bench.sampled("a", "s:sample:1", seq: 1, from: RouterBench.second)
    #expect(bench.actions() == ["deliver a to 1", "forward r1 to 102"])
    bench.sampled("b", seq: 1, from: RouterBench.second)
    #expect(bench.actions() == ["deliver b to 1", "forward late to 102"])
  }

  @Test func aSuspectWhoseSessionEndsFreesItsWorker() {
    var bench = crashed()
    bench.sample("r1", seq: 1)
    bench.sample("other", "t:sample:1", seq: 1)
    #expect(bench.actions() == ["forward r1 to 102"])
    bench.control(.sessionEnded("s"), from: RouterBench.keeper)
    #expect(bench.actions().last == "forward other to 102")
  }

  @Test func othersGoOnAtOtherWorkers() {
    var bench = crashed()
    bench.register(ConnectionID(103), "w3")
    _ = bench.actions()
    bench.sample("r1", seq: 1)
    let first = bench.actions()
    #expect(first.count == 1)
    let other = first == ["forward r1 to 102"] ? 103 : 102
    for seq: UInt64 in 10...15 { bench.sample("other", seq: seq) }
    #expect(bench.actions() == Array(repeating: "forward other to \(other)", count: 6))
    // Models at the reserved worker wait, too.
    #expect(bench.state.workers.count { $0.isReserved } == 1)
  }

  @Test func theThirdCrashAloneCondemns() {
    var bench = crashed()
    for crash in 1...3 {
      bench.sample("r1", seq: 1)
      #expect(bench.actions() == ["forward r1 to \(101 + crash)"])
      bench.ended("w\(1 + crash)", crashed: true)
      #expect(
        bench.actions() == [crash < 3 ? "answer 1 UNAVAILABLE to 1" : "answer 1 INTERNAL to 1"])
      bench.register(ConnectionID(UInt64(102 + crash)), "w\(2 + crash)")
      _ = bench.actions()
    }
    bench.sample("r1", seq: 1)
    #expect(bench.actions() == ["answer 1 INTERNAL to 1", "drop r1"])
    // The other one was never alone at a crash.
    bench.sample("r2", seq: 2)
    #expect(bench.actions() == ["forward r2 to 105"])
  }

  @Test func killsFromOutsideAreNoCrashes() {
    var bench = RouterBench()
    for worker in 2...6 {
      bench.sample("r1", seq: 1)
      bench.sample("r2", seq: 2)
      bench.ended("w\(worker - 1)", crashed: false)
      bench.register(ConnectionID(UInt64(100 + worker)), "w\(worker)")
      #expect(bench.state.suspects.isEmpty)
    }
    _ = bench.actions()
    bench.sample("r1", seq: 1)
    bench.sample("r2", seq: 2)
    #expect(bench.actions() == ["forward r1 to 106", "forward r2 to 106"])
  }

  @Test func aConnectionLostBeforeTheReportIsRemembered() {
    var bench = RouterBench()
    bench.sample("r1", seq: 1)
    bench.state.lost(worker: RouterBench.worker, now: bench.now)
    bench.ended(crashed: true)
    #expect(bench.state.suspects.count == 1)
  }

  // MARK: Requests of models that crash their worker

  /// A model whose worker crashed with seq 1 and 2 under way; another worker opens it at seq 1.
  private func crashedModel() -> RouterBench {
    var bench = RouterBench { $0.recoversModels = true }
    bench.create()
    bench.request("r1", .trainingForwardBackward, seq: 1)
    bench.request("r2", seq: 2)
    bench.ended(crashed: true)
    _ = bench.actions()
    return bench
  }

  /// The model comes to a new worker.
  private func reopen(_ bench: inout RouterBench, _ worker: ConnectionID, _ name: String) {
    bench.register(worker, name)
    bench.request("r1", .trainingForwardBackward, seq: 1)
    bench.request("r2", seq: 2)
    _ = bench.actions()
    bench.control(
      .opened(OwnedStream(stream: "s:train:0", nextSeq: 1, epoch: bench.state.lastEpoch)),
      from: worker)
  }

  @Test func requestsOfAModelAreRetriedOneByOne() {
    var bench = crashedModel()
    reopen(&bench, RouterBench.second, "w2")
    bench.request("r3", seq: 3)
    bench.sample("other")
    #expect(bench.actions() == ["forward r1 to 102"])
    let epoch = bench.state.lastEpoch
    bench.response("a1", seq: 1, epoch: epoch, from: RouterBench.second)
    #expect(bench.actions() == ["deliver a1 to 1", "forward other to 102"])
    bench.sampled("b", from: RouterBench.second)
    #expect(bench.actions() == ["deliver b to 1", "forward r2 to 102"])
    bench.response("a2", seq: 2, epoch: epoch, from: RouterBench.second)
    // Seq 3 was not there at the crash.
    #expect(bench.actions() == ["deliver a2 to 1", "forward r3 to 102"])
    #expect(bench.state.suspects.isEmpty)
    #expect(bench.state.workers.allSatisfy { !$0.isReserved })
  }

  @Test func theThirdCrashAloneIsRecorded() {
    var bench = crashedModel()
    for crash in 1...3 {
      let worker = ConnectionID(UInt64(101 + crash))
      reopen(&bench, worker, "w\(1 + crash)")
      #expect(bench.actions() == ["forward r1 to \(worker.number)"])
      bench.ended("w\(1 + crash)", crashed: true)
      #expect(
        bench.actions() == ["answer 1 UNAVAILABLE to 1", "answer 2 UNAVAILABLE to 1", "drop r2"])
    }
    reopen(&bench, ConnectionID(110), "w9")
    // The owner records the refusal in the request's turn; the next one is still suspected.
    #expect(bench.actions() == ["tombstone 1 INTERNAL to 110"])
    let epoch = bench.state.lastEpoch
    bench.response("a1", seq: 1, code: .internal, epoch: epoch, from: ConnectionID(110))
    #expect(bench.actions() == ["deliver a1 to 1", "forward r2 to 110"])
    bench.response("a2", seq: 2, epoch: epoch, from: ConnectionID(110))
    #expect(bench.state.suspects.isEmpty)
  }

  @Test func answersFromBeforeTheCrashAreNotSuspected() {
    var bench = crashedModel()
    bench.register(RouterBench.second, "w2")
    bench.request("r1", .trainingForwardBackward, seq: 1)
    _ = bench.actions()
    // It had been recorded: the owner has the answer.
    bench.control(
      .opened(OwnedStream(stream: "s:train:0", nextSeq: 2, epoch: bench.state.lastEpoch)),
      from: RouterBench.second)
    #expect(bench.actions() == ["forward r1 to 102"])
    bench.response("a1", seq: 1, epoch: bench.state.lastEpoch, from: RouterBench.second)
    #expect(bench.actions() == ["deliver a1 to 1"])
    #expect(bench.state.suspects.count == 1)
  }

  @Test func suspectsAreForgottenInTime() {
    var bench = crashed()
    #expect(bench.state.suspects.count == 2)
    bench.pass(RouterLimits.idleMilliseconds)
    #expect(bench.state.suspects.isEmpty)
  }

  @Test func theTableOfSuspectsIsBounded() {
    var table = SuspectTable()
    let keys = (0..<UInt64(RouterLimits.suspects + 10)).map {
      RequestKey(stream: 1, generation: 0, seq: $0)
    }
    let other = RequestKey(stream: 2, generation: 0, seq: 0)
    table.crashed([(other, tenant: 2)], alone: nil, now: 0)
    table.crashed(keys.map { ($0, tenant: 1) }, alone: nil, now: 0)
    // One tenant has at most half, and forgets none but its own.
    #expect(table.count <= RouterLimits.suspects / 2 + 1)
    #expect(table.crashes(of: other) == 0)
    #expect(table.crashes(of: keys[0]) == nil)
    #expect(table.crashes(of: keys[keys.count - 1]) == 0)
  }

  // MARK: Clients

  @Test func theSamplingOfALostClientIsGivenUp() {
    var bench = RouterBench(registered: false)
    bench.register(room: WorkerRoom(decodeTokens: 10))
    bench.create()
    bench.request("step", seq: 1)
    bench.sample("r1", seq: 1, cost: 10)
    bench.sample("r2", seq: 2, cost: 10)
    bench.sample("theirs", seq: 3, cost: 10, from: RouterBench.other)
    _ = bench.actions()
    bench.state.lost(client: RouterBench.client)
    // What was sent to a model runs on; what another connection asked for, too.
    #expect(
      bench.actions() == ["command cancel(stream: \"s:sample:0\", seq: 1) to 101", "drop r2"])
    bench.sampled("a", seq: 1, code: .cancelled)
    // Its client has not asked for that: were it there after all, it would send the request again.
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 1", "drop a", "forward theirs to 101"])
  }

  @Test func aClientThatComesBackInTimeGetsItsAnswerAllTheSame() {
    var bench = RouterBench()
    bench.sample("r1", seq: 1)
    bench.sample("r2", seq: 2)
    bench.state.lost(client: RouterBench.client)
    _ = bench.actions()
    bench.sample("r1", seq: 1, from: RouterBench.other)
    bench.sample("r2", seq: 2, from: RouterBench.other)
    #expect(
      bench.actions() == [
        "drop r1", "ask 101 for s:sample:0 1 at 0", "drop r2", "ask 101 for s:sample:0 2 at 0",
      ])
    // The first was cancelled before that, and has to be sent again; the other was done.
    bench.sampled("a", seq: 1, code: .cancelled)
    bench.sampled("b", seq: 2)
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 2", "drop a", "deliver b to 2"])
    bench.sample("r1", seq: 1, from: RouterBench.other)
    #expect(bench.actions() == ["forward r1 to 101"])
  }

  @Test func aSilentConnectionIsALostOne() {
    var bench = RouterBench { $0.workerTimeoutMilliseconds = 1_000_000 }
    bench.sample("r1", seq: 1)
    _ = bench.actions()
    bench.pass(29_999)
    #expect(bench.actions() == [])
    bench.request("beat", .sessionsHeartbeat, "s", seq: 1)
    _ = bench.actions()
    bench.pass(29_999)
    #expect(bench.actions() == [])
    bench.pass(1)
    #expect(bench.actions() == ["command cancel(stream: \"s:sample:0\", seq: 1) to 101"])
    bench.pass(30_000)
    #expect(bench.actions() == [])
  }
}
