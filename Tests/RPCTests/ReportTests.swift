import Testing
import Wire
import ZeroMQ

@testable import RPC

/// Numbers on their way from workers to `Admin.Stats`.
@Suite struct ReportTests {
  @Test func aHeartbeatsNumbersAreReportedUnderTheWorkersName() {
    var bench = RouterBench()
    bench.register(RouterBench.second, "host.example-7")
    bench.control(
      .heartbeat(
        progress: 1, outstanding: 5, room: WorkerRoom(),
        stats: ["memory_bytes": 12, "sampled_tokens_total": 3]),
      from: RouterBench.second)
    let report = bench.report
    #expect(report["worker.host.example-7.memory_bytes"] == 12)
    #expect(report["worker.host.example-7.sampled_tokens_total"] == 3)
    #expect(report["worker.host.example-7.requests"] == 5)
    #expect(report["worker.w1.streams"] == 0)
    #expect(report["worker.w1.memory_bytes"] == nil)
    #expect(report["router.workers"] == 2)
    #expect(!report.keys.contains { $0.hasPrefix("worker.keeper.") })
  }

  @Test func theNextHeartbeatReplacesTheLast() {
    var bench = RouterBench()
    for stats in [["a": 1.0, "b": 2], ["a": 3]] {
      bench.control(
        .heartbeat(progress: 1, outstanding: 0, room: WorkerRoom(), stats: stats))
    }
    #expect(bench.report["worker.w1.a"] == 3)
    #expect(bench.report["worker.w1.b"] == nil)
  }

  @Test func whatIsNoNameOrNumberElsewhereIsLeftOut() {
    var bench = RouterBench()
    let stats = ["": 1.0, "a.b": 1, "a b": 1, "ä": 1, "nan": .nan, "infinite": .infinity, "ok": 1]
    bench.control(.heartbeat(progress: 1, outstanding: 0, room: WorkerRoom(), stats: stats))
    let own = bench.report.keys.filter { $0.hasPrefix("worker.w1.") }
    #expect(own.contains("worker.w1.ok"))
    #expect(!own.contains { $0.hasSuffix("b") || $0.hasSuffix("ä") || $0.hasSuffix(".") })
    #expect(!own.contains("worker.w1.nan") && !own.contains("worker.w1.infinite"))
  }

  @Test func aLostWorkerLeavesTheReport() {
    var bench = RouterBench()
    bench.state.lost(worker: RouterBench.worker, now: bench.now)
    #expect(!bench.report.keys.contains { $0.hasPrefix("worker.w1.") })
  }

  @Test(.timeLimit(.minutes(30))) func statisticsOfWorkersReachClients() async throws {
    let fixture = try Fixture(workers: 2) { worker in
      worker.heartbeatMilliseconds = 50
      let number = worker.name == "w0" ? 10.0 : 11.0
      worker.statistics = { ["kv_pages": number] }
    }
    let channel = try fixture.channel()
    var values: [String: Double] = [:]
    while values["worker.w0.kv_pages"] == nil || values["worker.w1.kv_pages"] == nil {
      try await Task.sleep(for: .milliseconds(50))
      values = try await channel.control.call(
        .adminStats, StatsRequest(), StatsResponse.self
      ).values
    }
    #expect(values["worker.w0.kv_pages"] == 10)
    #expect(values["worker.w1.kv_pages"] == 11)
    await channel.closeAndWait()
    await fixture.stop()
  }
}
