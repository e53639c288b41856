import Testing

@testable import Engine

/// Single operations, forward and backward, against float64.
@Suite struct GoldenOperationTests {
  let golden: GoldenTensors
  let kernels: Kernels
  let arena: Arena

  init() throws {
    golden = try Golden.tensors("ops.safetensors")
    kernels = try Kernels(threads: 2)
    arena = try Arena(bytes: 1 << 26)
  }

  /// A golden tensor as rows of `width`; further axes are flattened into the row.
  private func rows(_ key: String) throws -> Rows {
    let values = try golden.floats(key)
    let count = try golden.shape(key)[0]
    let rows = try arena.rows(count, values.count / count)
    rows.pointer.update(from: values, count: values.count)
    return rows
  }

  private func empty(like other: Rows) throws -> Rows { try arena.rows(other.count, other.width) }

  private func expect(_ ours: Rows, _ key: String, _ place: SourceLocation = #_sourceLocation)
    throws
  {
    let values = UnsafeBufferPointer(start: ours.pointer, count: ours.elements)
    let error = relativeError(values, try golden.doubles(key))
    #expect(error <= Tolerance.operation, "\(key): \(error)", sourceLocation: place)
  }

  @Test func rmsNorm() throws {
    let weight = try golden.floats("rms_norm/weight")
    let x = try rows("rms_norm/x")
    let dy = try rows("rms_norm/d_out")
    try weight.withUnsafeBufferPointer { buffer in
      let norm = RMSNorm(
        weight: try #require(buffer.baseAddress), width: weight.count, epsilon: 1e-2)
      let y = try empty(like: x)
      kernels.rmsNorm(y, x, norm)
      try expect(y, "rms_norm/out")
      let dx = try empty(like: x)
      kernels.rmsNormBackward(dx, dy, x, norm, accumulate: false)
      try expect(dx, "rms_norm/d_x")
      kernels.rmsNormBackward(dx, dy, x, norm, accumulate: true)
      kernels.scale(dx, by: 0.5)
      try expect(dx, "rms_norm/d_x")
    }
  }

  @Test(arguments: ["llama", "qwen3"])
  func rope(model: String) throws {
    struct Index: Decodable {
      struct Operation: Decodable {
        let name: String
        let positions: [Int32]?
      }
      let ops: [Operation]
    }
    let index = try Golden.decode(Index.self, "index.json")
    let name = "rope-\(model)"
    let positions = try #require(index.ops.first { $0.name == name }?.positions)
    let config = try ModelConfig(path: "\(Golden.folder)/models/\(model)/config.json")
    let table = RotaryTable(
      headDimension: config.headDimension, positions: config.maxPositions,
      theta: config.ropeTheta, scaling: config.ropeScaling)
    table.fill()
    let half = config.headDimension / 2
    let cosines = positions.flatMap { p in (0..<half).map { table.cosines[Int(p) * half + $0] } }
    let sines = positions.flatMap { p in (0..<half).map { table.sines[Int(p) * half + $0] } }
    #expect(relativeError(cosines, try golden.doubles("\(name)/cos")) <= Tolerance.operation)
    #expect(relativeError(sines, try golden.doubles("\(name)/sin")) <= Tolerance.operation)

    let at = try arena.indices(positions)
    let x = try rows("\(name)/x")
    kernels.rope(x, table, positions: at, inverse: false)
    try expect(x, "\(name)/out")
    let dy = try rows("\(name)/d_out")
    kernels.rope(dy, table, positions: at, inverse: true)
    try expect(dy, "\(name)/d_x")
  }

  @Test(arguments: [(1, 6, 2), (17, 6, 2), (33, 6, 1), (18, 6, 6)])
  func attention(count: Int, heads: Int, kvHeads: Int) throws {
    let name = "attention-\(count)-\(heads)-\(kvHeads)"
    let shape = AttentionShape(heads: heads, kvHeads: kvHeads, headDimension: 24)
    let (q, k, v) = (try rows("\(name)/q"), try rows("\(name)/k"), try rows("\(name)/v"))
    var batch = RowBatch()
    batch.append([Int32](repeating: 0, count: count), adapter: nil)
    let sequences = try batch.sequenceTable(in: arena)
    let (max, sum) = (try arena.rows(count, heads), try arena.rows(count, heads))
    let pages = try PagePool.scratch(shape, sequences, arena)
    let out = try arena.rows(count, shape.outputWidth)
    kernels.writeKV(pages, k, v, sequences)
    kernels.attention(out, max: max, sum: sum, q, pages, sequences)
    try expect(out, "\(name)/out")
    let saved = AttentionSaved(q: q, k: k, v: v, out: out, max: max, sum: sum)
    let (dq, dk, dv) = (try empty(like: q), try empty(like: k), try empty(like: v))
    kernels.attentionBackward(
      dq: dq, dk: dk, dv: dv, dOut: try rows("\(name)/d_out"), saved, shape, sequences)
    try expect(dv, "\(name)/d_v")
    guard count > 1 else {  // a single key: softmax is constant, the gradients are rounding noise
      #expect((0..<dq.elements).allSatisfy { abs(dq.pointer[$0]) < 1e-5 })
      return
    }
    try expect(dq, "\(name)/d_q")
    try expect(dk, "\(name)/d_k")
  }

  @Test func gatedUnit() throws {
    let (gate, up) = (try rows("gated/gate"), try rows("gated/up"))
    let y = try empty(like: gate)
    kernels.swiglu(y, gate: gate, up: up)
    try expect(y, "gated/out")
    let (dGate, dUp) = (try empty(like: gate), try empty(like: gate))
    kernels.swigluBackward(dGate, dUp, try rows("gated/d_out"), gate: gate, up: up)
    try expect(dGate, "gated/d_gate")
    try expect(dUp, "gated/d_up")
  }
}
