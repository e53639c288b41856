import CKernels
import Glibc
import Testing

/// Attention backward against the formulas in double, over several strips of queries and with keys
/// that lie before the window: what begins behind the first block of keys counts from there.
@Suite struct AttentionGradientTests {
  private static let cases = [
    AttentionCase(heads: 4, kvHeads: 2, kDim: 32, vDim: 32),
    AttentionCase(heads: 3, kvHeads: 3, kDim: 16, vDim: 20, softcap: 1.5),
    AttentionCase(heads: 5, kvHeads: 1, kDim: 8, vDim: 16, window: 9),
    AttentionCase(heads: 2, kvHeads: 1, kDim: 24, vDim: 24, softcap: 2, window: 1),
    AttentionCase(heads: 4, kvHeads: 2, kDim: 32, vDim: 24, softcap: 2, window: 40),
    AttentionCase(heads: 2, kvHeads: 2, kDim: 16, vDim: 16, window: 64),
  ]

  private struct Gradients {
    var q: [Double]
    var k: [Double]
    var v: [Double]
  }

  /// Of Σ weight·o for one sequence.
  private static func gradients(
    _ c: AttentionCase, q: [Float], k: [Float], v: [Float], weight: [Float], n: Int
  ) -> Gradients {
    var g = Gradients(
      q: .init(repeating: 0, count: q.count), k: .init(repeating: 0, count: k.count),
      v: .init(repeating: 0, count: v.count))
    let group = c.heads / c.kvHeads
    let (scale, cap) = (Double(c.scale), Double(c.softcap))
    func dot(_ a: [Float], _ i: Int, _ b: [Float], _ j: Int, _ n: Int) -> Double {
      (0..<n).reduce(0) { $0 + Double(a[i + $1]) * Double(b[j + $1]) }
    }
    for position in 0..<n {
      for head in 0..<c.heads {
        let row = position * c.heads + head
        let keys = c.visible(position).map { $0 * c.kvHeads + head / group }
        let raw = keys.map { dot(q, row * c.kDim, k, $0 * c.kDim, c.kDim) * scale }
        let scores = cap > 0 ? raw.map { cap * tanh($0 / cap) } : raw
        let top = scores.max() ?? 0
        let weights = scores.map { exp($0 - top) }
        let sum = weights.reduce(0, +)
        let p = weights.map { $0 / sum }
        let dp = keys.map { dot(weight, row * c.vDim, v, $0 * c.vDim, c.vDim) }
        let mean = zip(p, dp).reduce(0) { $0 + $1.0 * $1.1 }
        for (index, key) in keys.enumerated() {
          let slope = cap > 0 ? 1 - (scores[index] / cap) * (scores[index] / cap) : 1
          let ds = p[index] * (dp[index] - mean) * slope * scale
          for d in 0..<c.kDim {
            g.q[row * c.kDim + d] += ds * Double(k[key * c.kDim + d])
            g.k[key * c.kDim + d] += ds * Double(q[row * c.kDim + d])
          }
          for d in 0..<c.vDim {
            g.v[key * c.vDim + d] += p[index] * Double(weight[row * c.vDim + d])
          }
        }
      }
    }
    return g
  }

  @Test(
    "Gradients are those of the formulas, around the ends of strips (36) and blocks of keys (32)",
    arguments: cases.indices, [1, 32, 36, 37, 72, 73, 150])
  func formulas(index: Int, n: Int) {
    let c = Self.cases[index]
    var random = Random(UInt64(1000 * index + n))
    let q = random.floats(n * c.heads * c.kDim, -2..<2)
    let k = random.floats(n * c.kvHeads * c.kDim, -2..<2)
    let v = random.floats(n * c.kvHeads * c.vDim)
    let weight = random.floats(n * c.heads * c.vDim)
    let expected = Self.gradients(c, q: q, k: k, v: v, weight: weight, n: n)
    for engine in KernelEngine.all() {
      let g = AttentionBackwardTests.gradients(
        engine, c, q: q, k: k, v: v, weight: weight, lengths: [n])
      #expect(relativeError(g.v, expected.v) < 1e-5, "v \(engine.name)")
      // With one key to see there is nothing to choose.
      if n == 1 || c.window == 1 {
        #expect(g.q.allSatisfy { abs($0) < 1e-5 } && g.k.allSatisfy { abs($0) < 1e-5 })
        continue
      }
      #expect(relativeError(g.q, expected.q) < 1e-4, "q \(engine.name)")
      #expect(relativeError(g.k, expected.k) < 1e-4, "k \(engine.name)")
    }
  }
}
