import Testing
import Wire
import ZeroMQ

@testable import RPC

/// What is refused, and in whose words.
@Suite struct RouterRefusalTests {
  @Test func anUnreadableHeaderIsAnsweredOnItsConnection() {
    var bench = RouterBench()
    bench.state.unreadable("garbage", from: RouterBench.other)
    #expect(bench.actions() == ["answer 0 INVALID_ARGUMENT to 2 field header"])
  }

  @Test func anotherProtocolVersionIsRefused() {
    var bench = RouterBench()
    bench.request("r", seq: 0) { $0.version = 2 }
    #expect(bench.actions() == ["answer 0 UNIMPLEMENTED to 1 field protocol_version", "drop r"])
  }

  @Test func aMissingTokenIsRefused() {
    var bench = RouterBench()
    bench.request("r", seq: 0, session: nil)
    #expect(bench.actions() == ["answer 0 UNAUTHENTICATED to 1 field session_token", "drop r"])
  }

  @Test func aForgedTokenIsRefused() {
    var bench = RouterBench()
    bench.request("r", seq: 0) { $0.sessionToken = "s." + String(repeating: "0", count: 64) }
    #expect(bench.actions() == ["answer 0 UNAUTHENTICATED to 1 field session_token", "drop r"])
  }

  @Test(arguments: ["t:train:0", "sx:train:0", "s", "@1", "s:\u{1}"])
  func streamsOfOthersAreRefused(stream: String) {
    var bench = RouterBench()
    bench.request("r", .trainingCreateModel, stream, seq: 0, session: "s")
    let actions = bench.actions()
    #expect(actions.count == 2)
    #expect(actions.first?.hasSuffix("field stream") == true)
  }

  @Test(arguments: [nil, "s"]) func aMethodOfNoSessionHasNoStreamOfOne(token: String?) {
    var bench = RouterBench()
    bench.create()
    for method in [Method.adminWorkerPing, .adminStats, .sessionsCreate] {
      bench.request("r", method, "s:train:0", seq: 1, session: token)
      #expect(bench.actions() == ["answer 1 INVALID_ARGUMENT to 1 field stream", "drop r"])
    }
  }

