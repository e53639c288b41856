import TestSupport
import Testing
import Wire

@testable import RPC

/// Whose turn it is.
@Suite struct FairQueueTests {
  private func key(_ number: Int) -> RequestKey {
    RequestKey(stream: 1, generation: 0, seq: UInt64(number))
  }

  /// Serves everything at a cost per tenant and tells the seqs in order.
  private func serve(_ queue: inout FairQueue, cost: (Int) -> Double = { _ in 1 }) -> [UInt64] {
    var served: [UInt64] = []
    while let (item, tenant) = queue.first {
      served.append(item.seq)
      queue.takeFirst(charging: cost(tenant))
      queue.endTurn()
    }
    return served
  }

  @Test func oneTenantsRequestsGoAsTheyCame() {
    var queue = FairQueue()
    for number in 1...5 { queue.append(key(number), tenant: 0, session: 1) }
    #expect(queue.count == 5)
    #expect(serve(&queue) == [1, 2, 3, 4, 5])
    #expect(queue.isEmpty && queue.waitingTenants == 0)
  }

  @Test func sessionsOfATenantTakeTurns() {
    var queue = FairQueue()
    for number in 1...3 { queue.append(key(number), tenant: 0, session: 1) }
    for number in 11...12 { queue.append(key(number), tenant: 0, session: 2) }
    queue.append(key(21), tenant: 0, session: 3)
    #expect(serve(&queue) == [1, 11, 21, 2, 12, 3])
  }

  @Test func tenantsTakeTurnsHoweverManySessionsTheyHave() {
    var queue = FairQueue()
    for number in 1...4 { queue.append(key(number), tenant: 0, session: number) }
    for number in 11...12 { queue.append(key(number), tenant: 1, session: 9) }
    #expect(serve(&queue) == [1, 11, 2, 12, 3, 4])
  }

  @Test func weightsAreShares() {
    var queue = FairQueue()
    for number in 1...6 { queue.append(key(number), tenant: 0, session: 1) }
    for number in 11...16 { queue.append(key(number), tenant: 1, session: 2) }
    // Tenant 1 has three times the weight, so a third of the charge.
    let served = serve(&queue) { $0 == 0 ? 3 : 1 }
    #expect(served.prefix(8).filter { $0 > 10 }.count == 6)
  }

  @Test func largeRequestsCountAsMany() {
    var queue = FairQueue()
    for number in 1...3 { queue.append(key(number), tenant: 0, session: 1) }
    for number in 11...18 { queue.append(key(number), tenant: 1, session: 2) }
    #expect(serve(&queue) { $0 == 0 ? 4 : 1 } == [1, 11, 12, 13, 14, 2, 15, 16, 17, 18, 3])
  }

  @Test func beingAwayEarnsNothing() {
    var queue = FairQueue()
    for _ in 0..<1000 { queue.charge(0, 10) }
    for number in 1...3 { queue.append(key(number), tenant: 0, session: 1) }
    for number in 11...13 { queue.append(key(number), tenant: 1, session: 2) }
    // Tenant 0 has taken much while nobody waited; that is not held against it.
    #expect(serve(&queue) { _ in 10 } == [11, 1, 12, 2, 13, 3])
  }

  @Test func whatIsStillOwedIsNotForgottenByLeaving() {
    var queue = FairQueue()
    for number in 1...4 { queue.append(key(number), tenant: 0, session: 1) }
    queue.append(key(11), tenant: 1, session: 2)
    queue.takeFirst(charging: 1)  // 1
    queue.endTurn()
    queue.takeFirst(charging: 3)  // 11: tenant 1 leaves, three tokens ahead
    queue.endTurn()
    queue.append(key(12), tenant: 1, session: 2)
    #expect(serve(&queue) == [2, 3, 12, 4])
  }

  @Test func answersCorrectTheCharge() {
    var queue = FairQueue()
    for number in 1...2 { queue.append(key(number), tenant: 0, session: 1) }
    for number in 11...12 { queue.append(key(number), tenant: 1, session: 2) }
    queue.takeFirst(charging: 100)  // 1
    queue.endTurn()
    queue.takeFirst(charging: 50)  // 11
    queue.endTurn()
    #expect(queue.first?.item.seq == 12)
    queue.correct(0, by: -99)
    #expect(queue.first?.item.seq == 2)
    queue.correct(0, by: 200)
    #expect(queue.first?.item.seq == 12)
    #expect(queue.counter(of: 0) == 201)
  }

