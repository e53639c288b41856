import Testing
import Wire

@testable import RPC

/// Full windows, lost messages and evictions: no order of arrival stops a stream for good.
@Suite struct RouterWindowTests {
  private static func permutations(_ items: [UInt64]) -> [[UInt64]] {
    guard items.count > 1 else { return [items] }
    return items.indices.flatMap { index in
      var rest = items
      let first = rest.remove(at: index)
      return permutations(rest).map { [first] + $0 }
    }
  }

  /// Five requests, a window of two, every order of arrival, the first message lost: the client
  /// sends what has no answer again, in the same order, and each round makes progress.
  @Test func everyOrderOfArrivalMakesProgress() {
    for order in Self.permutations([1, 2, 3, 4, 5]) {
      var bench = RouterBench { $0.windowRequests = 2 }
      bench.create()
      var unanswered = order
      var isFirst = true
      var rounds = 0
      var ran: [UInt64] = []
      while !unanswered.isEmpty, rounds < 10 {
        rounds += 1
        for seq in unanswered {
          defer { isFirst = false }
          if isFirst { continue }
          bench.request("r\(seq)", seq: seq)
        }
        for action in bench.actions() where action.hasPrefix("forward") {
          guard let seq = UInt64(action.dropFirst(9).prefix { $0.isNumber }) else { continue }
          // More than once is a repeat, which the owner answers from its records.
          if !ran.contains(seq) { ran.append(seq) }
          bench.response("a", seq: seq)
          unanswered.removeAll { $0 == seq }
        }
      }
      #expect(unanswered.isEmpty, "order \(order)")
      #expect(ran == [1, 2, 3, 4, 5], "order \(order)")
      #expect(bench.state.counters.held == 0)
    }
  }

  @Test func aGapInOneStreamDoesNotStopAnother() {
    var bench = RouterBench { $0.windowRequests = 2 }
    bench.create()
    bench.request("r2", seq: 2)
    bench.request("r3", seq: 3)
    #expect(bench.actions() == [])
    // The window is full; what another stream expects next is admitted all the same.
    bench.create("s:train:1")
    bench.request("other", .trainingOptimStep, "s:train:1", seq: 1)
    #expect(bench.actions() == ["forward other to 101"])
    bench.request("ahead", .trainingOptimStep, "s:train:1", seq: 3)
    #expect(bench.actions() == ["answer 3 RESOURCE_EXHAUSTED to 1", "drop ahead"])
    bench.request("r1", seq: 1)
    #expect(bench.actions() == (1...3).map { "forward r\($0) to 101" })
  }

  @Test func anotherSessionHasAWindowOfItsOwn() {
    var bench = RouterBench { $0.windowRequests = 1 }
    bench.sample("a", "s:sample:0", seq: 1)
    bench.sample("b", "s:sample:0", seq: 2)
    bench.sample("c", "t:sample:0", seq: 1)
    #expect(
      bench.actions() == [
        "forward a to 101", "answer 2 RESOURCE_EXHAUSTED to 1", "drop b", "forward c to 101",
      ])
  }

  @Test func whatIsEvictedGivesItsBytesBack() {
    var bench = RouterBench { $0.windowBytes = 1000 }
    bench.create()
    bench.request("r4", seq: 4, bytes: 400)
    bench.request("r3", seq: 3, bytes: 400)
    bench.request("r2", seq: 2, bytes: 900)
    #expect(
      bench.actions() == [
        "answer 4 RESOURCE_EXHAUSTED to 1", "drop r4", "answer 3 RESOURCE_EXHAUSTED to 1",
        "drop r3",
      ])
    #expect(bench.state.heldBytes == 900)
    bench.request("r1", seq: 1, bytes: 5000)
    bench.response("a", seq: 1)
    bench.response("b", seq: 2)
    _ = bench.actions()
    #expect(bench.state.heldBytes == 0)
    #expect(bench.state.sessions.allSatisfy { $0.outstanding == Account() })
  }

  @Test func allSessionsTogetherAreLimited() {
    let half = RouterLimits.heldBytes / 2
    var bench = RouterBench { $0.windowBytes = .max / 2 }
    for stream in ["s:train:0", "t:train:0", "u:train:0"] {
      let session = String(stream.prefix(1))
      bench.request(
        "create", .trainingCreateModel, stream, seq: 0, session: session, tenant: session)
      bench.control(.opened(OwnedStream(stream: stream, nextSeq: 0, epoch: 1)))
      bench.response("created", stream, seq: 0)
    }
    _ = bench.actions()
    for session in ["s", "t"] {
      bench.request(
        "r2", .trainingOptimStep, "\(session):train:0", seq: 2, session: session, tenant: session,
        bytes: half)
    }
    #expect(bench.actions() == [])
    bench.request(
      "no", .trainingOptimStep, "u:train:0", seq: 2, session: "u", tenant: "u", bytes: 1)
    #expect(bench.actions() == ["answer 2 RESOURCE_EXHAUSTED to 1", "drop no"])
    // The next ones go through, whatever is held.
    for session in ["s", "t", "u"] {
      bench.request(
        "r1", .trainingOptimStep, "\(session):train:0", seq: 1, session: session, tenant: session)
    }
    #expect(bench.actions().filter { $0 == "forward r1 to 101" }.count == 3)
  }

  @Test func manyDeadlinesLeaveNothingBehind() {
    var bench = RouterBench(registered: false)
    bench.register(room: WorkerRoom(decodeTokens: 1))
    bench.sample("first", seq: 0, cost: 1)
    for seq: UInt64 in 1...5000 {
      bench.request(
        "r", .samplingSample, "s:sample:0", seq: seq, cost: 1, timeout: 1_000_000)
      bench.sampled("a", seq: seq - 1)
    }
    #expect(bench.state.deadlines.count <= 1026)
    #expect(bench.state.timedRequests == 0)
  }

  @Test func endedSessionsAreRememberedUpToALimit() {
    var ended = EndedSessions()
    for number in 0..<RouterLimits.endedSessions + 10 { ended.insert(SessionDigest("s\(number)")) }
    #expect(ended.count == RouterLimits.endedSessions)
    #expect(!ended.contains("s9"))
    #expect(ended.contains("s10"))
    ended.insert(SessionDigest("s10"))
    #expect(ended.count == RouterLimits.endedSessions)
  }

  @Test func sessionsLeaveNoMemoryWhenTheyEnd() {
    var bench = RouterBench { $0.leaseMilliseconds = 1000 }
    for round in 0..<50 {
      for number in 0..<20 {
        let session = "s\(round)-\(number)"
        let client = ConnectionID(UInt64(1000 * round + number + 1000))
        bench.sample("r", "\(session):sample:0", from: client)
        bench.sampled("a", "\(session):sample:0")
        bench.request(
          "create", .trainingCreateModel, "\(session):train:0", seq: 0, from: client,
          session: session)
        bench.control(.opened(OwnedStream(stream: "\(session):train:0", nextSeq: 0, epoch: 1)))
        bench.response("created", "\(session):train:0", seq: 0)
        bench.state.lost(client: client)
      }
      bench.control(.heartbeat(progress: 0, outstanding: 0, room: WorkerRoom()))
      bench.pass(1000)
      _ = bench.actions()
    }
    #expect(bench.state.sessionIndex.isEmpty && bench.state.streamIndex.isEmpty)
    #expect(bench.state.sessions.count <= 21)
    #expect(bench.state.streams.count <= 41)
    #expect(bench.state.connections.count <= 2)
    #expect(bench.state.details.allSatisfy { $0.streams.isEmpty })
  }
}
