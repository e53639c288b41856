import CKernels

/// The numerics class that checkpoints, journals and the worker's hello carry: results are equal
/// bit for bit within one version and precision (numerics contract 4).
package enum Numerics {
  /// Raised whenever any kernel changes a bit of any result.
  package static let version: UInt32 = 1
  /// Activations and accumulation in f32, frozen weights as stored.
  package static let precision = "f32"
  /// The instructions that kernels run on here.
  package static var instructionSet: String { "x86-64-v\(ck_isa_available())" }
}

/// Swift's face of the kernel list (`CKernels.h`), one method per kernel, on `Rows`.
///
/// Owned by one compute thread. The threads of the pool only ever split outputs, so their number
/// moves no bit.
package final class Kernels {
  let handle: OpaquePointer

  /// - Parameters:
  ///   - threads: compute threads, the caller's included.
  ///   - isa: 0 for the best of this CPU, 3 for x86-64-v3, 4 for x86-64-v4.
  /// - Throws: `unimplemented` on a CPU without AVX2 and FMA or without the set asked for.
  package init(threads: Int, isa: Int32 = 0) throws(EngineError) {
    guard ck_isa_available() > 0 else {
      throw EngineError(.unimplemented, "this CPU has no AVX2 and FMA, which the engine needs")
    }
    guard let handle = ck_engine_create(Int32(threads), isa) else {
      throw EngineError(.unimplemented, "cannot start \(threads) threads on x86-64-v\(isa)")
    }
    self.handle = handle
  }

  deinit { ck_engine_destroy(handle) }

  package var threads: Int { Int(ck_engine_threads(handle)) }

  // MARK: Products

  /// y store or add x · Wᵀ, one chain over inputs per element.
  func linear(_ y: Rows, _ x: Rows, _ w: PackedMatrix, accumulate: Bool) {
    withUnsafePointer(to: w.raw) {
      ck_linear(
        handle, y.pointer, Int64(y.stride), x.pointer, Int64(x.stride), Int64(x.count), $0,
        accumulate ? 1 : 0)
    }
  }

  /// dx store or add dy · W, one chain over outputs per element.
  func linearBackward(_ dx: Rows, _ dy: Rows, _ w: PackedMatrix, accumulate: Bool) {
    withUnsafePointer(to: w.raw) {
      ck_linear_backward(
        handle, dx.pointer, Int64(dx.stride), dy.pointer, Int64(dy.stride), Int64(dy.count), $0,
        accumulate ? 1 : 0)
    }
  }

  /// Several thin products as one call; no output may be in two of them.
  func linear(_ products: [LinearProduct], accumulate: Bool) {
    withRaw(products) { ck_linear_group(handle, $0, Int64(products.count), accumulate ? 1 : 0) }
  }

  /// The same for `linearBackward`: y is dx, x is dy.
  func linearBackward(_ products: [LinearProduct], accumulate: Bool) {
    withRaw(products) {
      ck_linear_backward_group(handle, $0, Int64(products.count), accumulate ? 1 : 0)
    }
  }

  private func withRaw(
    _ products: [LinearProduct], _ body: (UnsafePointer<ck_linear_product>?) -> Void
  ) {
    let weights = products.map(\.w.raw)
    weights.withUnsafeBufferPointer { weights in
      guard let first = weights.baseAddress else { return }
      let raw = products.enumerated().map { i, product in
        ck_linear_product(
          y: product.y.pointer, ldy: Int64(product.y.stride), x: product.x.pointer,
          ldx: Int64(product.x.stride), m: Int64(product.x.count), w: first + i)
      }
      raw.withUnsafeBufferPointer { body($0.baseAddress) }
    }
  }

  /// g store or add aᵀ · b each, one chain over rows per element. g is [a.width, b.width]; no two may
  /// overlap.
  func outerAdd(_ products: [OuterProduct]) {
    let raw = products.map { product in
      ck_outer_product(
        g: product.g, ldg: Int64(product.b.width), a: product.a.pointer,
        lda: Int64(product.a.stride), ni: Int64(product.a.width), b: product.b.pointer,
        ldb: Int64(product.b.stride), nj: Int64(product.b.width), rows: Int64(product.a.count),
        accumulate: product.accumulate ? 1 : 0)
    }
    raw.withUnsafeBufferPointer { ck_outer_add_group(handle, $0.baseAddress, Int64($0.count)) }
  }

  /// Packs a matrix [outputs, inputs] of type `dtype` into `panels`.
  func pack(
    _ panels: UnsafeMutableRawPointer, _ source: UnsafeRawPointer, _ dtype: ck_dtype, outputs: Int,
    inputs: Int
  ) {
    ck_pack(handle, panels, source, dtype, Int64(outputs), Int64(inputs))
  }

  /// Packs f32 matrices, each into the panels of its packed copy.
  func pack(_ matrices: [(source: UnsafePointer<Float>, packed: PackedMatrix)]) {
    let jobs = matrices.map { source, packed in
      ck_pack_job(
        dst: UnsafeMutableRawPointer(mutating: packed.raw.panels), src: source, n: packed.raw.n,
        k: packed.raw.k)
    }
    jobs.withUnsafeBufferPointer { ck_pack_group(handle, $0.baseAddress, Int64($0.count)) }
  }

  // MARK: Rows

  func gather(_ y: Rows, packed w: PackedMatrix, _ tokens: Indices) {
    withUnsafePointer(to: w.raw) {
      ck_gather_packed(handle, y.pointer, $0, tokens.pointer, Int64(tokens.count))
    }
  }

  func gather(_ y: Rows, table: UnsafeRawPointer, _ dtype: ck_dtype, _ tokens: Indices) {
    ck_gather(
      handle, y.pointer, table, dtype, Int64(y.width), tokens.pointer, Int64(tokens.count))
  }

  func gatherRows(_ y: Rows, _ x: Rows, _ index: Indices) {
    ck_gather_rows(
      handle, y.pointer, x.pointer, Int64(x.width), index.pointer, Int64(index.count))
  }

  func scatterRows(_ y: Rows, _ x: Rows, _ index: Indices) {
    ck_scatter_rows(
      handle, y.pointer, x.pointer, Int64(x.width), index.pointer, Int64(index.count))
  }

  func copy(_ y: Rows, _ x: Rows) {
    y.pointer.update(from: x.pointer, count: x.elements)
  }

  func zero(_ y: Rows) { y.pointer.update(repeating: 0, count: y.elements) }

  func add(_ y: Rows, _ a: Rows, _ b: Rows) {
    ck_add(handle, y.pointer, a.pointer, b.pointer, Int64(y.elements))
  }

  func scale(_ y: Rows, by factor: Float) {
    ck_scale(handle, y.pointer, factor, Int64(y.elements))
  }

  func allFinite(_ x: UnsafePointer<Float>, count: Int) -> Bool {
    ck_all_finite(handle, x, Int64(count)) != 0
  }

  // MARK: Normalisation, rotary embedding, gated unit

  /// Rows are cut into pieces of `weight.width`, so heads are normed one by one where asked.
  func rmsNorm(_ y: Rows, _ x: Rows, _ norm: RMSNorm) {
    ck_rmsnorm(
      handle, y.pointer, x.pointer, norm.weight, Int64(x.elements / norm.width),
      Int64(norm.width), norm.epsilon, 0)
  }

  func rmsNormBackward(_ dx: Rows, _ dy: Rows, _ x: Rows, _ norm: RMSNorm, accumulate: Bool) {
    ck_rmsnorm_backward(
      handle, dx.pointer, dy.pointer, x.pointer, norm.weight, Int64(x.elements / norm.width),
      Int64(norm.width), norm.epsilon, 0, accumulate ? 1 : 0)
  }

  func rope(_ x: Rows, _ table: RotaryTable, positions: Indices, inverse: Bool) {
    ck_rope(
      handle, x.pointer, table.cosines, table.sines, positions.pointer, Int64(x.count),
      Int32(x.width / table.headDimension), Int32(table.headDimension),
      Int32(table.headDimension), inverse ? 1 : 0)
  }

  func swiglu(_ y: Rows, gate: Rows, up: Rows) {
    ck_swiglu(handle, y.pointer, gate.pointer, up.pointer, Int64(y.elements))
  }

  func swigluBackward(_ dgate: Rows, _ dup: Rows, _ dy: Rows, gate: Rows, up: Rows) {
    ck_swiglu_backward(
      handle, dgate.pointer, dup.pointer, dy.pointer, gate.pointer, up.pointer,
      Int64(dy.elements))
  }

  // MARK: Attention

  func writeKV(_ pages: PagePool, _ k: Rows, _ v: Rows, _ sequences: SequenceTable) {
    withUnsafePointer(to: pages.shape.raw) {
      ck_kv_write(
        handle, pages.base, Int64(pages.stride), $0, sequences.pointer, Int64(sequences.count),
        k.pointer, v.pointer)
    }
  }

  func attention(
    _ o: Rows, max: Rows?, sum: Rows?, _ q: Rows, _ pages: PagePool, _ sequences: SequenceTable
  ) {
    withUnsafePointer(to: pages.shape.raw) {
      ck_attention(
        handle, o.pointer, max?.pointer, sum?.pointer, q.pointer, pages.base,
        Int64(pages.stride), $0, sequences.pointer, Int64(sequences.count))
    }
  }

  func attentionBackward(
    dq: Rows, dk: Rows, dv: Rows, dOut: Rows, _ saved: AttentionSaved, _ shape: AttentionShape,
    _ sequences: SequenceTable
  ) {
    withUnsafePointer(to: shape.raw) {
      ck_attention_backward(
        handle, dq.pointer, dk.pointer, dv.pointer, dOut.pointer, saved.q.pointer,
        saved.k.pointer, saved.v.pointer, saved.out.pointer, saved.max.pointer,
        saved.sum.pointer, $0, sequences.pointer, Int64(sequences.count))
    }
  }

  // MARK: Output head

  /// - Parameter temperatures: of each row, here and below; nil is 1 everywhere.
  func softmaxStats(max: Rows, sum: Rows, _ logits: Rows, temperatures: Rows? = nil) {
    ck_softmax_stats(
      handle, max.pointer, sum.pointer, logits.pointer, temperatures?.pointer,
      Int64(logits.count), Int64(logits.width))
  }

  /// logprobs [rows, k] of targets [rows, k].
  func logprobs(
    _ out: Rows, _ logits: Rows, max: Rows, sum: Rows, temperatures: Rows? = nil, targets: Indices
  ) {
    ck_logprobs(
      handle, out.pointer, logits.pointer, max.pointer, sum.pointer, temperatures?.pointer,
      targets.pointer, Int64(logits.count), Int64(out.width), Int64(logits.width))
  }

  func logprobsBackward(_ logits: Rows, max: Rows, sum: Rows, targets: Indices, dp: Rows) {
    ck_logprobs_backward(
      handle, logits.pointer, max.pointer, sum.pointer, targets.pointer, dp.pointer,
      Int64(logits.count), Int64(dp.width), Int64(logits.width))
  }

  func topK(
    ids: Indices, logprobs: Rows, _ logits: Rows, max: Rows, sum: Rows, temperatures: Rows? = nil
  ) {
    ck_topk(
      handle, ids.pointer, logprobs.pointer, logits.pointer, max.pointer, sum.pointer,
      temperatures?.pointer, Int64(logits.count), Int64(logprobs.width), Int64(logits.width))
  }

  func draw(_ tokens: Indices, _ logits: Rows, max: Rows, _ parameters: [ck_draw_params]) {
    ck_draw(
      handle, tokens.pointer, logits.pointer, max.pointer, parameters, Int64(logits.count),
      Int64(logits.width))
  }

  // MARK: Optimizer

  /// Σ x² of several arrays in double, in their order; not finite exactly when a value is not.
  func squareSum(_ arrays: [UnsafeBufferPointer<Float>]) -> Double {
    let pointers = arrays.map(\.baseAddress)
    let counts = arrays.map { Int64($0.count) }
    return ck_square_sum_group(handle, pointers, counts, Int64(counts.count))
  }

  /// Kaiming-uniform and other starts: values in [-bound, bound), keyed by (seed, stream).
  func uniform(
    _ out: UnsafeMutablePointer<Float>, count: Int, seed: UInt64, stream: UInt64, bound: Float
  ) {
    ck_uniform(handle, out, Int64(count), seed, stream, -bound, bound)
  }
}

/// One product of a group: y store or add x · Wᵀ, or backward y store or add x · W.
struct LinearProduct {
  let y: Rows
  let x: Rows
  let w: PackedMatrix
}

/// One gradient of a group: g store or add aᵀ · b.
struct OuterProduct {
  let g: UnsafeMutablePointer<Float>
  let accumulate: Bool
  let a: Rows
  let b: Rows
}
