import CKernels
import Testing

/// Rule k and AdamW.
@Suite struct OptimizerTests {
  @Test("Sum of squares: double, blocks of 4096, 16 lanes", arguments: [0, 5, 4096, 4097, 50_003])
  func squareSum(count: Int) {
    var random = Random(UInt64(count))
    let x = random.floats(count, -3..<3)
    var expected = 0.0
    for first in stride(from: 0, to: count, by: 4096) {
      var lanes = [Double](repeating: 0, count: 16)
      for i in first..<min(first + 4096, count) {
        lanes[(i - first) % 16].addProduct(Double(x[i]), Double(x[i]))
      }
      expected += foldLanes(lanes)
    }
    for engine in KernelEngine.all() {
      let sum = ck_square_sum(engine.handle, x, Int64(count))
      #expect(sum.bitPattern == expected.bitPattern, "\(engine.name)")
    }
  }

  @Test("Sums of squares of several arrays: each as alone, added in order")
  func squareSums() {
    var random = Random(9)
    let arrays = [300_000, 0, 17, 4096, 5000].map { random.floats($0, -3..<3) }
    for engine in KernelEngine.all() {
      var expected = 0.0
      for x in arrays { expected += ck_square_sum(engine.handle, x, Int64(x.count)) }
      let joined = arrays.flatMap(\.self)
      let sum = joined.withUnsafeBufferPointer { all in
        var next = all.baseAddress!
        let pointers = arrays.map { x in
          defer { next += x.count }
          return Optional(next)
        }
        let counts = arrays.map { Int64($0.count) }
        return ck_square_sum_group(engine.handle, pointers, counts, Int64(counts.count))
      }
      #expect(sum.bitPattern == expected.bitPattern, "\(engine.name)")
    }
  }

  @Test("AdamW follows the formula of torch.optim.AdamW over three steps")
  func adamw() {
    var random = Random(2)
    let count = 20_001
    let (lr, beta1, beta2, eps, decay) = (1e-2, 0.9, 0.95, 1e-8, 0.1)
    let start = random.floats(count)
    let gradients = (0..<3).map { _ in random.floats(count) }
    var expected = start.map(Double.init)
    var moment = [Double](repeating: 0, count: count)
    var second = moment
    for (step, gradient) in gradients.enumerated() {
      let t = Double(step + 1)
      let bias1 = 1 - power(beta1, t)
      let bias2 = 1 - power(beta2, t)
      for i in 0..<count {
        let g = Double(gradient[i]) * 0.5
        expected[i] *= 1 - lr * decay
        moment[i] = beta1 * moment[i] + (1 - beta1) * g
        second[i] = beta2 * second[i] + (1 - beta2) * g * g
        expected[i] -= lr / bias1 * moment[i] / ((second[i] / bias2).squareRoot() + eps)
      }
    }
    let results = KernelEngine.all().map { engine in
      var (p, m, v) = (
        start, [Float](repeating: 0, count: count), [Float](repeating: 0, count: count)
      )
      for (step, gradient) in gradients.enumerated() {
        let t = Double(step + 1)
        ck_adamw(
          engine.handle, &p, &m, &v, gradient, Int64(count), 0.5, lr, beta1, beta2, eps, decay,
          1 - power(beta1, t), 1 - power(beta2, t))
      }
      #expect(relativeError(p, expected) < 1e-6)
      #expect(relativeError(m, moment) < 1e-6)
      #expect(relativeError(v, second) < 1e-6)
      return p
    }
    for p in results { #expect(sameBits(p, results[0])) }
  }

  /// As in torch, but for what has had no gradient yet: there it is NaN from the first step on.
  @Test("AdamW with eps 0 moves what has a gradient, and leaves the rest")
  func withoutEpsilon() {
    let count = 37
    let gradient = (0..<count).map { $0 % 3 == 0 ? 0 : Float($0) - 18 }
    for engine in KernelEngine.all() {
      var p = [Float](repeating: 1, count: count)
      var (m, v) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
      ck_adamw(
        engine.handle, &p, &m, &v, gradient, Int64(count), 1, 0.25, 0.9, 0.95, 0, 0, 1 - 0.9,
        1 - 0.95)
      for i in 0..<count {
        let expected: Float = gradient[i] == 0 ? 1 : gradient[i] > 0 ? 0.75 : 1.25
        #expect(abs(p[i] - expected) < 1e-6, "\(engine.name): \(i)")
      }
    }
  }

  private func power(_ base: Double, _ exponent: Double) -> Double {
    (0..<Int(exponent)).reduce(1) { product, _ in product * base }
  }
}
