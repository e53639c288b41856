import Testing
import Wire

@testable import RPC

/// Tenants, room and turns, seen from outside.
@Suite struct RouterFairnessTests {
  private func small(_ change: (inout RouterRules) -> Void = { _ in }) -> RouterBench {
    var bench = RouterBench(change, registered: false)
    bench.register(room: WorkerRoom(trainingTokens: 100, decodeTokens: 100, controlRequests: 2))
    _ = bench.actions()
    return bench
  }

  @Test func aTenantThatFloodsDelaysAnotherByOneTurnAtMost() {
    var bench = small()
    for seq: UInt64 in 1...200 {
      bench.sample("flood", "a:sample:0", seq: seq, cost: 50, tenant: "a")
    }
    #expect(bench.actions() == ["forward flood to 101", "forward flood to 101"])
    for round: UInt64 in 1...20 {
      bench.sample("single", "b:sample:0", seq: round, cost: 50, tenant: "b")
      #expect(bench.actions() == [])
      bench.sampled("x", "a:sample:0", seq: 2 * round - 1)
      #expect(bench.actions() == ["deliver x to 1", "forward single to 101"])
      bench.sampled("y", "b:sample:0", seq: round)
      #expect(bench.actions() == ["deliver y to 1", "forward flood to 101"])
      bench.sampled("x", "a:sample:0", seq: 2 * round)
      #expect(bench.actions() == ["deliver x to 1", "forward flood to 101"])
    }
  }

  @Test func heavierTenantsGetMore() throws {
    let directory = try TenantDirectory([
      Tenant(name: "a", weight: 1, key: "ka"), Tenant(name: "b", weight: 3, key: "kb"),
    ])
    var bench = RouterBench(registered: false, tenants: directory)
    bench.register(room: WorkerRoom(trainingTokens: 10, decodeTokens: 10, controlRequests: 10))
    for seq: UInt64 in 1...100 {
      for tenant in ["a", "b"] {
        bench.sample(tenant, "\(tenant):sample:0", seq: seq, cost: 10, tenant: tenant)
      }
    }
    _ = bench.actions()
    var next: [String: UInt64] = ["a": 1, "b": 1]
    var running = "a"
    var served: [String: Int] = [:]
    for _ in 0..<80 {
      bench.sampled("x", "\(running):sample:0", seq: next[running] ?? 0)
      next[running, default: 0] += 1
      served[running, default: 0] += 1
      running = bench.actions().contains("forward a to 101") ? "a" : "b"
    }
    #expect(served == ["a": 20, "b": 60])
  }

  @Test func tenantsOfOneWorkersModelsTakeTurns() {
    var bench = small()
    for tenant in ["a", "b"] {
      bench.request(
        "create", .trainingCreateModel, "\(tenant):train:0", seq: 0, session: tenant, tenant: tenant
      )
      bench.control(.opened(OwnedStream(stream: "\(tenant):train:0", nextSeq: 0, epoch: 1)))
      bench.response("created", "\(tenant):train:0", seq: 0)
    }
    _ = bench.actions()
    for tenant in ["a", "b"] {
      for seq: UInt64 in 1...3 {
        bench.request(
          "\(tenant)\(seq)", .trainingForwardBackward, "\(tenant):train:0", seq: seq,
          session: tenant, tenant: tenant, cost: 100)
      }
    }
    #expect(bench.actions() == ["forward a1 to 101"])
    for (done, next) in [("a1", "b1"), ("b1", "a2"), ("a2", "b2"), ("b2", "a3"), ("a3", "b3")] {
      bench.response("x", "\(done.prefix(1)):train:0", seq: UInt64(done.suffix(1)) ?? 0)
      #expect(bench.actions() == ["deliver x to 1", "forward \(next) to 101"])
    }
  }

  @Test func whatWasReallyGeneratedCounts() {
    var bench = small()
    for seq: UInt64 in 1...4 {
      for tenant in ["a", "b"] {
        bench.sample("\(tenant)\(seq)", "\(tenant):sample:0", seq: seq, cost: 100, tenant: tenant)
      }
    }
    #expect(bench.actions() == ["forward a1 to 101"])
    // Tenant a asks for much and takes little: it is owed the rest.
    bench.sampled("x", "a:sample:0", seq: 1, cost: 10)
    #expect(bench.actions().last == "forward b1 to 101")
    bench.sampled("x", "b:sample:0", seq: 1)
    #expect(bench.actions().last == "forward a2 to 101")
    bench.sampled("x", "a:sample:0", seq: 2, cost: 10)
    #expect(bench.actions().last == "forward a3 to 101")
  }

  @Test func aLargeRequestWhoseTurnItIsIsNotOvertaken() {
    var bench = small()
    bench.sample("a1", "a:sample:0", seq: 1, cost: 60, tenant: "a")
    bench.sample("b1", "b:sample:0", seq: 1, cost: 40, tenant: "b")
    bench.sample("large", "c:sample:0", seq: 1, cost: 500, tenant: "c")
    bench.sample("b2", "b:sample:0", seq: 2, cost: 1, tenant: "b")
    #expect(bench.actions() == ["forward a1 to 101", "forward b1 to 101"])
    // Nothing of its class may fill the gap that it waits for.
    bench.sampled("x", "b:sample:0", seq: 1)
    #expect(bench.actions() == ["deliver x to 1"])
    bench.sampled("x", "a:sample:0", seq: 1)
    #expect(bench.actions() == ["deliver x to 1", "forward large to 101"])
    bench.sampled("x", "c:sample:0", seq: 1)
    #expect(bench.actions() == ["deliver x to 1", "forward b2 to 101"])
  }

