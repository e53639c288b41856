import Testing
import Wire

@testable import RPC

/// Which worker gets a model or a sampling request.
@Suite struct RouterPlacementTests {
  private static let third = ConnectionID(103)

  private func two(_ room: WorkerRoom = WorkerRoom()) -> RouterBench {
    var bench = RouterBench(registered: false)
    bench.register(room: room)
    bench.register(RouterBench.second, "w2", room: room)
    _ = bench.actions()
    return bench
  }

  private func home(of stream: String, in bench: inout RouterBench) -> UInt64 {
    bench.sample("probe", stream)
    let action = bench.actions().first ?? ""
    let worker = UInt64(action.split(separator: " ").last ?? "") ?? 0
    bench.sampled("x", stream, from: ConnectionID(worker))
    _ = bench.actions()
    return worker
  }

  // MARK: Models

  @Test func aWorkerOverItsMemoryGetsNoModelWhileAnotherIsBelow() {
    var bench = two()
    func say(_ worker: ConnectionID, _ used: Double) {
      bench.control(
        .heartbeat(
          progress: 0, outstanding: 0, room: WorkerRoom(),
          stats: ["memory_bytes": used, "memory_limit_bytes": 0x1p32]), from: worker)
      _ = bench.actions()
    }
    // As workers of 4 GiB report: adapters that leave less than a sixteenth free, and a little more.
    // Nobody meets the limit exactly.
    say(RouterBench.worker, 0x1p32 - 250e6)
    say(RouterBench.second, 0x1p32 - 300e6)
    for number in 0..<5 {
      bench.request("create", .trainingCreateModel, "s:train:\(number)", seq: 0)
      #expect(
        bench.actions() == ["command open(stream: \"s:train:\(number)\", epoch: 1) to 102"])
    }
    // When all are full, load decides as before.
    say(RouterBench.second, 0x1p32 - 200e6)
    bench.request("create", .trainingCreateModel, "s:train:5", seq: 0)
    #expect(bench.actions() == ["command open(stream: \"s:train:5\", epoch: 1) to 101"])
  }

  @Test func workThatWaitsCountsLikeModels() {
    var bench = two(WorkerRoom(trainingTokens: 100, decodeTokens: 100, controlRequests: 10))
    bench.create("s:train:0", worker: RouterBench.worker)
    bench.create("s:train:1", worker: RouterBench.second)
    // Two full rooms of work at the first worker.
    for seq: UInt64 in 1...3 {
      bench.request("f", .trainingForward, "s:train:0", seq: seq, cost: 100)
    }
    _ = bench.actions()
    for number in 2...3 {
      bench.request("create", .trainingCreateModel, "s:train:\(number)", seq: 0)
      #expect(
        bench.actions() == ["command open(stream: \"s:train:\(number)\", epoch: 1) to 102"])
    }
  }

  // MARK: Sampling

  @Test func samplingStaysWhereItWas() {
    var bench = two()
    let first = home(of: "s:sample:0", in: &bench)
    for seq: UInt64 in 10...20 {
      bench.sample("r", seq: seq)
      #expect(bench.actions() == ["forward r to \(first)"])
    }
  }

  @Test func samplingGoesElsewhereWhenThereIsNoRoom() {
    var bench = two(WorkerRoom(decodeTokens: 10))
    let first = home(of: "s:sample:0", in: &bench)
    let other: UInt64 = first == 101 ? 102 : 101
    bench.sample("a", seq: 10, cost: 10)
    bench.sample("b", seq: 11, cost: 10)
    bench.sample("c", seq: 12, cost: 10)
    #expect(bench.actions() == ["forward a to \(first)", "forward b to \(other)"])
    // Whichever worker has room first serves what waits.
    bench.sampled("x", seq: 11, from: ConnectionID(other))
    #expect(bench.actions() == ["deliver x to 1", "forward c to \(other)"])
    // Each answer counts only from the worker that has the request.
    bench.sampled("forged", seq: 10, from: ConnectionID(other))
    #expect(bench.actions() == ["drop forged"])
    bench.sampled("y", seq: 10, from: ConnectionID(first))
    #expect(bench.actions() == ["deliver y to 1"])
  }

  @Test func cancellingAsksTheWorkerThatHasTheRequest() {
    var bench = two(WorkerRoom(decodeTokens: 10))
    bench.sample("a", seq: 10, cost: 10)
    bench.sample("b", seq: 11, cost: 10)
    let workers = bench.actions().compactMap { $0.split(separator: " ").last }
    for (seq, worker) in zip([UInt64(10), 11], workers) {
      bench.request("cancel", .futuresCancel, "s:sample:0", seq: seq)
      #expect(
        bench.actions() == [
          "command cancel(stream: \"s:sample:0\", seq: \(seq)) to \(worker)", "drop cancel",
        ])
    }
  }

  @Test func aNewWorkerTakesWhatWaits() {
    var bench = two(WorkerRoom(decodeTokens: 10))
    for seq: UInt64 in 1...3 { bench.sample("r\(seq)", seq: seq, cost: 10) }
    _ = bench.actions()
    bench.register(Self.third, "w3")
    #expect(bench.actions() == ["command welcome to 103", "forward r3 to 103"])
  }
}
