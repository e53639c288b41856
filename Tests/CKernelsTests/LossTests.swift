import CKernels
import Foundation
import Testing

/// Losses: value and derivative, each branch.
@Suite struct LossTests {
  struct Result {
    var dp: [Float]
    var sums: ck_loss_sums
  }

  static let p: [Float] = [-1, -0.5, -2, -0.1, -3, -1, -0.7, -0.7]
  static let q: [Float] = [-1, -1.5, -0.2, -0.4, -3, -1.3, -0.2, -0.6]
  static let a: [Float] = [1, 2, -1, -2, 0, 1.5, 0.5, -1]

  static func run(
    _ kind: ck_loss_kind, p: [Float] = p, q: [Float]? = q, mask: [Float]? = nil,
    lo: Float = 0.8, hi: Float = 1.2, beta: Float = 0.3
  ) -> Result {
    let low = [Float](repeating: lo, count: p.count)
    let high = [Float](repeating: hi, count: p.count)
    var dp = [Float](repeating: .nan, count: p.count)
    var sums = ck_loss_sums()
    // An absent array is a null pointer.
    (q ?? []).withUnsafeBufferPointer { behaviour in
      (mask ?? []).withUnsafeBufferPointer { used in
        ck_loss(
          kind, Int64(p.count), p, q == nil ? nil : behaviour.baseAddress, a, low, high,
          mask == nil ? nil : used.baseAddress, beta, &dp, &sums)
      }
    }
    return Result(dp: dp, sums: sums)
  }

  /// Value and slope of each token in double.
  static func terms(_ kind: ck_loss_kind, _ mask: [Float]) -> [(value: Double, slope: Double)] {
    let used = p.indices.filter { mask[$0] != 0 }
    let mean = used.reduce(0.0) { $0 + Double(p[$1] - q[$1]) } / Double(used.count)
    return p.indices.map { i in
      let (p, q, a) = (Double(p[i]), Double(q[i]), Double(a[i]))
      let r = kind == CK_LOSS_GSPO ? exp(mean) : exp(p - q)
      let clip = min(max(r, Double(Float(0.8))), Double(Float(1.2)))
      switch kind {
      case CK_LOSS_CROSS_ENTROPY: return (-a * p, -a)
      case CK_LOSS_IMPORTANCE_SAMPLING: return (-r * a, -r * a)
      case CK_LOSS_CISPO: return (-clip * a * p, -clip * a)
      case CK_LOSS_DRO:
        let beta = Double(Float(0.3))
        return (-(p * a - 0.5 * beta * (p - q) * (p - q)), -(a - beta * (p - q)))
      default: return (-min(r * a, clip * a), r * a <= clip * a ? -r * a : 0)
      }
    }
  }

  @Test(
    "Values, derivatives and counts follow the formulas",
    arguments: [
      CK_LOSS_CROSS_ENTROPY, CK_LOSS_IMPORTANCE_SAMPLING, CK_LOSS_PPO, CK_LOSS_CISPO, CK_LOSS_DRO,
      CK_LOSS_GSPO,
    ])
  func formulas(kind: ck_loss_kind) {
    let mask: [Float] = [1, 1, 0, 1, 0, 1, 1, 0]
    let result = Self.run(kind, mask: mask)
    let expected = Self.terms(kind, mask)
    #expect(abs(result.sums.loss - expected.reduce(0) { $0 + $1.value }) < 1e-5)
    #expect(relativeError(result.dp, expected.map(\.slope)) < 1e-6)
    #expect(result.sums.tokens == 7)
    let kl = Self.p.indices.reduce(0.0) { sum, i in
      Self.a[i] == 0 ? sum : sum + Double(Self.q[i]) - Double(Self.p[i])
    }
    #expect(abs(result.sums.kl - (kind == CK_LOSS_CROSS_ENTROPY ? 0 : kl)) < 1e-12)
    #expect(result.dp[4] == 0 || kind == CK_LOSS_DRO)
  }

  @Test("ppo drops the gradient exactly where the clamp is active")
  func clipping() {
    let result = Self.run(CK_LOSS_PPO)
    // r: 1, 2.7, 0.17, 1.35, 1, 1.35, 0.61, 0.90 with the advantages' signs.
    #expect(result.dp.map { $0 == 0 } == [false, true, true, false, true, true, false, false])
    #expect(result.sums.clipped == 3)
    #expect(Self.run(CK_LOSS_CISPO).sums.clipped == 5)
  }

  @Test("Without behaviour log-probs the ratio is exactly 1")
  func ownPolicy() {
    let result = Self.run(CK_LOSS_IMPORTANCE_SAMPLING, q: nil)
    #expect(result.dp == Self.a.map { -$0 })
    #expect(result.sums.kl == 0)
  }

  @Test("An empty mask leaves gspo's ratio at 1")
  func emptyMask() {
    let result = Self.run(CK_LOSS_GSPO, mask: .init(repeating: 0, count: 8))
    #expect(result.dp == Self.a.map { -$0 })
  }

  /// Frameworks fill positions that do not count with sentinels: exp(p - q) overflows there.
  @Test(
    "A token whose advantage is 0 adds nothing, whatever its ratio",
    arguments: [
      CK_LOSS_IMPORTANCE_SAMPLING, CK_LOSS_PPO, CK_LOSS_CISPO, CK_LOSS_GSPO,
    ], [-90, -9999, -1e30] as [Float])
  func overflowWithoutAdvantage(kind: ck_loss_kind, sentinel: Float) {
    let mask: [Float] = [1, 1, 1, 1, 0, 1, 1, 1]
    var q = Self.q
    q[4] = sentinel  // the one token with advantage 0
    let (plain, result) = (Self.run(kind, mask: mask), Self.run(kind, q: q, mask: mask))
    #expect(result.dp == plain.dp && result.dp[4] == 0)
    #expect(result.sums.loss == plain.sums.loss && result.sums.kl == plain.sums.kl)
    #expect(result.sums.bad == 0)
  }

  @Test("The first token that is not finite is told")
  func overflowWithAdvantage() {
    var q = Self.q
    (q[3], q[5]) = (-9999, -9999)
    #expect(Self.run(CK_LOSS_IMPORTANCE_SAMPLING, q: q).sums.bad == 4)
    #expect(Self.run(CK_LOSS_PPO, q: q).sums.bad == 4)
    // Clamped, a positive advantage is finite.
    q[3] = Self.q[3]
    #expect(Self.run(CK_LOSS_PPO, q: q).sums.bad == 0)
  }
}
