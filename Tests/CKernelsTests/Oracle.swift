import CKernels

// The rules, written as plainly as possible: what every kernel must give, bit for bit.

/// Rule a: one fma chain over ascending k.
func chain(_ start: Float, _ count: Int, _ a: (Int) -> Float, _ b: (Int) -> Float) -> Float {
  var c = start
  for k in 0..<count { c.addProduct(a(k), b(k)) }
  return c
}

/// Rule b: lane = index mod 16, ascending, then 8+8, 4+4, 2+2, 1+1.
func foldLanes<T: BinaryFloatingPoint>(_ lanes: [T]) -> T {
  var lanes = lanes
  for step in [8, 4, 2, 1] {
    for j in 0..<step { lanes[j] += lanes[j + step] }
  }
  return lanes[0]
}

func laneSum(_ indices: Range<Int>, _ value: (Int) -> Float) -> Float {
  var lanes = [Float](repeating: 0, count: 16)
  for i in indices { lanes[i % 16] += value(i) }
  return foldLanes(lanes)
}

func laneDot(_ count: Int, _ a: (Int) -> Float, _ b: (Int) -> Float) -> Float {
  var lanes = [Float](repeating: 0, count: 16)
  for i in 0..<count { lanes[i % 16].addProduct(a(i), b(i)) }
  return foldLanes(lanes)
}

/// x[m, k] · w[n, k]ᵀ, continuing from y.
func productOracle(_ y: [Float], _ x: [Float], _ w: [Float], m: Int, n: Int, k: Int) -> [Float] {
  var y = y
  for i in 0..<m {
    for j in 0..<n {
      y[i * n + j] = chain(y[i * n + j], k, { x[i * k + $0] }, { w[j * k + $0] })
    }
  }
  return y
}

/// dy[m, n] · w[n, k], continuing from dx.
func backwardOracle(_ dx: [Float], _ dy: [Float], _ w: [Float], m: Int, n: Int, k: Int) -> [Float] {
  var dx = dx
  for i in 0..<m {
    for q in 0..<k {
      dx[i * k + q] = chain(dx[i * k + q], n, { dy[i * n + $0] }, { w[$0 * k + q] })
    }
  }
  return dx
}

/// g[ni, nj] + Σ over rows of a[row, i]·b[row, j].
func outerOracle(
  _ g: [Float], _ a: [Float], ni: Int, _ b: [Float], nj: Int, rows: Int
) -> [Float] {
  var g = g
  for i in 0..<ni {
    for j in 0..<nj {
      g[i * nj + j] = chain(g[i * nj + j], rows, { a[$0 * ni + i] }, { b[$0 * nj + j] })
    }
  }
  return g
}

/// One sequence of an attention test, row-major.
struct AttentionCase {
  var heads: Int
  var kvHeads: Int
  var kDim: Int
  var vDim: Int
  var softcap: Float = 0
  var window: Int = 0
  var scale: Float = 0.3

  var shape: ck_attention_shape {
    ck_attention_shape(
      heads: Int32(heads), kv_heads: Int32(kvHeads), k_dim: Int32(kDim), v_dim: Int32(vDim),
      scale: scale, softcap: softcap, window: Int32(window))
  }

  func visible(_ position: Int) -> Range<Int> {
    (window > 0 ? max(0, position - window + 1) : 0)..<position + 1
  }

  func score(_ q: ArraySlice<Float>, _ k: ArraySlice<Float>) -> Float {
    let s = chain(0, kDim, { q[q.startIndex + $0] }, { k[k.startIndex + $0] }) * scale
    return softcap > 0 ? softcap * ck_tanh(s / softcap) : s
  }
}

struct AttentionOutput {
  var o: [Float]
  var max: [Float]
  var sum: [Float]
}

/// Rule c for one sequence of n positions.
func attentionOracle(_ c: AttentionCase, q: [Float], k: [Float], v: [Float], n: Int)
  -> AttentionOutput
{
  var out = AttentionOutput(
    o: .init(repeating: 0, count: n * c.heads * c.vDim),
    max: .init(repeating: 0, count: n * c.heads), sum: .init(repeating: 0, count: n * c.heads))
  let group = c.heads / c.kvHeads
  for position in 0..<n {
    for head in 0..<c.heads {
      let row = position * c.heads + head
      let keys = c.visible(position)
      let scores = keys.map { j in
        let key = (j * c.kvHeads + head / group) * c.kDim
        return c.score(q[row * c.kDim..<(row + 1) * c.kDim], k[key..<key + c.kDim])
      }
      let top = scores.max()!
      let p = scores.map { ck_exp($0 - top) }
      let sum = laneSum(keys) { p[$0 - keys.lowerBound] }
      for d in 0..<c.vDim {
        let o = chain(
          0, keys.count, { p[$0] },
          { v[((keys.lowerBound + $0) * c.kvHeads + head / group) * c.vDim + d] })
        out.o[row * c.vDim + d] = o * (1 / sum)
      }
      out.max[row] = top
      out.sum[row] = sum
    }
  }
  return out
}
