import Testing
import Wire

@testable import RPC

/// Registration, epochs, placement and lost workers.
@Suite struct RouterWorkerTests {
  @Test func withoutWorkersStreamsAreUnavailable() {
    var bench = RouterBench(registered: false)
    bench.request("create", .trainingCreateModel, seq: 0)
    #expect(bench.actions() == ["answer 0 UNAVAILABLE to 1", "drop create"])
    bench.register()
    bench.request("create", .trainingCreateModel, seq: 0)
    #expect(bench.actions().last == "command open(stream: \"s:train:0\", epoch: 1) to 101")
  }

  @Test func afterAStartUnknownStreamsWaitForTheKnownWorkers() {
    var bench = RouterBench({ $0.expectedWorkers = 2 })
    bench.request("r7", seq: 7, acked: 6)
    #expect(bench.actions() == ["answer 7 UNAVAILABLE to 1", "drop r7"])
    // The second worker comes back with the stream.
    bench.register(
      RouterBench.second, "w2",
      streams: [OwnedStream(stream: "s:train:0", nextSeq: 7, epoch: 3)])
    bench.request("r7", seq: 7, acked: 6)
    #expect(bench.actions() == ["command welcome to 102", "forward r7 to 102"])
    bench.response("a", seq: 7, epoch: 3, from: RouterBench.second)
    #expect(bench.actions() == ["deliver a to 1"])
  }

  @Test func afterTheWaitUnknownStreamsArePlaced() {
    var bench = RouterBench({ $0.expectedWorkers = 2 })
    bench.pass(5000)
    bench.request("r7", seq: 7, acked: 6)
    #expect(bench.actions() == ["command open(stream: \"s:train:0\", epoch: 1) to 101"])
    bench.control(.opened(OwnedStream(stream: "s:train:0", nextSeq: 7, epoch: 4)))
    #expect(bench.actions() == ["forward r7 to 101"])
  }

  @Test func anOwnerThatLostTheStreamIsAskedAllTheSame() {
    var bench = RouterBench()
    bench.request("r7", seq: 7, acked: 6)
    _ = bench.actions()
    // It knows nothing: it must be the one to say DATA_LOSS.
    bench.control(.opened(OwnedStream(stream: "s:train:0", nextSeq: 0, epoch: 1)))
    bench.request("r8", seq: 8, acked: 6)
    #expect(bench.actions() == ["forward r7 to 101", "forward r8 to 101"])
  }

