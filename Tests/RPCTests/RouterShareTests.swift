import Testing
import Wire

@testable import RPC

/// Tables and bytes are shared: nobody fills them for the others.
@Suite struct RouterShareTests {
  @Test func thereIsAlwaysSomethingLeft() {
    // One after the other takes all that it may.
    var all = 0
    for _ in 0..<10 {
      var own = 0
      while Share.allows(1, holder: own, tenant: own, all: all, of: 10_000) {
        (own, all) = (own + 1, all + 1)
      }
      #expect(own > 0)
    }
    #expect(all < 10_000)
    #expect(!Share.allows(.max, holder: 0, tenant: 0, all: 1, of: 100))
    #expect(!Share.allows(1, holder: 0, tenant: 0, all: .max, of: 100))
  }

  @Test func accountsSaturate() {
    var account = Account()
    account.take(bytes: .max)
    account.take(bytes: .max)
    #expect(account.bytes == .max && account.requests == 2)
    account.giveBack(requests: 5, bytes: .max)
    #expect(account == Account())
  }

  // MARK: Streams

  @Test func callsWithoutASessionNeedNoRememberedStream() {
    var bench = RouterBench()
    for number in 0..<(RouterLimits.streamsPerSession + 1000) {
      bench.request("r", .adminPing, "name\(number)", seq: 0, session: nil)
      bench.response("a", "name\(number)", seq: 0, epoch: 0, from: RouterBench.keeper)
    }
    let refused = bench.actions().filter { $0.hasPrefix("answer") }
    #expect(refused.isEmpty)
    #expect(bench.state.streamIndex.count <= RouterLimits.streamsPerSession)
    #expect(bench.state.idleStreams.count <= 1026 + 2 * RouterLimits.streamsPerSession)
  }

  @Test func oneTenantCannotTakeAllModels() {
    var bench = RouterBench()
    func create(_ stream: String, _ tenant: String) {
      bench.request(
        "r", .trainingCreateModel, stream, seq: 0,
        session: String(stream.prefix { $0 != ":" }), tenant: tenant)
      bench.control(.opened(OwnedStream(stream: stream, nextSeq: 0, epoch: 1)))
      bench.response("a", stream, seq: 0)
    }
    for session in 0..<10 {
      for model in 0..<RouterLimits.streamsPerSession { create("s\(session):train:\(model)", "a") }
      _ = bench.actions()
    }
    #expect(bench.state.orderedStreams <= RouterLimits.streams / 2)
    // Another session of the first one has something left, and others have more.
    create("u:train:0", "a")
    for model in 0..<1000 { create("t:train:\(model)", "b") }
    #expect(!bench.actions().contains { $0.hasPrefix("answer") })
  }

  // MARK: Sessions

  @Test func oneClientCannotFillTheTableOfSessions() {
    var bench = RouterBench()
    for number in 0..<(RouterLimits.sessions + 100) {
      bench.request("r", .sessionsHeartbeat, "", seq: UInt64(number), session: "s\(number)")
      bench.response("a", "@1", seq: UInt64(number), epoch: 0, from: RouterBench.keeper)
    }
    #expect(!bench.actions().contains { $0.hasPrefix("answer") })
    #expect(bench.state.sessionIndex.count <= RouterLimits.sessions / 2)
    #expect(bench.state.leases.count <= 1026 + 2 * RouterLimits.sessions)
    #expect(bench.state.liveSessions() == nil)
    #expect(bench.state.liveSessions()?.count == bench.state.sessionIndex.count)
    // What was forgotten has not ended.
    bench.request("r", .sessionsHeartbeat, "", seq: 1 << 40, session: "s0")
    #expect(bench.actions() == ["forward r as @1 to 100"])
    #expect(bench.state.tenants[0].sessions == bench.state.sessionIndex.count)
  }

  @Test func sessionsWithModelsAreNotForgotten() {
    var bench = RouterBench()
    bench.request("create", .trainingCreateModel, "keep:train:0", seq: 0, session: "keep")
    bench.control(.opened(OwnedStream(stream: "keep:train:0", nextSeq: 0, epoch: 1)))
    bench.response("created", "keep:train:0", seq: 0)
    for number in 0..<(RouterLimits.sessions / 2 + 1000) {
      bench.request(
        "r", .sessionsHeartbeat, "", seq: UInt64(number), from: RouterBench.other,
        session: "s\(number)")
      bench.response("a", "@2", seq: UInt64(number), epoch: 0, from: RouterBench.keeper)
    }
    #expect(bench.state.sessionIndex["keep"] != nil)
    #expect(bench.state.streamIndex["keep:train:0"] != nil)
  }

  @Test func madeUpKeysAreBoundedTenants() {
    var bench = RouterBench()
    for number in 0..<5000 {
      bench.sample("r", "s\(number):sample:0", tenant: "key-\(number)")
      bench.sampled("a", "s\(number):sample:0")
    }
    #expect(!bench.actions().contains { $0.hasPrefix("answer") })
    #expect(bench.state.tenants.count <= RouterLimits.tenants + 1)
    #expect(bench.report.count < 5 * (RouterLimits.reportedTenants + 1) + 100)
    let others = bench.report["tenant.\(TenantTable.others).sessions"] ?? 0
    #expect(others >= Double(5000 - RouterLimits.reportedTenants))
    bench.pass(RouterLimits.leaseMilliseconds + RouterLimits.idleMilliseconds + 1000)
    #expect(bench.state.tenants.count == 1)
  }

  // MARK: Requests and bytes

