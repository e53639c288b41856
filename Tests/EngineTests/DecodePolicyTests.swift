import Testing

@testable import Engine

/// Whose turn it is when pages or places are short, by tables.
@Suite struct DecodePolicyTests {
  private typealias Holder = DecodePolicy.Holder

  private let policy = DecodePolicy(pages: 100, places: 10)

  private func holder(
    _ tenant: String, _ request: Int, _ sample: Int = 0, pages: Int = 10
  ) -> Holder {
    Holder(tenant: tenant, request: request, sample: sample, pages: pages)
  }

  @Test func whoUsesLeastIsNext() {
    let running = [holder("a", 1, pages: 30), holder("a", 2, pages: 30), holder("b", 3, pages: 30)]
    #expect(policy.next([holder("a", 4), holder("b", 5), holder("c", 6)], running: running) == 2)
    #expect(policy.next([holder("a", 4), holder("b", 5)], running: running) == 1)
    // Of those that use the same, the one that came first.
    #expect(policy.next([holder("c", 7), holder("d", 6)], running: running) == 1)
    #expect(policy.next([], running: running) == nil)
  }

  @Test func whoRunsKeepsRoomToGrow() {
    let running = [holder("a", 1), holder("a", 2)]
    #expect(policy.fits(holder("b", 3, pages: 10), freePages: 12, running: running))
    #expect(!policy.fits(holder("b", 3, pages: 10), freePages: 11, running: running))
    // With nobody there, all there is may be taken.
    #expect(policy.fits(holder("b", 3, pages: 10), freePages: 10, running: []))
    #expect(!policy.fits(holder("b", 3, pages: 10), freePages: 9, running: []))
    let full = (0..<10).map { holder("a", $0, pages: 1) }
    #expect(!policy.fits(holder("b", 11, pages: 1), freePages: 90, running: full))
  }

  /// The youngest of whoever uses most; the oldest of all never.
  @Test func whoGivesWay() {
    let running = [
      holder("a", 1, pages: 50), holder("b", 2, pages: 20), holder("b", 3, pages: 10),
      holder("a", 4, pages: 10), holder("b", 5, pages: 10),
    ]
    #expect(policy.victim(running) == 3)
    #expect(policy.victim([holder("a", 1, pages: 90), holder("b", 2, pages: 10)]) == 1)
    #expect(policy.victim([holder("a", 1, pages: 100)]) == nil)
    // Samples of one request: the last one.
    #expect(policy.victim((0..<4).map { holder("a", 1, $0, pages: 25) }) == 3)
    #expect(policy.victim([]) == nil)
  }

  @Test func aNewTenantGetsItsShareFromWhoHasMore() {
    func displaced(_ new: Holder, _ running: [Holder]) -> [Int] {
      let used = running.reduce(0) { $0 + $1.pages }
      return policy.displaced(by: new, freePages: 100 - used, running: running)
    }
    // Ten pages are free; eight that run keep one each.
    let flood = (0..<10).map { holder("flood", $0, pages: 9) }
    #expect(displaced(holder("calm", 50, pages: 10), flood) == [9])
    #expect(displaced(holder("calm", 50, pages: 20), flood) == [9, 8])
    // More than its share nobody makes room for.
    #expect(displaced(holder("calm", 50, pages: 60), flood).isEmpty)
    // Nor does a tenant displace itself.
    #expect(displaced(holder("flood", 50, pages: 20), flood).isEmpty)
    let even = (0..<5).flatMap {
      [holder("flood", 2 * $0, pages: 9), holder("calm", 2 * $0 + 1, pages: 9)]
    }
    #expect(displaced(holder("calm", 50, pages: 1), even).isEmpty)
    // The oldest of all stays where it is, and if that is not enough, so do the others.
    #expect(displaced(holder("calm", 50, pages: 1), [holder("flood", 1, pages: 100)]).isEmpty)
    #expect(
      displaced(
        holder("calm", 50, pages: 40),
        [holder("flood", 1, pages: 70), holder("flood", 2, pages: 30)]
      ).isEmpty)
  }

  /// What passed a request that did not fit gives way when that lets it start, and not before.
  @Test func whoPassedGivesWay() {
    func displaced(_ new: Holder, _ running: [Holder]) -> [Int] {
      let used = running.reduce(0) { $0 + $1.pages }
      return policy.displaced(by: new, freePages: 100 - used, running: running)
    }
    func passer(_ tenant: String, _ request: Int, pages: Int, of passed: Int = 5) -> Holder {
      Holder(tenant: tenant, request: request, sample: 0, pages: pages, passed: passed)
    }
    let long = holder("long", 5, pages: 80)
    let passers = [passer("a", 6, pages: 10), passer("b", 7, pages: 5)]
    #expect(displaced(long, [holder("c", 1, pages: 40)] + passers).isEmpty)
    #expect(displaced(long, [holder("c", 1, pages: 10)] + passers) == [2, 1])
    // Also the oldest of those that run: the one that waits is older.
    #expect(displaced(long, [passer("a", 6, pages: 30)]) == [0])
    // One that waits and is younger lets the oldest end.
    #expect(displaced(holder("long", 9, pages: 80), [passer("a", 6, pages: 30, of: 9)]).isEmpty)
    // Whoever passed another request stays.
    #expect(displaced(holder("long", 4, pages: 80), passers).isEmpty)
  }

  /// Two tenants that always want more, at random: in the long run neither has more than its share
  /// while the other waits, but for the oldest sequence.
  @Test(arguments: UInt64(1)...10)
  func sharesHold(seed: UInt64) {
    var random = SeededRandom(seed)
    var running: [Holder] = []
    var nextID = 0
    for _ in 0..<500 {
      let tenant = Bool.random(using: &random) ? "a" : "b"
      let new = holder(tenant, nextID, pages: Int.random(in: 1...20, using: &random))
      nextID += 1
      let free = 100 - running.reduce(0) { $0 + $1.pages }
      let displaced = policy.displaced(by: new, freePages: free, running: running)
      for index in displaced.sorted(by: >) {
        #expect(running[index].tenant != tenant)
        running.remove(at: index)
      }
      let left = 100 - running.reduce(0) { $0 + $1.pages }
      if policy.fits(new, freePages: left, running: running) {
        running.append(new)
        #expect(left >= new.pages)
      } else {
        #expect(displaced.isEmpty, "displaced for nothing")
      }
      if Int.random(in: 0..<4, using: &random) == 0, !running.isEmpty {
        running.remove(at: Int.random(in: running.indices, using: &random))
      }
    }
  }
}