  @Test func aRecoveredOwnerIsAskedAboutRepeats() {
    var bench = RouterBench()
    bench.request("r5", seq: 5, acked: 4)
    bench.request("r6", seq: 6, acked: 4)
    bench.request("r7", seq: 7, acked: 4)
    _ = bench.actions()
    bench.control(.opened(OwnedStream(stream: "s:train:0", nextSeq: 6, epoch: 1)))
    #expect(
      bench.actions() == ["forward r5 to 101", "forward r6 to 101", "forward r7 to 101"])
  }

  @Test func aLostWorkersRequestsAreUnavailable() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1)
    bench.request("r3", seq: 3)
    _ = bench.actions()
    bench.state.lost(worker: RouterBench.worker, now: bench.now)
    #expect(
      bench.actions() == [
        "answer 1 UNAVAILABLE to 1", "answer 3 UNAVAILABLE to 1", "drop r3",
      ])
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 1", "drop r1"])
    // Back with its streams on a new connection: seq 1 did run there.
    bench.register(
      RouterBench.second, "w1", streams: [OwnedStream(stream: "s:train:0", nextSeq: 2, epoch: 1)])
    bench.request("r2", seq: 2)
    bench.request("r1", seq: 1)
    #expect(
      bench.actions() == [
        "command welcome to 102", "forward r2 to 102", "forward r1 to 102",
      ])
  }

  @Test func recoverableStreamsGoToAnotherWorkerAtANewEpoch() {
    var bench = RouterBench { $0.recoversModels = true }
    bench.create()
    bench.register(RouterBench.second, "w2")
    bench.state.lost(worker: RouterBench.worker, now: bench.now)
    bench.pass(5000)
    _ = bench.actions()
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["command open(stream: \"s:train:0\", epoch: 2) to 102"])
    bench.control(
      .opened(OwnedStream(stream: "s:train:0", nextSeq: 1, epoch: 2)), from: RouterBench.second)
    #expect(bench.actions() == ["forward r1 to 102"])
    // The old owner comes back and still believes in its epoch.
    bench.register(
      RouterBench.worker, "w1", streams: [OwnedStream(stream: "s:train:0", nextSeq: 5, epoch: 1)])
    #expect(
      bench.actions() == [
        "command welcome to 101", "command close(stream: \"s:train:0\", epoch: 1) to 101",
      ])
    bench.response("old", seq: 1, epoch: 1, from: RouterBench.worker)
    #expect(bench.actions() == ["drop old"])
    bench.response("new", seq: 1, epoch: 2, from: RouterBench.second)
    #expect(bench.actions() == ["deliver new to 1"])
  }

  @Test func anAnswerOfAnOlderEpochIsDropped() {
    var bench = RouterBench()
    bench.request("r7", seq: 7, acked: 6)
    bench.control(.opened(OwnedStream(stream: "s:train:0", nextSeq: 7, epoch: 4)))
    bench.response("old", seq: 7, epoch: 3)
    #expect(bench.actions().last == "drop old")
    bench.response("new", seq: 7, epoch: 4)
    #expect(bench.actions() == ["deliver new to 1"])
  }

  @Test func aLostWorkersSamplingGoesToAnotherAtOnce() {
    var bench = RouterBench()
    bench.request("r1", .samplingSample, "s:sample:0", seq: 1)
    bench.register(RouterBench.second, "w2")
    _ = bench.actions()
    bench.state.lost(worker: RouterBench.worker, now: bench.now)
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 1"])
    bench.request("r1", .samplingSample, "s:sample:0", seq: 1)
    #expect(bench.actions() == ["forward r1 to 102"])
  }

  @Test func silentWorkersAreGone() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1)
    _ = bench.actions()
    bench.pass(9999)
    #expect(bench.actions() == [])
    bench.control(.heartbeat(progress: 1, outstanding: 1, room: WorkerRoom()))
    #expect(bench.actions() == ["command heartbeat to 101"])
    bench.pass(9999)
    #expect(bench.actions() == [])
    bench.pass(1)
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 1"])
    bench.control(.heartbeat(progress: 1, outstanding: 1, room: WorkerRoom()))
    #expect(bench.actions() == ["command registerAgain to 101"])
  }

  @Test func wordsOfStrangersAskForRegistration() {
    var bench = RouterBench()
    bench.response("a", seq: 1, from: ConnectionID(999))
    #expect(bench.actions() == ["command registerAgain to 999", "drop a"])
  }

  @Test func modelsGoToTheWorkerWithTheFewest() {
    var bench = RouterBench()
    bench.register(RouterBench.second, "w2")
    _ = bench.actions()
    bench.create("s:train:0", worker: RouterBench.worker)
    bench.request("create", .trainingCreateModel, "s:train:1", seq: 0)
    #expect(bench.actions() == ["command open(stream: \"s:train:1\", epoch: 1) to 102"])
  }

  @Test func samplingSessionsFindTheirWorkerAgain() {
    var homes: [[UInt64]] = []
    for _ in 0..<2 {
      // A router that knows nothing of the other one.
      var bench = RouterBench()
      bench.register(RouterBench.second, "w2")
      homes.append(
        (0..<40).map { number in
          bench.request("r", .samplingSample, "s:sample:\(number)", seq: 1)
          let home = bench.state.streams.last?.home ?? 0
          return bench.state.workers[home].connection.number
        })
    }
    #expect(homes[0] == homes[1])
    #expect(Set(homes[0]) == [101, 102])
  }

  @Test func anEndedSessionIsRefusedAndItsWorkersAreTold() {
    var bench = RouterBench()
    bench.create()
    bench.request("r2", seq: 2)
    _ = bench.actions()
    bench.control(.sessionEnded("s"), from: RouterBench.keeper)
    #expect(
      bench.actions() == [
        "answer 2 UNAUTHENTICATED to 1", "drop r2", "command sessionEnded(\"s\") to 101",
      ])
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["answer 1 UNAUTHENTICATED to 1", "drop r1"])
  }

  @Test func modelsThatWorkersCannotServeAreToldOnce() {
    var bench = RouterBench(registered: false)
    func hello(_ name: String) -> WorkerMessage {
      var hello = WorkerHello(name: name)
      hello.refusedModels = ["m": "/m: is damaged"]
      return .hello(hello)
    }
    bench.control(hello("w1"))
    #expect(bench.actions().first == "warning base model m is not served: /m: is damaged")
    bench.control(hello("w2"), from: RouterBench.second)
    #expect(!bench.actions().contains { $0.hasPrefix("warning") })
    bench.ended("w1", crashed: false)
    #expect(bench.state.refusedModels == ["m": "/m: is damaged"])
    // It is mended, and the last one that knew otherwise is gone.
    bench.ended("w2", crashed: false)
    bench.register()
    #expect(bench.state.refusedModels.isEmpty)
  }

  @Test func onlyTheKeeperEndsSessions() {
    var bench = RouterBench()
    bench.create()
    bench.control(.sessionEnded("s"))
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["forward r1 to 101"])
  }

  @Test func aLeaseDoesNotEndWithWorkUnderWay() {
    var bench = RouterBench { $0.leaseMilliseconds = 1000 }
    bench.create()
    bench.request("r1", seq: 1)
    bench.pass(1500)
    bench.response("a", seq: 1)
    #expect(bench.actions() == ["forward r1 to 101", "deliver a to 1"])
    bench.pass(999)
    #expect(bench.actions() == [])
    bench.pass(501)
    #expect(bench.actions() == ["command sessionEnded(\"s\") to 101"])
  }

  /// It goes on until its end is recorded: a restart must not bring back what others think is gone.
  @Test func aSessionEndsOnceThatIsRecorded() {
    var bench = RouterBench { $0.leaseMilliseconds = 5000 }
    bench.endsSessions = false
    bench.create()
    bench.pass(5000)
    #expect(bench.actions() == ["expired s"])
    bench.request("r1", seq: 1)
    bench.response("a", seq: 1)
    #expect(bench.actions() == ["forward r1 to 101", "deliver a to 1"])
    bench.pass(4999)
    #expect(bench.actions() == [])
    bench.pass(501)
    #expect(bench.actions() == ["expired s"])
    bench.pass(RouterLimits.endingMilliseconds + 500)
    #expect(bench.actions() == ["expired s"])
    bench.state.end(session: "s", bench.now)
    #expect(bench.actions() == ["command sessionEnded(\"s\") to 101"])
    bench.pass(10_000)
    #expect(bench.actions() == [])
  }

  @Test func partialsGoToTheConnectionThatAskedLast() {
    var bench = RouterBench()
    bench.request("r1", .samplingSample, "s:sample:0", seq: 1)
    bench.response("p", "s:sample:0", seq: 1, epoch: 0, event: .partial)
    bench.request("r1", .samplingSample, "s:sample:0", seq: 1, from: RouterBench.other)
    bench.response("q", "s:sample:0", seq: 1, epoch: 0, event: .partial)
    bench.response("a", "s:sample:0", seq: 1, epoch: 0)
    bench.response("late", "s:sample:0", seq: 1, epoch: 0, event: .partial)
    #expect(
      bench.actions() == [
        "forward r1 to 101", "deliver p to 1", "drop r1", "ask 101 for s:sample:0 1 at 0",
        "deliver q to 2", "deliver a to 2", "drop late",
      ])
  }
}