  @Test func anUnknownMethodInAStreamUsesUpItsSeq() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1) { $0.methodNumber = 299 }
    #expect(bench.actions() == ["tombstone 1 UNIMPLEMENTED to 101 field method", "drop r1"])
    bench.request("r2", seq: 2)
    #expect(bench.actions() == ["forward r2 to 101"])
  }

  @Test func anUnknownMethodWithoutAStreamIsAnsweredAtOnce() {
    var bench = RouterBench()
    bench.request("r", .adminPing, "s:x", seq: 4) { $0.methodNumber = 999 }
    #expect(bench.actions() == ["answer 4 UNIMPLEMENTED to 1 field method", "drop r"])
  }

  @Test func aMethodOfAnotherKindOfStreamUsesUpItsSeq() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", .samplingSample, seq: 1)
    #expect(bench.actions() == ["tombstone 1 INVALID_ARGUMENT to 101 field stream", "drop r1"])
  }

  /// Also of the keeper's, which has streams of its own.
  @Test(arguments: [Method.checkpointsList, .sessionsHeartbeat, .sessionsFinish])
  func aMethodOfTheKeeperInAModelsStreamUsesUpItsSeq(method: Method) {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", method, seq: 1)
    #expect(bench.actions() == ["tombstone 1 INVALID_ARGUMENT to 101 field stream", "drop r1"])
    bench.request("r2", seq: 2)
    #expect(bench.actions() == ["forward r2 to 101"])
  }

  /// What comes first makes a stream no other kind than its name says.
  @Test func aModelsStreamIsInOrderFromTheFirstRequestOn() {
    var bench = RouterBench()
    bench.sample("r1", "s:train:0", seq: 1)
    #expect(bench.actions() == ["drop r1"])
    bench.create()
    #expect(bench.actions() == [])
    bench.request("r2", seq: 2)
    #expect(bench.actions() == ["forward r2 to 101"])
    bench.request("far", .samplingSample, "s:train:1", seq: .max)
    #expect(
      bench.actions() == ["answer \(UInt64.max) INVALID_ARGUMENT to 1 field seq", "drop far"])
  }

  @Test(arguments: ["s", "s:sample:0", "s:checkpoints", "s:training:0", ""])
  func aModelIsMadeInTheStreamOfOne(stream: String) {
    var bench = RouterBench()
    bench.request("r", .trainingCreateModel, stream, seq: 0)
    #expect(bench.actions() == ["answer 0 INVALID_ARGUMENT to 1 field stream", "drop r"])
  }

  @Test func aTombstoneSaysWhatWasRefused() throws {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", .trainingForwardBackward, seq: 1, excess: .parts)
    var actions: [RouterAction] = []
    bench.state.takeActions(into: &actions)
    guard case .tombstone(let header, _) = try #require(actions.first) else {
      Issue.record("no tombstone")
      return
    }
    #expect(header.method == .trainingForwardBackward)
  }

  @Test func aTombstoneWaitsForItsTurn() {
    var bench = RouterBench()
    bench.create()
    bench.request("r2", seq: 2) { $0.methodNumber = 299 }
    #expect(bench.actions() == ["drop r2"])
    bench.request("r1", seq: 1)
    #expect(
      bench.actions() == ["forward r1 to 101", "tombstone 2 UNIMPLEMENTED to 101 field method"])
  }

  @Test func creatingTwiceIsRefused() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", .trainingCreateModel, seq: 1)
    #expect(bench.actions() == ["tombstone 1 INVALID_ARGUMENT to 101 field seq", "drop r1"])
  }

  @Test func flagsOfRoutersAreRefused() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1) { $0.flags = .tombstone }
    #expect(bench.actions() == ["answer 1 INVALID_ARGUMENT to 1 field flags", "drop r1"])
  }

  /// An option is never ignored in silence.
  @Test(arguments: [
    (Wire.Method.trainingOptimStep, UInt32(8)), (.trainingOptimStep, 1 << 31),
    (.samplingSample, 16), (.trainingOptimStep, 1), (.trainingGetInfo, 2), (.trainingForward, 3),
  ])
  func flagsThatMeanNothingAreRefused(method: Wire.Method, flags: UInt32) {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", method, seq: 1) { $0.flags = RequestHeader.Flags(rawValue: flags) }
    #expect(bench.actions() == ["answer 1 INVALID_ARGUMENT to 1 field flags", "drop r1"])
    bench.request("r2", .trainingOptimStep, seq: 1) { $0.flags = .applyPartial }
    #expect(bench.actions() == ["forward r2 to 101"])
  }

  @Test func tooManyBytesUseUpTheSeq() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1, excess: .bytes)
    #expect(bench.actions() == ["tombstone 1 INVALID_ARGUMENT to 101", "drop r1"])
  }

  @Test func callsWithoutAStreamAreToldApartByConnection() {
    var bench = RouterBench()
    bench.request("a", .adminPing, "", seq: 0, from: RouterBench.client, session: nil)
    bench.request("b", .adminPing, "", seq: 0, from: RouterBench.other, session: nil)
    #expect(bench.actions() == ["forward a as @1 to 100", "forward b as @2 to 100"])
    bench.response("x", "@2", seq: 0, epoch: 0, from: RouterBench.keeper)
    bench.response("y", "@1", seq: 0, epoch: 0, from: RouterBench.keeper)
    #expect(bench.actions() == ["deliver x unnamed to 2", "deliver y unnamed to 1"])
  }

  @Test func oneNameServesForKeeperAndWorker() {
    var bench = RouterBench()
    bench.request("a", .sessionsHeartbeat, "s", seq: 0)
    bench.request("b", .checkpointsImport, "s", seq: 0)
    #expect(bench.actions() == ["forward a to 100", "forward b to 101"])
    bench.response("x", "s", seq: 0, epoch: 0, from: RouterBench.worker)
    bench.response("y", "s", seq: 0, epoch: 0, from: RouterBench.keeper)
    #expect(bench.actions() == ["deliver x to 1", "deliver y to 1"])
  }

  @Test func aSessionHasOnlySoManyModels() {
    var bench = RouterBench()
    for number in 0..<RouterLimits.streamsPerSession {
      bench.request("r", .trainingCreateModel, "s:train:\(number)", seq: 0)
      bench.control(
        .opened(OwnedStream(stream: "s:train:\(number)", nextSeq: 0, epoch: 1)))
      bench.response("a", "s:train:\(number)", seq: 0)
    }
    _ = bench.actions()
    bench.request("r", .trainingCreateModel, "s:train:x", seq: 0)
    #expect(bench.actions() == ["answer 0 RESOURCE_EXHAUSTED to 1", "drop r"])
    // Another session is not concerned.
    bench.request("r", .trainingCreateModel, "t:train:0", seq: 0, session: "t")
    #expect(bench.actions().first?.hasPrefix("command open") == true)
  }

  @Test(arguments: ["s:train:a/b", "s:train:é", "s:train:" + String(repeating: "n", count: 200)])
  func aModelsNameIsThatOfAFolder(stream: String) {
    var bench = RouterBench()
    bench.request("r", .trainingCreateModel, stream, seq: 0)
    #expect(bench.actions() == ["answer 0 INVALID_ARGUMENT to 1 field stream", "drop r"])
  }

  @Test(arguments: ["s:\u{7f}", "s:\u{85}", "s:a\n"])
  func controlCharactersAreNoNames(stream: String) {
    var bench = RouterBench()
    bench.sample("r", stream, seq: 0, session: "s")
    #expect(bench.actions() == ["answer 0 INVALID_ARGUMENT to 1 field stream", "drop r"])
  }

  @Test func seqsOfModelsAreNotBeyondCounting() {
    var bench = RouterBench()
    bench.create()
    bench.request("r", seq: .max)
    bench.request("q", seq: 1, acked: .max)
    #expect(
      bench.actions() == [
        "answer \(UInt64.max) INVALID_ARGUMENT to 1 field seq", "drop r",
        "answer 1 INVALID_ARGUMENT to 1 field acked", "drop q",
      ])
    // Of an independent request it is only a name.
    bench.sample("s", seq: .max)
    bench.sampled("a", seq: .max)
    #expect(bench.actions() == ["forward s to 101", "deliver a to 1"])
  }

  // MARK: Futures

  @Test func cancellingAHeldRequestUsesUpItsSeq() {
    var bench = RouterBench()
    bench.create()
    bench.request("r2", seq: 2)
    bench.request("cancel", .futuresCancel, seq: 2)
    #expect(bench.actions() == ["drop r2", "drop cancel"])
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["forward r1 to 101", "tombstone 2 CANCELLED to 101"])
  }

  @Test func cancellingARunningRequestTellsItsWorker() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1)
    _ = bench.actions()
    bench.request("cancel", .futuresCancel, seq: 1)
    #expect(
      bench.actions() == [
        "command cancel(stream: \"s:train:0\", seq: 1) to 101", "drop cancel",
      ])
  }

  @Test func awaitingMovesTheAnswerOrAsksTheOwner() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1)
    bench.request("await", .futuresAwait, seq: 1, from: RouterBench.other)
    bench.response("a", seq: 1)
    #expect(
      bench.actions() == [
        "forward r1 to 101", "drop await", "ask 101 for s:train:0 1 at 1", "deliver a to 2",
      ])
    bench.request("await", .futuresAwait, seq: 1)
    bench.response("a", seq: 1)
    #expect(bench.actions() == ["forward await to 101", "deliver a to 1"])
  }

  @Test func awaitingAnUnknownStreamIsUnavailable() {
    var bench = RouterBench()
    bench.request("await", .futuresAwait, seq: 1)
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 1", "drop await"])
  }

  /// After a restart the router knows no streams; their owners' records have the answers.
  @Test func awaitingOpensTheModelsRecords() {
    var bench = RouterBench { $0.recoversModels = true }
    bench.request("await", .futuresAwait, seq: 1)
    bench.request("later", .futuresAwait, seq: 1, from: RouterBench.other)
    bench.request("next", .futuresAwait, seq: 2)
    #expect(
      bench.actions() == ["command open(stream: \"s:train:0\", epoch: 1) to 101", "drop await"])
    bench.control(.opened(OwnedStream(stream: "s:train:0", nextSeq: 2, epoch: 1)))
    // The owner says of what it never ran that it did not.
    #expect(bench.actions() == ["forward later to 101", "forward next to 101"])
    bench.response("a", seq: 1)
    bench.response("not here", seq: 2, code: .unavailable)
    #expect(bench.actions() == ["deliver a to 2", "deliver not here to 1"])
    bench.request("r2", seq: 2)
    #expect(bench.actions() == ["forward r2 to 101"])
  }

  @Test func aRequestThatComesWhileItIsAskedForIsRun() {
    var bench = RouterBench { $0.recoversModels = true }
    bench.request("await", .futuresAwait, seq: 1)
    bench.request("r1", seq: 1)
    _ = bench.actions()
    bench.control(.opened(OwnedStream(stream: "s:train:0", nextSeq: 1, epoch: 1)))
    #expect(bench.actions() == ["forward r1 to 101", "drop await"])
  }

  @Test func whoAsksForWhatCannotBeOpenedIsTold() {
    var bench = RouterBench { $0.recoversModels = true }
    bench.request("await", .futuresAwait, seq: 1)
    _ = bench.actions()
    let stream = OwnedStream(stream: "s:train:0", epoch: 1)
    bench.control(.closed(stream, code: .unavailable, message: "no room on the disk"))
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 1", "drop await"])
    bench.request("await", .futuresAwait, seq: 1)
    bench.ended(crashed: false)
    #expect(
      bench.actions() == [
        "command open(stream: \"s:train:0\", epoch: 2) to 101", "answer 1 UNAVAILABLE to 1",
        "drop await",
      ])
    bench.register()
    bench.request("await", .futuresAwait, seq: 1)
    _ = bench.actions()
    bench.pass(RouterLimits.gapMilliseconds + 1000)
    #expect(bench.actions().contains("answer 1 UNAVAILABLE to 1"))
    #expect(bench.state.outstanding == Account() && bench.state.heldBytes == 0)
  }

  @Test func aRequestThatItsWorkerNeverGotIsSentAgain() {
    var bench = RouterBench()
    bench.create()
    bench.request("r1", seq: 1)
    bench.request("await", .futuresAwait, seq: 1)
    _ = bench.actions()
    // What the worker says to the question.
    bench.response("never seen", seq: 1, code: .unavailable)
    #expect(bench.actions() == ["deliver never seen to 1"])
    bench.request("r1 again", seq: 1)
    #expect(bench.actions() == ["forward r1 again to 101"])
  }

  @Test func anOwnerThatDoesNotHaveTheStreamIsForgotten() {
    var bench = RouterBench { $0.recoversModels = true }
    bench.create()
    bench.request("r1", seq: 1)
    _ = bench.actions()
    let stream = OwnedStream(stream: "s:train:0", epoch: 0)
    bench.control(.closed(stream, code: .unavailable, message: "not at this worker"))
    #expect(bench.actions() == ["answer 1 UNAVAILABLE to 1"])
    bench.request("r1", seq: 1)
    #expect(bench.actions().first == "command open(stream: \"s:train:0\", epoch: 2) to 101")
  }

  @Test func whoWaitsForAnOpeningAsksForItAgain() {
    var bench = RouterBench()
    bench.request("create", .trainingCreateModel, seq: 0)
    let open = "command open(stream: \"s:train:0\", epoch: 1) to 101"
    #expect(bench.actions() == [open])
    bench.request("await", .futuresAwait, seq: 0)
    #expect(bench.actions() == ["drop await", open])
    bench.request("r1", seq: 1)
    #expect(bench.actions() == [])
    bench.now += RouterLimits.openingMilliseconds
    bench.request("r2", seq: 2)
    #expect(bench.actions() == [open])
  }

  @Test func aLongOpeningIsNoMissingCreation() {
    var bench = RouterBench {
      $0.gapMilliseconds = 500
      $0.workerTimeoutMilliseconds = 1_000_000
    }
    bench.request("create", .trainingCreateModel, seq: 0)
    bench.request("r1", seq: 1)
    _ = bench.actions()
    bench.pass(600)
    #expect(
      bench.actions().filter { $0.hasPrefix("answer") }
        == ["answer 0 UNAVAILABLE to 1", "answer 1 UNAVAILABLE to 1"])
  }

  // MARK: Time

  @Test func aDeadlineUsesUpTheSeqOfAHeldRequest() {
    var bench = RouterBench()
    bench.create()
    bench.request("r2", seq: 2, timeout: 100)
    bench.pass(99)
    #expect(bench.actions() == [])
    bench.pass(1)
    #expect(bench.actions() == ["drop r2"])
    bench.request("r1", seq: 1)
    #expect(bench.actions() == ["forward r1 to 101", "tombstone 2 DEADLINE_EXCEEDED to 101"])
  }

  @Test func aGapIsWaitedForOnlySoLong() {
    var bench = RouterBench { $0.gapMilliseconds = 500 }
    bench.create()
    bench.request("r1", seq: 1)
    bench.request("r3", seq: 3)
    _ = bench.actions()
    bench.pass(499)
    #expect(bench.actions() == [])
    bench.pass(1000)
    #expect(bench.actions() == ["answer 3 UNAVAILABLE to 1", "drop r3"])
    bench.request("r2", seq: 2)
    #expect(bench.actions() == ["forward r2 to 101"])
  }

  @Test func aStreamThatIsNeverCreatedIsNotFound() {
    var bench = RouterBench { $0.gapMilliseconds = 500 }
    bench.request("r1", seq: 1)
    #expect(bench.actions() == [])
    bench.pass(1500)
    #expect(bench.actions() == ["answer 1 NOT_FOUND to 1 field stream", "drop r1"])
    #expect(bench.state.streamIndex.isEmpty)
  }
}
