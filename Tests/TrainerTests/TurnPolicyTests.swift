import Testing

@testable import Trainer

@Suite struct TurnPolicyTests {
  @Test(arguments: [
    (true, false, TurnPolicy.Side.training), (false, true, .decode), (true, true, .training),
  ])
  func whoeverWaitsGoes(training: Bool, decode: Bool, side: TurnPolicy.Side) {
    #expect(TurnPolicy().next(training: training, decode: decode) == side)
    #expect(TurnPolicy().next(training: false, decode: false) == nil)
  }

  /// Both wait all the time: equal time, whatever the sizes of their pieces.
  @Test(arguments: [
    (80_000, 2000), (3000, 3000), (1000, 60_000), (2_800_000, 55_000),
    (20_000, 5_000_000),
  ])
  func equalTime(training: UInt64, decode: UInt64) throws {
    var policy = TurnPolicy()
    var time: [TurnPolicy.Side: UInt64] = [:]
    var longestWait: UInt64 = 0
    var waited: UInt64 = 0
    for _ in 0..<2000 {
      let side = try #require(policy.next(training: true, decode: true))
      let piece = side == .training ? training : decode
      time[side, default: 0] += piece
      waited = side == .training ? waited + piece : 0
      longestWait = max(longestWait, waited)
      policy.used(side, microseconds: piece, isContended: true)
    }
    let (a, b) = (Double(time[.training] ?? 0), Double(time[.decode] ?? 0))
    #expect(abs(a / b - 1) < 0.1)
    // Decoding waits for one piece of training and what it owes itself.
    #expect(longestWait <= training + UInt64(TurnPolicy.maximumDebt) + decode)
  }

  /// Pieces that take longer than the largest debt leave one piece's time to the other side.
  @Test func debtsOfManyPiecesDoNotAddUp() {
    var policy = TurnPolicy()
    for _ in 0..<10 { policy.used(.training, microseconds: 900_000, isContended: true) }
    var turns = 0
    while policy.next(training: true, decode: true) == .decode {
      policy.used(.decode, microseconds: 100_000, isContended: true)
      turns += 1
    }
    #expect(turns == 9)
  }

  /// Time that nobody waited for is nobody's debt.
  @Test func pausesAreForgotten() {
    var policy = TurnPolicy()
    policy.used(.training, microseconds: 200_000, isContended: true)
    #expect(policy.next(training: true, decode: true) == .decode)
    policy.used(.training, microseconds: 50_000, isContended: false)
    #expect(policy.next(training: true, decode: true) == .training)
  }
}

@Suite struct QuantumTests {
  /// Pieces are as long as the rate allows: long alone, short for two seconds after others came.
  @Test func followsRateAndContention() {
    var quantum = Quantum()
    for _ in 0..<50 { quantum.ran(rows: 350, microseconds: 100_000) }
    #expect(quantum.rows(isContended: false, now: 0) == 875)
    #expect(quantum.rows(isContended: true, now: 1_000_000) == 175)
    #expect(quantum.rows(isContended: false, now: 2_900_000) == 175)
    #expect(quantum.rows(isContended: false, now: 3_100_000) == 875)
  }

  @Test func staysWithinItsBounds() {
    var slow = Quantum()
    var fast = Quantum()
    for _ in 0..<50 {
      slow.ran(rows: 32, microseconds: 3_000_000)
      fast.ran(rows: 2000, microseconds: 1000)
    }
    #expect(slow.rows(isContended: true, now: 0) == Quantum.minimumRows)
    #expect(fast.rows(isContended: false, now: 0) == Quantum.maximumRows)
  }
}
