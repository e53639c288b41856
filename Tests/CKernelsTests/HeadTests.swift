import CKernels
import Testing

/// Rule d: log-probs of whole logits rows.
@Suite struct HeadTests {
  struct Stats {
    var max: [Float]
    var sum: [Float]
  }

  static func stats(
    _ engine: KernelEngine, _ logits: [Float], temperatures: [Float]? = nil, rows: Int, vocab: Int
  ) -> Stats {
    var s = Stats(
      max: .init(repeating: .nan, count: rows), sum: .init(repeating: .nan, count: rows))
    ck_softmax_stats(
      engine.handle, &s.max, &s.sum, logits, temperatures, Int64(rows), Int64(vocab))
    return s
  }

  static func logprobs(
    _ engine: KernelEngine, _ logits: [Float], _ targets: [Int32], temperatures: [Float]? = nil,
    rows: Int, k: Int, vocab: Int
  ) -> [Float] {
    let s = stats(engine, logits, temperatures: temperatures, rows: rows, vocab: vocab)
    var p = [Float](repeating: .nan, count: rows * k)
    ck_logprobs(
      engine.handle, &p, logits, s.max, s.sum, temperatures, targets, Int64(rows), Int64(k),
      Int64(vocab))
    return p
  }

  @Test("Log-probs equal the scalar definition", arguments: [1, 16, 331, 4096])
  func definition(vocab: Int) {
    var random = Random(UInt64(vocab))
    let (rows, k) = (9, 2)
    let logits = random.floats(rows * vocab, -8..<8)
    let targets = (0..<rows * k).map { _ in Int32(random.next() % UInt64(vocab)) }
    for engine in KernelEngine.all() {
      let p = Self.logprobs(engine, logits, targets, rows: rows, k: k, vocab: vocab)
      for row in 0..<rows {
        let l = logits[row * vocab..<(row + 1) * vocab]
        let top = l.max()!
        let sum = laneSum(0..<vocab) { ck_exp(l[l.startIndex + $0] - top) }
        for j in 0..<k {
          let expected = (l[l.startIndex + Int(targets[row * k + j])] - top) - ck_log(sum)
          #expect(p[row * k + j].bitPattern == expected.bitPattern)
        }
      }
    }
  }

  @Test(
    "Log-probs at a temperature equal the scalar definition; 0 and 1 are the model's own",
    arguments: [1, 16, 331, 4096])
  func tempered(vocab: Int) {
    var random = Random(UInt64(vocab) + 7)
    // To the kernels a denormal number is 0, for draws, too.
    let temperatures: [Float] = [0.3, 1, 0, .leastNonzeroMagnitude, 2, 1e-37, 3e38, 0.7]
    let (rows, k) = (temperatures.count, 2)
    let logits = random.floats(rows * vocab, -8..<8)
    let targets = (0..<rows * k).map { _ in Int32(random.next() % UInt64(vocab)) }
    for engine in KernelEngine.all() {
      let p = Self.logprobs(
        engine, logits, targets, temperatures: temperatures, rows: rows, k: k, vocab: vocab)
      let own = Self.logprobs(engine, logits, targets, rows: rows, k: k, vocab: vocab)
      for (row, temperature) in temperatures.enumerated() {
        let cells = row * k..<(row + 1) * k
        if temperature < 1e-38 || temperature == 1 {
          #expect(sameBits(Array(p[cells]), Array(own[cells])))
          continue
        }
        let l = Array(logits[row * vocab..<(row + 1) * vocab])
        let top = l.max()!
        let sum = laneSum(0..<vocab) { ck_exp((l[$0] - top) / temperature) }
        for cell in cells {
          let expected = (l[Int(targets[cell])] - top) / temperature - ck_log(sum)
          #expect(p[cell].bitPattern == expected.bitPattern, "temperature \(temperature)")
        }
      }
    }
  }

  @Test("The gradient matches differences, repeated targets included")
  func gradient() {
    var random = Random(2)
    let (rows, k, vocab) = (5, 3, 101)
    let logits = random.floats(rows * vocab, -2..<2)
    var targets = (0..<rows * k).map { _ in Int32(random.next() % UInt64(vocab)) }
    targets[1] = targets[0]
    var dp = random.floats(rows * k)
    for j in 0..<k { dp[3 * k + j] = 0 }
    for engine in KernelEngine.all() {
      let s = Self.stats(engine, logits, rows: rows, vocab: vocab)
      var d = logits
      ck_logprobs_backward(
        engine.handle, &d, s.max, s.sum, targets, dp, Int64(rows), Int64(k), Int64(vocab))
      #expect(d[3 * vocab..<4 * vocab].reduce(0) { $0 + $1.magnitude } == 0)
      let error = directionalError(at: logits, gradient: d, step: 0.02) {
        dot(Self.logprobs(engine, $0, targets, rows: rows, k: k, vocab: vocab), dp)
      }
      #expect(error < 1e-3, "\(engine.name) \(error)")
    }
  }

  @Test("A target outside the vocabulary reads nothing: NaN, and no gradient")
  func outside() {
    let engine = KernelEngine.reference()
    let logits: [Float] = [1, 2, 3, 4]
    let p = Self.logprobs(engine, logits, [-1, 4], rows: 1, k: 2, vocab: 4)
    #expect(p[0].isNaN && p[1].isNaN)
    let s = Self.stats(engine, logits, rows: 1, vocab: 4)
    var d = logits
    ck_logprobs_backward(engine.handle, &d, s.max, s.sum, [-1, 4], [1, 1], 1, 2, 4)
    #expect(d == [0, 0, 0, 0])
  }

  @Test("top-k: logit descending, then id ascending, with the log-probs of rule d")
  func topK() {
    var random = Random(3)
    let (rows, vocab) = (4, 500)
    // Few distinct values, both zeros among them: many ties.
    var logits = (0..<rows * vocab).map { _ in Float(random.next() % 7) - 3 }
    logits[5] = -0.0
    let temperatures: [Float] = [1, 0.3, 0, 2]
    for engine in KernelEngine.all() {
      let s = Self.stats(
        engine, logits, temperatures: temperatures, rows: rows, vocab: vocab)
      for k in [1, 5, 120, vocab] {
        var ids = [Int32](repeating: -1, count: rows * k)
        var p = [Float](repeating: .nan, count: rows * k)
        ck_topk(
          engine.handle, &ids, &p, logits, s.max, s.sum, temperatures, Int64(rows), Int64(k),
          Int64(vocab))
        #expect(
          sameBits(
            p,
            Self.logprobs(
              engine, logits, ids, temperatures: temperatures, rows: rows, k: k, vocab: vocab)))
        for row in 0..<rows {
          let l = Array(logits[row * vocab..<(row + 1) * vocab])
          let order = (0..<vocab).sorted { l[$0] > l[$1] || (l[$0] == l[$1] && $0 < $1) }
          #expect(ids[row * k..<(row + 1) * k].map(Int.init) == Array(order[..<k]))
        }
      }
    }
  }
}
