import CKernels
import Foundation
import Testing

/// Rule e: our exp, log and tanh, against double precision.
@Suite struct MathTests {
  /// Units in the last place between a result and the true value.
  static func ulps(_ value: Float, _ truth: Double) -> Double {
    let exact = Float(truth)
    if value == exact { return 0 }
    return abs(Double(value) - truth) / Double(max(exact.magnitude, .leastNormalMagnitude).ulp)
  }

  @Test("exp is within 1.5 ulp over its range")
  func exponential() {
    var random = Random(1)
    var worst = 0.0
    for _ in 0..<200_000 {
      let x = random.uniform(-87.3..<88.7)
      worst = max(worst, Self.ulps(ck_exp(x), exp(Double(x))))
    }
    for _ in 0..<50_000 {
      let x = random.uniform(-1..<1)
      worst = max(worst, Self.ulps(ck_exp(x), exp(Double(x))))
    }
    #expect(worst < 1.5, "\(worst) ulp")
  }

  @Test("log is within 1.5 ulp for every exponent")
  func logarithm() {
    var random = Random(2)
    var worst = 0.0
    for exponent in UInt32(1)..<255 {
      for _ in 0..<500 {
        let x = Float(bitPattern: exponent << 23 | UInt32(random.next() >> 41))
        worst = max(worst, Self.ulps(ck_log(x), log(Double(x))))
      }
    }
    for _ in 0..<50_000 {
      let x = random.uniform(0.5..<2)
      worst = max(worst, Self.ulps(ck_log(x), log(Double(x))))
    }
    #expect(worst < 1.5, "\(worst) ulp")
  }

  @Test("tanh is within 2 ulp")
  func hyperbolicTangent() {
    var random = Random(3)
    var worst = 0.0
    for range in [Float(-10)..<10, -0.7..<0.7, -1e-3..<1e-3] {
      for _ in 0..<60_000 {
        let x = random.uniform(range)
        worst = max(worst, Self.ulps(ck_tanh(x), tanh(Double(x))))
      }
    }
    #expect(worst < 2, "\(worst) ulp")
  }

  @Test("Limits and special values")
  func limits() {
    #expect(ck_exp(0) == 1)
    #expect(ck_exp(-.infinity) == 0)
    #expect(ck_exp(.infinity) == .infinity)
    #expect(ck_exp(-1e30) == 0)
    #expect(ck_exp(-87.4) == 0)
    #expect(ck_exp(88.72) > 3e38 && ck_exp(88.72) < .infinity)
    #expect(ck_exp(88.73) == .infinity)
    #expect(ck_exp(.nan).isNaN)
    #expect(ck_log(1) == 0)
    #expect(ck_log(0) == -.infinity)
    #expect(ck_log(.infinity) == .infinity)
    #expect(ck_log(-1).isNaN)
    #expect(ck_log(-.infinity).isNaN)
    #expect(ck_log(.nan).isNaN)
    #expect(ck_tanh(0) == 0)
    #expect(ck_tanh(-0.0).sign == .minus)
    #expect(ck_tanh(.infinity) == 1)
    #expect(ck_tanh(-.infinity) == -1)
    #expect(ck_tanh(-100) == -1)
    #expect(ck_tanh(.nan).isNaN)
  }

  @Test("exp never decreases across the seams of its range reduction")
  func monotonic() {
    for n in -120...120 {
      let seam = Float((Double(n) + 0.5) * 0.6931471805599453)
      let below = ck_exp(seam.nextDown)
      #expect(below <= ck_exp(seam) || (below - ck_exp(seam)) <= below.ulp)
    }
  }
}
