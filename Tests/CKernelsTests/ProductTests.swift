import CKernels
import Testing

/// Rules a and h: every product element is one chain, whatever M, threads or instruction set.
@Suite struct ProductTests {
  struct Shape: CustomStringConvertible, Sendable {
    var n: Int
    var k: Int
    var type: ck_dtype
    var description: String { "n \(n) k \(k) \(type == CK_BF16 ? "bf16" : "f32")" }
  }

  static let shapes = [
    Shape(n: 1, k: 1, type: CK_F32), Shape(n: 33, k: 17, type: CK_BF16),
    Shape(n: 32, k: 64, type: CK_F32), Shape(n: 96, k: 33, type: CK_F32),
    Shape(n: 70, k: 129, type: CK_BF16), Shape(n: 16, k: 600, type: CK_BF16),
  ]

  @Test("Forward, backward and gradient equal the scalar chains", arguments: shapes)
  func oracle(shape: Shape) {
    var random = Random(1)
    let (n, k) = (shape.n, shape.k)
    let values = random.floats(n * k)
    for engine in KernelEngine.all() {
      let w = Matrix(engine, values, n: n, k: k, source: shape.type)
      for (m, accumulate) in [(1, false), (2, true), (5, false), (13, true), (40, false)] {
        let x = random.floats(m * k)
        let dy = random.floats(m * n)
        var y = random.floats(m * n)
        let expected = productOracle(
          accumulate ? y : .init(repeating: 0, count: m * n), x, w.values, m: m, n: n, k: k)
        linear(engine, &y, x, w, m: m, accumulate: accumulate)
        #expect(sameBits(y, expected), "forward \(engine.name) m \(m)")

        var dx = random.floats(m * k)
        let expectedDX = backwardOracle(
          accumulate ? dx : .init(repeating: 0, count: m * k), dy, w.values, m: m, n: n, k: k)
        ck_linear_backward(
          engine.handle, &dx, Int64(k), dy, Int64(n), Int64(m), &w.packed, accumulate ? 1 : 0)
        #expect(sameBits(dx, expectedDX), "backward \(engine.name) m \(m)")

        var g = random.floats(n * k)
        let expectedG = outerOracle(g, dy, ni: n, x, nj: k, rows: m)
        outerAdd(engine, &g, dy, ni: n, x, nj: k, rows: m)
        #expect(sameBits(g, expectedG), "outer \(engine.name) m \(m)")
      }
    }
  }

  @Test("Row i has the same bits for every M in 1...300", arguments: [CK_F32, CK_BF16])
  func batchInvariance(type: ck_dtype) {
    var random = Random(2)
    let (n, k, most) = (200, 1100, 300)
    let values = random.floats(n * k)
    let x = random.floats(most * k)
    let dy = random.floats(most * n)
    let reference = KernelEngine.reference()
    let w = Matrix(reference, values, n: n, k: k, source: type)
    var y = [Float](repeating: 0, count: most * n)
    var dx = [Float](repeating: 0, count: most * k)
    linear(reference, &y, x, w, m: most, accumulate: false)
    backward(reference, &dx, dy, w, m: most)
    for engine in KernelEngine.all() {
      for m in engine.name.hasSuffix("2 threads") ? Array(1...most) : [1, 4, 17, 300] {
        var part = [Float](repeating: 0, count: m * n)
        linear(engine, &part, x, w, m: m, accumulate: false)
        #expect(sameBits(part, Array(y[..<(m * n)])), "\(engine.name) m \(m)")
        if m % 7 == 1 || m == most {
          var partDX = [Float](repeating: 0, count: m * k)
          backward(engine, &partDX, dy, w, m: m)
          #expect(sameBits(partDX, Array(dx[..<(m * k)])), "backward \(engine.name) m \(m)")
        }
      }
    }
  }

