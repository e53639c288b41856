import CKernels
import Testing

/// Rule c: training, chunked prefill and decode give the bits of the scalar definition.
@Suite struct AttentionTests {
  static let cases = [
    AttentionCase(heads: 4, kvHeads: 2, kDim: 32, vDim: 32),
    AttentionCase(heads: 6, kvHeads: 2, kDim: 24, vDim: 24),
    AttentionCase(heads: 3, kvHeads: 3, kDim: 16, vDim: 20, softcap: 1.5),
    AttentionCase(heads: 5, kvHeads: 1, kDim: 8, vDim: 16, window: 9),
    AttentionCase(heads: 2, kvHeads: 1, kDim: 32, vDim: 24, softcap: 2, window: 40),
  ]

  /// A sequence cut into calls: rows [0, cuts[0]), [cuts[0], cuts[1]) …, through a shuffled page
  /// table over storage full of NaN.
  static func run(
    _ engine: KernelEngine, _ c: AttentionCase, q: [Float], k: [Float], v: [Float], n: Int,
    cuts: [Int]
  ) -> AttentionOutput {
    var shape = c.shape
    let pages = (n + 31) / 32
    let stride = ck_page_floats(&shape) + 7
    var storage = [Float](repeating: .nan, count: (pages + 1) * Int(stride))
    let table = (0..<pages).map { Int32(pages - $0) }
    var out = AttentionOutput(
      o: .init(repeating: .nan, count: n * c.heads * c.vDim),
      max: .init(repeating: .nan, count: n * c.heads),
      sum: .init(repeating: .nan, count: n * c.heads))
    table.withUnsafeBufferPointer { table in
      var start = 0
      for end in cuts + [n] {
        var sequence = ck_sequence(
          row: Int64(start), rows: Int32(end - start), start: Int32(start),
          pages: table.baseAddress)
        ck_kv_write(engine.handle, &storage, stride, &shape, &sequence, 1, k, v)
        ck_attention(
          engine.handle, &out.o, &out.max, &out.sum, q, storage, stride, &shape, &sequence, 1)
        start = end
      }
    }
    return out
  }

  @Test("Whole, in chunks and token by token equal the definition", arguments: 0..<cases.count)
  func oracle(index: Int) {
    let c = Self.cases[index]
    var random = Random(UInt64(index))
    let n = 75
    let q = random.floats(n * c.heads * c.kDim, -2..<2)
    let k = random.floats(n * c.kvHeads * c.kDim, -2..<2)
    let v = random.floats(n * c.kvHeads * c.vDim)
    let expected = attentionOracle(c, q: q, k: k, v: v, n: n)
    for engine in KernelEngine.all() {
      for cuts in [[], [1], [31, 33], [32, 64], [10, 20, 21, 22, 70], Array(1..<n)] {
        let out = Self.run(engine, c, q: q, k: k, v: v, n: n, cuts: cuts)
        #expect(sameBits(out.max, expected.max), "max \(engine.name) \(cuts)")
        #expect(sameBits(out.sum, expected.sum), "sum \(engine.name) \(cuts)")
        #expect(
          sameBits(out.o, expected.o),
          "\(engine.name) \(cuts) \(firstDifference(out.o, expected.o))")
      }
    }
  }

  @Test("A sequence has the same bits alone and in a pack of lengths 1, 2, 17, 33, 130")
  func pack() {
    let c = AttentionCase(heads: 4, kvHeads: 2, kDim: 16, vDim: 16)
    var shape = c.shape
    var random = Random(9)
    let lengths = [1, 2, 17, 33, 130]
    let total = lengths.reduce(0, +)
    let q = random.floats(total * c.heads * c.kDim)
    let k = random.floats(total * c.kvHeads * c.kDim)
    let v = random.floats(total * c.kvHeads * c.vDim)
    let stride = ck_page_floats(&shape)
    let pages = lengths.reduce(0) { $0 + ($1 + 31) / 32 }
    let table = (0..<Int32(pages)).map { $0 }
    for engine in KernelEngine.all() {
      var storage = [Float](repeating: .nan, count: pages * Int(stride))
      var o = [Float](repeating: .nan, count: total * c.heads * c.vDim)
      table.withUnsafeBufferPointer { table in
        var row = 0
        var page = 0
        let sequences = lengths.map { length in
          defer {
            row += length
            page += (length + 31) / 32
          }
          return ck_sequence(
            row: Int64(row), rows: Int32(length), start: 0, pages: table.baseAddress! + page)
        }
        let count = Int64(sequences.count)
        ck_kv_write(engine.handle, &storage, stride, &shape, sequences, count, k, v)
        ck_attention(engine.handle, &o, nil, nil, q, storage, stride, &shape, sequences, count)
      }
      var row = 0
      for n in lengths {
        func slice(_ x: [Float], _ width: Int) -> [Float] {
          Array(x[row * width..<(row + n) * width])
        }
        let alone = Self.run(
          engine, c, q: slice(q, c.heads * c.kDim), k: slice(k, c.kvHeads * c.kDim),
          v: slice(v, c.kvHeads * c.vDim), n: n, cuts: [])
        #expect(sameBits(slice(o, c.heads * c.vDim), alone.o), "\(engine.name) length \(n)")
        row += n
      }
    }
  }

  @Test("A later token that is not finite leaves earlier rows alone")
  func poison() {
    let c = AttentionCase(heads: 2, kvHeads: 1, kDim: 16, vDim: 16)
    var random = Random(10)
    let n = 40
    let q = random.floats(n * c.heads * c.kDim)
    var k = random.floats(n * c.kvHeads * c.kDim)
    var v = random.floats(n * c.kvHeads * c.vDim)
    let engine = KernelEngine.reference()
    let clean = Self.run(engine, c, q: q, k: k, v: v, n: n, cuts: [])
    for d in 0..<16 {
      k[38 * 16 + d] = .nan
      v[38 * 16 + d] = .infinity
    }
    let poisoned = Self.run(engine, c, q: q, k: k, v: v, n: n, cuts: [])
    let width = c.heads * c.vDim
    #expect(sameBits(Array(clean.o[..<(38 * width)]), Array(poisoned.o[..<(38 * width)])))
    let spoiled = poisoned.o[(38 * width)...].contains { !$0.isFinite }
    #expect(spoiled)
  }
}
