import CKernels
import Testing

/// Attention backward against central differences, and its independence of the crowd.
@Suite struct AttentionBackwardTests {
  struct Gradients {
    var q: [Float]
    var k: [Float]
    var v: [Float]
  }

  /// Gradients of Σ weight·o for sequences of the given lengths, one after the other.
  static func gradients(
    _ engine: KernelEngine, _ c: AttentionCase, q: [Float], k: [Float], v: [Float],
    weight: [Float], lengths: [Int]
  ) -> Gradients {
    var shape = c.shape
    var row = 0
    var o: [Float] = []
    var top: [Float] = []
    var sum: [Float] = []
    for n in lengths {
      func slice(_ x: [Float], _ width: Int) -> [Float] {
        Array(x[row * width..<(row + n) * width])
      }
      let out = AttentionTests.run(
        engine, c, q: slice(q, c.heads * c.kDim), k: slice(k, c.kvHeads * c.kDim),
        v: slice(v, c.kvHeads * c.vDim), n: n, cuts: [])
      o += out.o
      top += out.max
      sum += out.sum
      row += n
    }
    var first = 0
    let sequences = lengths.map { n in
      defer { first += n }
      return ck_sequence(row: Int64(first), rows: Int32(n), start: 0, pages: nil)
    }
    var g = Gradients(
      q: .init(repeating: .nan, count: q.count), k: .init(repeating: .nan, count: k.count),
      v: .init(repeating: .nan, count: v.count))
    ck_attention_backward(
      engine.handle, &g.q, &g.k, &g.v, weight, q, k, v, o, top, sum, &shape, sequences,
      Int64(sequences.count))
    return g
  }

  @Test("Gradients match central differences", arguments: 0..<AttentionTests.cases.count)
  func differences(index: Int) {
    let c = AttentionTests.cases[index]
    var random = Random(UInt64(100 + index))
    let n = 45
    let q = random.floats(n * c.heads * c.kDim)
    let k = random.floats(n * c.kvHeads * c.kDim)
    let v = random.floats(n * c.kvHeads * c.vDim)
    let weight = random.floats(n * c.heads * c.vDim)
    let engine = KernelEngine.reference()
    let g = Self.gradients(engine, c, q: q, k: k, v: v, weight: weight, lengths: [n])
    func loss(_ q: [Float], _ k: [Float], _ v: [Float]) -> Double {
      dot(AttentionTests.run(engine, c, q: q, k: k, v: v, n: n, cuts: []).o, weight)
    }
    #expect(directionalError(at: q, gradient: g.q, step: 0.02) { loss($0, k, v) } < 1e-3)
    #expect(directionalError(at: k, gradient: g.k, step: 0.02) { loss(q, $0, v) } < 1e-3)
    #expect(directionalError(at: v, gradient: g.v, step: 0.02) { loss(q, k, $0) } < 1e-3)
  }

  @Test("A datum's gradients have the same bits alone, in a pack, and on every engine")
  func crowd() {
    let c = AttentionCase(heads: 6, kvHeads: 2, kDim: 24, vDim: 16, softcap: 3)
    var random = Random(7)
    let lengths = [33, 1, 70, 17]
    let total = lengths.reduce(0, +)
    let q = random.floats(total * c.heads * c.kDim)
    let k = random.floats(total * c.kvHeads * c.kDim)
    let v = random.floats(total * c.kvHeads * c.vDim)
    let weight = random.floats(total * c.heads * c.vDim)
    let reference = Self.gradients(
      KernelEngine.reference(), c, q: q, k: k, v: v, weight: weight, lengths: lengths)
    for engine in KernelEngine.all() {
      let g = Self.gradients(engine, c, q: q, k: k, v: v, weight: weight, lengths: lengths)
      #expect(sameBits(g.q, reference.q) && sameBits(g.k, reference.k), "\(engine.name)")
      #expect(sameBits(g.v, reference.v), "\(engine.name)")
      var row = 0
      for n in lengths {
        func slice(_ x: [Float], _ width: Int) -> [Float] {
          Array(x[row * width..<(row + n) * width])
        }
        let alone = Self.gradients(
          engine, c, q: slice(q, c.heads * c.kDim), k: slice(k, c.kvHeads * c.kDim),
          v: slice(v, c.kvHeads * c.vDim), weight: slice(weight, c.heads * c.vDim), lengths: [n])
        #expect(sameBits(alone.q, slice(g.q, c.heads * c.kDim)))
        #expect(sameBits(alone.k, slice(g.k, c.kvHeads * c.kDim)))
        #expect(sameBits(alone.v, slice(g.v, c.kvHeads * c.vDim)))
        row += n
      }
    }
  }
}