  @Test("Groups: the bits of the same products one by one")
  func groups() {
    var random = Random(8)
    let k = 70
    // More than one run of a group holds, from single rows to more than a block.
    let shapes = (0..<75).map { i in (m: [1, 1, 2, 130, 7][i % 5], n: [1, 8, 32, 96, 3][i % 4]) }
    for engine in KernelEngine.all() {
      let weights = shapes.map { shape in
        Matrix(engine, random.floats(shape.n * k), n: shape.n, k: k, source: CK_F32)
      }
      let packed = weights.map(\.packed)
      let xs = shapes.map { random.floats($0.m * k) }
      let dys = shapes.map { random.floats($0.m * $0.n) }
      let gs = shapes.map { random.floats($0.n * k) }
      for accumulate in [Int32(0), 1] {
        var (ys, dxs, sums) = (dys, xs, gs)
        for (i, shape) in shapes.enumerated() {
          let (m, n) = (Int64(shape.m), Int64(shape.n))
          var w = packed[i]
          ck_linear(engine.handle, &ys[i], n, xs[i], Int64(k), m, &w, accumulate)
          ck_linear_backward(engine.handle, &dxs[i], Int64(k), dys[i], n, m, &w, accumulate)
          if accumulate == 0 { sums[i] = Array(repeating: 0, count: sums[i].count) }
          ck_outer_add(
            engine.handle, &sums[i], Int64(k), dys[i], n, n, xs[i], Int64(k), Int64(k), m)
        }
        let (y, dx, g) = (Blocks(dys), Blocks(xs), Blocks(gs))
        let (x, dy) = (Blocks(xs), Blocks(dys))
        packed.withUnsafeBufferPointer { packed in
          func product(_ out: Blocks, _ ldo: Int, _ input: Blocks, _ ldi: Int, _ i: Int)
            -> ck_linear_product
          {
            ck_linear_product(
              y: out[i], ldy: Int64(ldo), x: input[i], ldx: Int64(ldi), m: Int64(shapes[i].m),
              w: packed.baseAddress! + i)
          }
          let forward = shapes.indices.map { product(y, shapes[$0].n, x, k, $0) }
          let backward = shapes.indices.map { product(dx, k, dy, shapes[$0].n, $0) }
          let outer = shapes.enumerated().map { i, shape in
            ck_outer_product(
              g: g[i], ldg: Int64(k), a: dy[i], lda: Int64(shape.n), ni: Int64(shape.n), b: x[i],
              ldb: Int64(k), nj: Int64(k), rows: Int64(shape.m), accumulate: accumulate)
          }
          // Only pointers to them are left here.
          withExtendedLifetime((weights, x, dy)) {
            ck_linear_group(engine.handle, forward, Int64(shapes.count), accumulate)
            ck_linear_backward_group(engine.handle, backward, Int64(shapes.count), accumulate)
            ck_outer_add_group(engine.handle, outer, Int64(shapes.count))
          }
        }
        for i in shapes.indices {
          #expect(sameBits(y.values(i), ys[i]), "\(engine.name) forward \(shapes[i])")
          #expect(sameBits(dx.values(i), dxs[i]), "\(engine.name) backward \(shapes[i])")
          #expect(sameBits(g.values(i), sums[i]), "\(engine.name) outer \(shapes[i])")
        }
      }
    }
  }

  @Test("Strides: rows of wider matrices, untouched columns stay")
  func strides() {
    var random = Random(3)
    let (m, n, k, ldy, ldx) = (9, 40, 50, 43, 57)
    for engine in KernelEngine.all() {
      let w = Matrix(engine, random.floats(n * k), n: n, k: k, source: CK_BF16)
      let x = random.floats(m * ldx)
      let before = random.floats(m * ldy)
      var y = before
      ck_linear(
        engine.handle, &y, Int64(ldy), x, Int64(ldx), Int64(m), &w.packed, 0)
      for i in 0..<m {
        for j in 0..<ldy {
          let expected =
            j < n
            ? chain(0, k, { x[i * ldx + $0] }, { w.values[j * k + $0] }) : before[i * ldy + j]
          #expect(y[i * ldy + j].bitPattern == expected.bitPattern)
        }
      }
    }
  }