  @Test func aNewcomerWhoseTurnItIsGoesAtOnceIfItFits() {
    var bench = small()
    bench.sample("a1", "a:sample:0", seq: 1, cost: 50, tenant: "a")
    bench.sample("a2", "a:sample:0", seq: 2, cost: 40, tenant: "a")
    bench.sample("large", "a:sample:0", seq: 3, cost: 500, tenant: "a")
    bench.sample("b1", "b:sample:0", seq: 1, cost: 10, tenant: "b")
    #expect(bench.actions() == ["forward a1 to 101", "forward a2 to 101", "forward b1 to 101"])
  }

  @Test func classesDoNotWaitForEachOther() {
    var bench = small()
    bench.sample("s1", seq: 1, cost: 100)
    bench.sample("s2", seq: 2, cost: 100)
    bench.create()
    bench.request("f1", .trainingForward, seq: 1, cost: 100)
    #expect(bench.actions() == ["forward f1 to 101"])
  }

  @Test func costsThatCannotBeAddedUpAreLimited() {
    var bench = small()
    for seq: UInt64 in 1...3 {
      bench.request(
        "r\(seq)", .samplingSample, "s:sample:0", seq: seq, cost: .max)
    }
    #expect(bench.actions() == ["forward r1 to 101"])
    bench.sampled("x", seq: 1, cost: .max)
    #expect(bench.actions() == ["deliver x to 1", "forward r2 to 101"])
  }

  @Test func cancelledAndExpiredRequestsLeaveTheQueue() {
    var bench = small()
    bench.sample("s1", seq: 1, cost: 100)
    bench.sample("s2", seq: 2, cost: 100)
    bench.request("s3", .samplingSample, "s:sample:0", seq: 3, cost: 100, timeout: 50)
    bench.sample("s4", seq: 4, cost: 100)
    _ = bench.actions()
    bench.request("cancel", .futuresCancel, "s:sample:0", seq: 2)
    bench.pass(50)
    #expect(
      bench.actions() == [
        "answer 2 CANCELLED to 1", "drop s2", "drop cancel", "answer 3 DEADLINE_EXCEEDED to 1",
        "drop s3",
      ])
    bench.sampled("x", seq: 1)
    #expect(bench.actions() == ["deliver x to 1", "forward s4 to 101"])
    #expect(bench.report["tenant.default.waiting"] == 0)
    #expect(bench.report["tenant.default.in_flight"] == 1)
  }

  @Test func moreRoomInAHeartbeatIsUsedAtOnce() {
    var bench = small()
    bench.sample("s1", seq: 1, cost: 100)
    bench.sample("s2", seq: 2, cost: 100)
    _ = bench.actions()
    bench.control(
      .heartbeat(progress: 0, outstanding: 1, room: WorkerRoom(decodeTokens: 200)))
    #expect(bench.actions() == ["forward s2 to 101", "command heartbeat to 101"])
  }

  @Test func aSessionThatEndsGivesItsRoomToOthers() {
    var bench = small()
    bench.sample("a1", "a:sample:0", cost: 100)
    bench.sample("b1", "b:sample:0", cost: 100)
    _ = bench.actions()
    bench.control(.sessionEnded("a"), from: RouterBench.keeper)
    #expect(
      bench.actions() == [
        "answer 1 UNAUTHENTICATED to 1", "command sessionEnded(\"a\") to 101",
        "forward b1 to 101",
      ])
  }

  @Test func tenantsAreReported() {
    var bench = small()
    for seq: UInt64 in 1...3 {
      bench.sample("s", "a:sample:0", seq: seq, cost: 60, tenant: "acme")
    }
    bench.sampled("x", "a:sample:0", seq: 1, cost: 17)
    let report = bench.report
    #expect(report["tenant.acme.sessions"] == 1)
    #expect(report["tenant.acme.waiting"] == 1)
    #expect(report["tenant.acme.in_flight"] == 1)
    #expect(report["tenant.acme.served_tokens_total"] == 17)
    #expect(report["router.held"] == 1)
    #expect(report["router.in_flight"] == 1)
    #expect(report["router.tenants"] == 2)
  }

  @Test func tenantsWithoutSessionsAreForgotten() {
    var bench = RouterBench { $0.leaseMilliseconds = 1000 }
    bench.sample("s", "a:sample:0", tenant: "acme")
    bench.sampled("x", "a:sample:0")
    bench.pass(1000)
    #expect(bench.report["tenant.acme.sessions"] == 0)
    bench.pass(RouterLimits.idleMilliseconds)
    #expect(bench.report["tenant.acme.sessions"] == nil)
    #expect(bench.state.tenants.count == 1)
  }
}