  @Test func earlySeqsOfOneLeaveRoomForOthers() {
    var bench = RouterBench { $0.windowBytes = .max / 2 }
    for session in ["a", "b", "c", "d", "e", "f", "g", "h", "t", "u"] {
      let tenant = session < "t" ? "many" : session
      bench.request(
        "create", .trainingCreateModel, "\(session):train:0", seq: 0, session: session,
        tenant: tenant)
      bench.control(.opened(OwnedStream(stream: "\(session):train:0", nextSeq: 0, epoch: 1)))
      bench.response("created", "\(session):train:0", seq: 0)
    }
    _ = bench.actions()
    for session in ["a", "b", "c", "d", "e", "f", "g", "h"] {
      for seq: UInt64 in 2..<200 {
        bench.request(
          "early", .trainingOptimStep, "\(session):train:0", seq: seq, session: session,
          tenant: "many", bytes: 16 << 20)
      }
    }
    #expect(bench.state.heldBytes <= RouterLimits.heldBytes / 2)
    _ = bench.actions()
    for tenant in ["t", "u"] {
      bench.request(
        "early", .trainingOptimStep, "\(tenant):train:0", seq: 2, session: tenant, tenant: tenant,
        bytes: 64 << 20)
    }
    #expect(bench.actions() == [])
  }

  @Test func copiesOfAHeldRequestAreOnItsAccount() {
    var bench = RouterBench { $0.windowBytes = 1000 }
    bench.create()
    for _ in 0..<5 { bench.request("r2", seq: 2, bytes: 300) }
    #expect(bench.state.heldBytes == 900)
    #expect(bench.actions() == ["drop r2", "drop r2"])
    bench.request("r1", seq: 1, bytes: 10)
    #expect(bench.state.heldBytes == 0)
    #expect(bench.state.workers[1].bytes == 910)
    for _ in 0..<3 { bench.response("a", seq: 2) }
    bench.response("a", seq: 1)
    #expect(bench.state.outstanding == Account())
    #expect(bench.state.workers[1].bytes == 0)
  }

  @Test func aWorkerIsSentOnlySoManyBytes() {
    var bench = RouterBench { $0.windowBytes = .max / 2 }
    for seq: UInt64 in 0..<3 {
      bench.request(
        "r\(seq)", .samplingSample, "s:sample:0", seq: seq, bytes: RouterLimits.workerBytes / 3 + 1)
    }
    #expect(bench.actions() == ["forward r0 to 101", "forward r1 to 101"])
    bench.sampled("a", seq: 0)
    #expect(bench.actions() == ["deliver a to 1", "forward r2 to 101"])
  }

  @Test func awaitPassesTheSameChecks() {
    var bench = RouterBench { $0.windowRequests = 4 }
    bench.create()
    bench.request("await", .futuresAwait, seq: 9, bytes: Int.max)
    #expect(bench.actions() == ["answer 9 INVALID_ARGUMENT to 1", "drop await"])
    for seq: UInt64 in 10..<16 { bench.request("await", .futuresAwait, seq: seq) }
    let actions = bench.actions()
    #expect(actions.filter { $0.hasPrefix("forward") }.count == 4)
    #expect(actions.filter { $0.contains("RESOURCE_EXHAUSTED") }.count == 2)
  }

  @Test func oneConnectionWithoutASessionLeavesRoomForOthers() {
    var bench = RouterBench()
    for seq in 0..<UInt64(RouterLimits.anonymousRequests) {
      bench.request("r", .adminPing, "", seq: seq, session: nil)
    }
    #expect(bench.state.sessions[0].outstanding.requests <= RouterLimits.anonymousRequests / 2)
    _ = bench.actions()
    bench.request("create", .sessionsCreate, "", seq: 0, from: RouterBench.other, session: nil)
    #expect(bench.state.sessions[0].outstanding.requests > 0)
    #expect(!bench.actions().contains { $0.hasPrefix("answer") })
    // And its turn comes next but one, not behind all of the first one's.
    bench.response("a", "@1", seq: 0, epoch: 0, from: RouterBench.keeper)
    bench.response("a", "@1", seq: 1, epoch: 0, from: RouterBench.keeper)
    #expect(bench.actions().contains("forward create as @2 to 100"))
  }

  @Test func theCatalogIsGivenFewRequestsAtOnce() {
    var bench = RouterBench()
    var hello = WorkerHello(name: "keeper")
    hello.isKeeper = true
    hello.room = WorkerRoom(trainingTokens: 2, decodeTokens: 0, controlRequests: 10)
    bench.state.control(.hello(hello), from: RouterBench.keeper, now: bench.now)
    _ = bench.actions()
    for seq: UInt64 in 0..<5 {
      bench.request("slow\(seq)", .checkpointsCopy, "s:checkpoints", seq: seq)
    }
    bench.request("beat", .sessionsHeartbeat, "s", seq: 0)
    #expect(
      bench.actions() == ["forward slow0 to 100", "forward slow1 to 100", "forward beat to 100"])
    bench.request(
      "other", .checkpointsList, "t:checkpoints", seq: 0, session: "t", tenant: "zeta")
    bench.response("a", "s:checkpoints", seq: 0, epoch: 0, from: RouterBench.keeper)
    bench.response("a", "s:checkpoints", seq: 1, epoch: 0, from: RouterBench.keeper)
    #expect(bench.actions().contains("forward other to 100"))
  }

  @Test func requestsToTheKeeperAreSmall() {
    var bench = RouterBench()
    bench.request(
      "r", .adminPing, "", seq: 0, session: nil, bytes: RouterLimits.keeperRequestBytes + 1)
    #expect(bench.actions() == ["answer 0 INVALID_ARGUMENT to 1", "drop r"])
  }
}