  @Test(
    "Cutting a batch into several calls moves no bit of a gradient", arguments: [1, 7, 256, 299])
  func gradientContinues(cut: Int) {
    var random = Random(4)
    let (rows, ni, nj) = (300, 50, 70)
    let a = random.floats(rows * ni)
    let b = random.floats(rows * nj)
    let start = random.floats(ni * nj)
    for engine in KernelEngine.all() {
      var whole = start
      outerAdd(engine, &whole, a, ni: ni, b, nj: nj, rows: rows)
      var parts = start
      outerAdd(engine, &parts, a, ni: ni, b, nj: nj, rows: cut)
      outerAdd(
        engine, &parts, Array(a[(cut * ni)...]), ni: ni, Array(b[(cut * nj)...]), nj: nj,
        rows: rows - cut)
      #expect(sameBits(whole, parts))
    }
  }

  @Test("v3 and v4 give the same bits", .enabled(if: hasV4, "this CPU lacks x86-64-v4"))
  func instructionSets() {
    var random = Random(5)
    let (m, n, k) = (61, 300, 700)
    let reference = KernelEngine.reference()
    let w = Matrix(reference, random.floats(n * k), n: n, k: k, source: CK_BF16)
    let x = random.floats(m * k)
    let results = KernelEngine.all().map { engine in
      var y = [Float](repeating: 0, count: m * n)
      linear(engine, &y, x, w, m: m, accumulate: false)
      return y
    }
    for y in results { #expect(sameBits(y, results[0])) }
  }

  @Test("OpenBLAS agrees within rounding")
  func blas() throws {
    #expect(ck_blas_open() == nil)
    var random = Random(6)
    let (m, n, k) = (65, 129, 777)
    let engine = KernelEngine.reference()
    let w = Matrix(engine, random.floats(n * k), n: n, k: k, source: CK_F32)
    let x = random.floats(m * k)
    var y = [Float](repeating: 0, count: m * n)
    linear(engine, &y, x, w, m: m, accumulate: false)
    var other = [Float](repeating: 0, count: m * n)
    ck_blas_gemm(
      &other, Int64(n), x, Int64(k), w.values, Int64(k), 1, Int64(m), Int64(n), Int64(k), 1, 0)
    #expect(relativeError(y, other.map(Double.init)) < 1e-6)
  }
}

func linear(
  _ engine: KernelEngine, _ y: inout [Float], _ x: [Float], _ w: Matrix, m: Int, accumulate: Bool
) {
  ck_linear(
    engine.handle, &y, Int64(w.n), x, Int64(w.k), Int64(m), &w.packed, accumulate ? 1 : 0)
}

func backward(_ engine: KernelEngine, _ dx: inout [Float], _ dy: [Float], _ w: Matrix, m: Int) {
  ck_linear_backward(engine.handle, &dx, Int64(w.k), dy, Int64(w.n), Int64(m), &w.packed, 0)
}

func outerAdd(
  _ engine: KernelEngine, _ g: inout [Float], _ a: [Float], ni: Int, _ b: [Float], nj: Int,
  rows: Int
) {
  ck_outer_add(
    engine.handle, &g, Int64(nj), a, Int64(ni), Int64(ni), b, Int64(nj), Int64(nj), Int64(rows))
}

/// Copies of several arrays at addresses that stay.
private final class Blocks {
  private let pointers: [UnsafeMutablePointer<Float>]
  private let counts: [Int]

  init(_ arrays: [[Float]]) {
    counts = arrays.map(\.count)
    pointers = arrays.map { array in
      let pointer = UnsafeMutablePointer<Float>.allocate(capacity: array.count)
      pointer.initialize(from: array, count: array.count)
      return pointer
    }
  }

  deinit { for pointer in pointers { pointer.deallocate() } }

  subscript(i: Int) -> UnsafeMutablePointer<Float> { pointers[i] }

  func values(_ i: Int) -> [Float] {
    Array(UnsafeBufferPointer(start: pointers[i], count: counts[i]))
  }
}
