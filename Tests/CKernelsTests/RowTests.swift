import CKernels
import Testing

/// Row and element-wise kernels against their scalar definitions and central differences.
@Suite struct RowTests {
  @Test("rmsnorm equals its definition; its gradient matches differences", arguments: [7, 80, 257])
  func rmsnorm(width: Int) {
    var random = Random(UInt64(width))
    let rows = 21
    let x = random.floats(rows * width)
    let w = random.floats(width, 0.5..<1.5)
    let dy = random.floats(rows * width)
    for engine in KernelEngine.all() {
      func forward(_ x: [Float]) -> [Float] {
        var y = [Float](repeating: .nan, count: x.count)
        ck_rmsnorm(engine.handle, &y, x, w, Int64(rows), Int64(width), 1e-2, 1)
        return y
      }
      let y = forward(x)
      var dx = [Float](repeating: 0, count: x.count)
      ck_rmsnorm_backward(engine.handle, &dx, dy, x, w, Int64(rows), Int64(width), 1e-2, 1, 0)
      for row in 0..<rows {
        let at = row * width
        let mean = laneDot(width, { x[at + $0] }, { x[at + $0] }) / Float(width)
        let r = 1 / (mean + 1e-2).squareRoot()
        let h = (0..<width).map { dy[at + $0] * (w[$0] + 1) }
        let t = (laneDot(width, { h[$0] }, { x[at + $0] }) * (r * r)) / Float(width)
        for i in 0..<width {
          #expect(y[at + i].bitPattern == ((x[at + i] * r) * (w[i] + 1)).bitPattern)
          let expected = r * h[i].addingProduct(-x[at + i], t)
          #expect(dx[at + i].bitPattern == expected.bitPattern)
        }
      }
      #expect(directionalError(at: x, gradient: dx) { dot(forward($0), dy) } < 1e-3)
      var twice = dx
      ck_rmsnorm_backward(engine.handle, &twice, dy, x, w, Int64(rows), Int64(width), 1e-2, 1, 1)
      #expect(sameBits(twice, dx.map { $0 + $0 }))
    }
  }

  @Test("rope rotates, leaves the rest of the head, and its inverse undoes it")
  func rope() {
    var random = Random(3)
    let (rows, heads, headDim, rotary) = (13, 3, 24, 20)
    let half = rotary / 2
    let cosines = random.floats(50 * half)
    let sines = cosines.map { (1 - $0 * $0).squareRoot() }
    let positions = (0..<Int32(rows)).map { ($0 * 7) % 50 }
    let x = random.floats(rows * heads * headDim)
    for engine in KernelEngine.all() {
      var y = x
      func rotate(_ inverse: Int32) {
        ck_rope(
          engine.handle, &y, cosines, sines, positions, Int64(rows), Int32(heads),
          Int32(headDim), Int32(rotary), inverse)
      }
      rotate(0)
      for row in 0..<rows {
        for head in 0..<heads {
          let at = (row * heads + head) * headDim
          for i in 0..<half {
            let table = Int(positions[row]) * half + i
            let (a, b, c, s) = (x[at + i], x[at + half + i], cosines[table], sines[table])
            #expect(y[at + i].bitPattern == (-(b * s)).addingProduct(a, c).bitPattern)
            #expect(y[at + half + i].bitPattern == (a * s).addingProduct(b, c).bitPattern)
          }
          for i in rotary..<headDim { #expect(y[at + i] == x[at + i]) }
        }
      }
      rotate(1)
      #expect(relativeError(y, x.map(Double.init)) < 1e-6)
    }
  }

  @Test("swiglu equals its definition; its gradients match differences")
  func swiglu() {
    var random = Random(4)
    let count = 20_011
    let gate = random.floats(count, -6..<6)
    let up = random.floats(count)
    let dy = random.floats(count)
    for engine in KernelEngine.all() {
      func forward(_ gate: [Float], _ up: [Float]) -> [Float] {
        var y = [Float](repeating: .nan, count: count)
        ck_swiglu(engine.handle, &y, gate, up, Int64(count))
        return y
      }
      let expected = zip(gate, up).map { $0 / (1 + ck_exp(-$0)) * $1 }
      #expect(sameBits(forward(gate, up), expected), "\(engine.name)")
      var dgate = [Float](repeating: .nan, count: count)
      var dup = dgate
      ck_swiglu_backward(engine.handle, &dgate, &dup, dy, gate, up, Int64(count))
      #expect(
        directionalError(at: gate, gradient: dgate, step: 0.5) { dot(forward($0, up), dy) } < 1e-3)
      #expect(
        directionalError(at: up, gradient: dup, step: 0.5) { dot(forward(gate, $0), dy) } < 1e-3)
    }
    let engine = KernelEngine.reference()
    var ends = [Float](repeating: .nan, count: 2)
    var other = ends
    ck_swiglu(engine.handle, &ends, [-200, 200], [1, 1], 2)
    #expect(ends == [0, 200])
    ck_swiglu_backward(engine.handle, &ends, &other, [1, 1], [-200, 200], [1, 1], 2)
    #expect(ends == [0, 1] && other == [0, 200])
  }

  @Test("softcap and its derivative")
  func softcap() {
    var random = Random(5)
    let count = 1003
    let x = random.floats(count, -50..<50)
    let dy = random.floats(count)
    for engine in KernelEngine.all() {
      func forward(_ x: [Float]) -> [Float] {
        var y = x
        ck_softcap(engine.handle, &y, 15, Int64(count))
        return y
      }
      let y = forward(x)
      #expect(sameBits(y, x.map { 15 * ck_tanh($0 / 15) }))
      var dx = dy
      ck_softcap_backward(engine.handle, &dx, y, 15, Int64(count))
      #expect(directionalError(at: x, gradient: dx, step: 0.3) { dot(forward($0), dy) } < 1e-3)
    }
  }

  @Test("add, scale and the check for finite values")
  func elements() {
    var random = Random(6)
    let count = 40_003
    let a = random.floats(count)
    let b = random.floats(count)
    for engine in KernelEngine.all() {
      var y = a
      ck_add(engine.handle, &y, b, b, Int64(count))
      #expect(sameBits(y, b.map { $0 + $0 }))
      ck_scale(engine.handle, &y, 0.37, Int64(count))
      #expect(sameBits(y, b.map { ($0 + $0) * 0.37 }))
      #expect(ck_all_finite(engine.handle, y, Int64(count)) == 1)
      for (index, value) in [(0, Float.nan), (17, -.infinity), (count - 1, .infinity)] {
        var bad = y
        bad[index] = value
        #expect(ck_all_finite(engine.handle, bad, Int64(count)) == 0)
      }
    }
  }
}
