import Testing
import Wire

@testable import RPC

/// Order, repeats and windows.
@Suite struct RouterOrderTests {
  @Test func aCreationOpensItsStreamAtAWorker() {
    var bench = RouterBench()
    bench.request("create", .trainingCreateModel, seq: 0)
    #expect(
      bench.actions() == ["command open(stream: \"s:train:0\", epoch: 1) to 101"])
    bench.control(.opened(OwnedStream(stream: "s:train:0", nextSeq: 0, epoch: 1)))
    #expect(bench.actions() == ["forward create to 101"])
    bench.response("created", seq: 0)
    #expect(bench.actions() == ["deliver created to 1"])
  }

  @Test func scrambledRequestsGoInOrder() {
    var bench = RouterBench()
    bench.create()
    for seq: UInt64 in [3, 5, 2, 4] { bench.request("r\(seq)", seq: seq) }
    #expect(bench.actions() == [])
    bench.request("r1", seq: 1)
    #expect(bench.actions() == (1...5).map { "forward r\($0) to 101" })
  }

  @Test func aWholeStreamMayArriveBeforeItsCreation() {
    var bench = RouterBench()
    bench.request("r2", seq: 2)
    bench.request("r1", seq: 1)
    #expect(bench.actions() == [])
    bench.request("create", .trainingCreateModel, seq: 0)
    bench.control(.opened(OwnedStream(stream: "s:train:0", nextSeq: 0, epoch: 1)))
    #expect(
      bench.actions().suffix(3) == [
        "forward create to 101", "forward r1 to 101", "forward r2 to 101",
      ])
  }

  @Test func aRepeatWhileRunningGoesToTheOwnerAndMovesTheAnswer() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1)
    bench.request("again", seq: 1, from: RouterBench.other)
    #expect(bench.actions() == ["forward r1 to 101", "forward again to 101"])
    bench.response("a", seq: 1)
    bench.response("b", seq: 1)
    #expect(bench.actions() == ["deliver a to 2", "deliver b to 2"])
    // Both copies are answered; a third answer belongs to nobody.
    bench.response("c", seq: 1)
    #expect(bench.actions() == ["drop c"])
  }

  @Test func copiesOfOneRequestAreLimited() {
    var bench = RouterBench()
    bench.create()
    for copy in 1...10 { bench.request("r\(copy)", seq: 1) }
    let actions = bench.actions()
    #expect(actions.filter { $0.hasPrefix("forward") }.count == RouterLimits.copies)
    #expect(actions.filter { $0.hasPrefix("drop") } == ["drop r9", "drop r10"])
  }

  @Test func aRepeatWhileHeldIsComparedByTheOwnerLater() {
    var bench = RouterBench()
    bench.create()
    bench.request("r2", seq: 2)
    bench.request("r2 again", seq: 2, from: RouterBench.other)
    #expect(bench.actions() == [])
    bench.request("r1", seq: 1)
    #expect(
      bench.actions() == [
        "forward r1 to 101", "forward r2 to 101", "forward r2 again to 101",
      ])
    bench.response("a", seq: 2)
    #expect(bench.actions() == ["deliver a to 2"])
  }

  @Test func aRepeatOfSomethingAnsweredIsTheOwnersToAnswer() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1)
    bench.response("a", seq: 1)
    _ = bench.actions()
    bench.request("r1 again", seq: 1)
    #expect(bench.actions() == ["forward r1 again to 101"])
    bench.response("a again", seq: 1)
    #expect(bench.actions() == ["deliver a again to 1"])
    // It did not disturb the order.
    bench.request("r2", seq: 2)
    #expect(bench.actions() == ["forward r2 to 101"])
  }

  @Test(arguments: [StatusCode.unavailable, .resourceExhausted, .aborted])
  func aSeqThatWasNotUsedUpRunsAgain(code: StatusCode) {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1)
    bench.response("no", seq: 1, code: code)
    _ = bench.actions()
    bench.request("r2", seq: 2)
    #expect(bench.actions() == [])
    bench.request("r1 again", seq: 1)
    #expect(bench.actions() == ["forward r1 again to 101", "forward r2 to 101"])
  }

  @Test func aLateCopyOfSomethingAcknowledgedDoesNotTurnTheStreamBack() {
    var bench = RouterBench()
    bench.create()
    for seq: UInt64 in 1...3 {
      bench.request("r\(seq)", seq: seq)
      bench.response("a", seq: seq)
    }
    _ = bench.actions()
    bench.request("late", seq: 1)
    bench.response("stale", seq: 1, code: .aborted)
    bench.request("r4", seq: 4, acked: 3)
    #expect(bench.actions() == ["forward late to 101", "deliver stale to 1", "forward r4 to 101"])
  }

  @Test func otherStreamsDoNotWaitForAGap() {
    var bench = RouterBench()
    bench.create()
    bench.create("s:train:1")
    bench.request("r2", seq: 2)
    bench.request("other", .trainingOptimStep, "s:train:1", seq: 1)
    #expect(bench.actions() == ["forward other to 101"])
  }

  @Test func independentRequestsRunAsTheyCome() {
    var bench = RouterBench()
    for seq: UInt64 in [7, 3, 5] {
      bench.request("r\(seq)", .samplingSample, "s:sample:0", seq: seq)
    }
    #expect(bench.actions() == [7, 3, 5].map { "forward r\($0) to 101" })
    // A repeat of one that runs moves the answer; its worker is asked whether it runs there.
    bench.request("again", .samplingSample, "s:sample:0", seq: 3, from: RouterBench.other)
    #expect(bench.actions() == ["drop again", "ask 101 for s:sample:0 3 at 0"])
    bench.response("a", "s:sample:0", seq: 3, epoch: 0)
    #expect(bench.actions() == ["deliver a to 2"])
  }

  // MARK: Windows

  @Test func aFullWindowWithTheFirstMessageLostDoesNotLivelock() {
    var bench = RouterBench { $0.windowRequests = 4 }
    bench.create()
    // Seq 1 was lost; 2 to 5 fill the window.
    for seq: UInt64 in 2...5 { bench.request("r\(seq)", seq: seq) }
    #expect(bench.actions() == [])
    bench.request("r6", seq: 6)
    #expect(bench.actions() == ["answer 6 RESOURCE_EXHAUSTED to 1", "drop r6"])
    bench.request("r1", seq: 1)
    #expect(bench.actions() == (1...5).map { "forward r\($0) to 101" })
  }

  @Test func theHighestSeqsAreEvictedForLowerOnes() {
    var bench = RouterBench { $0.windowRequests = 2 }
    bench.create()
    bench.request("r5", seq: 5)
    bench.request("r4", seq: 4)
    bench.request("r3", seq: 3)
    #expect(bench.actions() == ["answer 5 RESOURCE_EXHAUSTED to 1", "drop r5"])
    bench.request("r2", seq: 2)
    #expect(bench.actions() == ["answer 4 RESOURCE_EXHAUSTED to 1", "drop r4"])
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["forward r1 to 101", "forward r2 to 101", "forward r3 to 101"])
  }

  @Test func bytesCountAsWell() {
    var bench = RouterBench { $0.windowBytes = 1000 }
    bench.create()
    bench.request("r2", seq: 2, bytes: 900)
    bench.request("r3", seq: 3, bytes: 200)
    #expect(bench.actions() == ["answer 3 RESOURCE_EXHAUSTED to 1", "drop r3"])
    bench.request("r1", seq: 1, bytes: 5000)
    #expect(bench.actions() == ["forward r1 to 101", "forward r2 to 101"])
  }

  @Test func answersGiveTheWindowBack() {
    var bench = RouterBench { $0.windowRequests = 1 }
    for seq: UInt64 in 1...3 {
      bench.request("r", .samplingSample, "s:sample:0", seq: seq)
      #expect(bench.actions() == ["forward r to 101"])
      bench.request("too many", .samplingSample, "s:sample:0", seq: seq + 10)
      #expect(
        bench.actions() == ["answer \(seq + 10) RESOURCE_EXHAUSTED to 1", "drop too many"])
      bench.response("a", "s:sample:0", seq: seq, epoch: 0)
      _ = bench.actions()
    }
  }

  // MARK: Room

  @Test func requestsWaitForRoomAtTheirWorker() {
    var bench = RouterBench(registered: false)
    bench.register(room: WorkerRoom(trainingTokens: 100, decodeTokens: 100, controlRequests: 10))
    bench.create()
    for seq: UInt64 in 1...3 {
      bench.request("r\(seq)", .trainingForwardBackward, seq: seq, cost: 60)
    }
    #expect(bench.actions() == ["forward r1 to 101"])
    bench.response("a", seq: 1)
    #expect(bench.actions() == ["deliver a to 1", "forward r2 to 101"])
    bench.response("b", seq: 2)
    #expect(bench.actions() == ["deliver b to 1", "forward r3 to 101"])
  }

  @Test func aRequestLargerThanAllRoomRunsAlone() {
    var bench = RouterBench(registered: false)
    bench.register(room: WorkerRoom(trainingTokens: 100, decodeTokens: 100, controlRequests: 10))
    bench.create()
    bench.request("large", .trainingForward, seq: 1, cost: 5000)
    bench.request("small", .trainingForward, seq: 2, cost: 1)
    #expect(bench.actions() == ["forward large to 101"])
    bench.response("a", seq: 1)
    #expect(bench.actions() == ["deliver a to 1", "forward small to 101"])
  }

  @Test func waitingForRoomKeepsTheOrderOfAStream() {
    var bench = RouterBench(registered: false)
    bench.register(room: WorkerRoom(trainingTokens: 100, decodeTokens: 100, controlRequests: 10))
    bench.create()
    bench.request("f1", .trainingForward, seq: 1, cost: 100)
    bench.request("f2", .trainingForward, seq: 2, cost: 100)
    // Of another class, with room; still behind f2.
    bench.request("step", .trainingOptimStep, seq: 3)
    #expect(bench.actions() == ["forward f1 to 101"])
    bench.response("a", seq: 1)
    #expect(bench.actions() == ["deliver a to 1", "forward f2 to 101", "forward step to 101"])
  }

  @Test func streamsTakeTurnsForRoom() {
    var bench = RouterBench(registered: false)
    bench.register(room: WorkerRoom(trainingTokens: 10, decodeTokens: 10, controlRequests: 10))
    bench.create()
    bench.create("s:train:1")
    for seq: UInt64 in 1...3 {
      bench.request("a\(seq)", .trainingForward, "s:train:0", seq: seq, cost: 10)
      bench.request("b\(seq)", .trainingForward, "s:train:1", seq: seq, cost: 10)
    }
    #expect(bench.actions() == ["forward a1 to 101"])
    bench.response("x", "s:train:0", seq: 1)
    #expect(bench.actions().last == "forward b1 to 101")
    bench.response("x", "s:train:1", seq: 1)
    #expect(bench.actions().last == "forward a2 to 101")
  }
}