  @Test func droppingCostsNoTurn() {
    var queue = FairQueue()
    for number in 1...3 { queue.append(key(number), tenant: 0, session: 1) }
    queue.append(key(11), tenant: 0, session: 2)
    queue.dropFirst()
    #expect(queue.first?.item.seq == 2)
    #expect(queue.counter(of: 0) == 0)
    #expect(serve(&queue) == [2, 11, 3])
  }

  @Test func whatFollowsInATurnKeepsTheTenantsPlace() {
    var queue = FairQueue()
    queue.append(key(1), tenant: 0, session: 1)
    queue.append(key(11), tenant: 1, session: 2)
    queue.append(key(12), tenant: 1, session: 2)
    queue.correct(0, by: -5)  // Tenant 0 is owed five tokens.
    for number in 2...4 {
      #expect(queue.first?.item.seq == UInt64(number - 1))
      queue.takeFirst(charging: 1)
      queue.append(key(number), tenant: 0, session: 1)
      queue.endTurn()
    }
    #expect(queue.counter(of: 0) == -2)
  }

  @Test func removingAllTellsWhatWaited() {
    var queue = FairQueue()
    for number in 1...3 { queue.append(key(number), tenant: number, session: number) }
    #expect(Set(queue.removeAll().map(\.tenant)) == [1, 2, 3])
    #expect(queue.isEmpty && queue.first == nil)
  }

  /// The bound of the documentation, with costs that are corrected downwards, tenants that come
  /// and go, and several weights.
  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func countersOfWaitingTenantsStayTogether(seed: UInt64) {
    var random = SplitMix(seed: seed)
    let weights = [1.0, 1, 2, 0.5, 4]
    let room = 4000.0
    let largest = 1500.0
    var queue = FairQueue()
    var flying: [(tenant: Int, cost: Double)] = []
    var waiting = [Int](repeating: 0, count: weights.count)
    var costs: [UInt64: Double] = [:]
    var last = 0
    for _ in 0..<20_000 {
      let tenant = Int.random(in: 0..<weights.count, using: &random)
      switch Int.random(in: 0..<3, using: &random) {
      case 0 where waiting[tenant] < 50:
        last += 1
        costs[UInt64(last)] = Double.random(in: 1...largest, using: &random)
        queue.append(
          key(last), tenant: tenant, session: tenant * 10 + Int.random(in: 0..<3, using: &random))
        waiting[tenant] += 1
      case 1:
        guard !flying.isEmpty else { continue }
        let done = flying.remove(at: Int.random(in: 0..<flying.count, using: &random))
        let actual = Double.random(in: 0...done.cost, using: &random)
        queue.correct(done.tenant, by: (actual - done.cost) / weights[done.tenant])
      default:
        guard let (item, tenant) = queue.first, let cost = costs[item.seq] else { continue }
        guard flying.isEmpty || flying.reduce(0, { $0 + $1.cost }) + cost <= room else { continue }
        queue.takeFirst(charging: cost / weights[tenant])
        queue.endTurn()
        flying.append((tenant, cost))
        waiting[tenant] -= 1
      }
      for f in weights.indices where waiting[f] > 0 {
        for m in weights.indices where waiting[m] > 0 {
          let bound = largest / weights[m] + max(room, largest) / weights[f]
          #expect(queue.counter(of: m) - queue.counter(of: f) <= bound + 1e-6)
        }
      }
    }
    #expect(queue.count == waiting.reduce(0, +))
  }

  @Test func thousandsOfTenantsAreServedInTurn() {
    var queue = FairQueue()
    let tenants = 5000
    for round in 0..<3 {
      for tenant in 0..<tenants {
        queue.append(key(round * tenants + tenant), tenant: tenant, session: tenant)
      }
    }
    var served = [Int](repeating: 0, count: tenants)
    for _ in 0..<2 * tenants {
      guard let (_, tenant) = queue.first else { break }
      served[tenant] += 1
      queue.takeFirst(charging: 7)
      queue.endTurn()
    }
    #expect(served.allSatisfy { $0 == 2 })
  }
}
