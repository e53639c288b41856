import CKernels

/// A datum in a micro-batch: whose it is and where its rows start.
struct LossPiece {
  let request: Int
  let datum: TrainingDatum
  let loss: LossFunction
  let row: Int

  var rows: Range<Int> { row..<row + datum.tokens.count }
}

/// The output head over the hidden states of a micro-batch: log-probs, then loss and gradient,
/// block by block. Rows whose gradient is zero skip the backward products.
struct HeadRun {
  let head: OutputHead
  let hidden: Rows
  let segments: [Segment]
  let kernels: Kernels
  let arena: Arena

  /// Losses whose gradient at a token needs that token alone.
  func blocks(
    _ run: Range<Int>, _ pieces: [LossPiece], _ k: Int,
    _ accumulators: inout [RequestAccumulator], gradient: Rows?
  ) throws(EngineError) {
    var first = 0
    for start in stride(from: run.lowerBound, to: run.upperBound, by: OutputHead.blockRows) {
      let rows = start..<min(start + OutputHead.blockRows, run.upperBound)
      let mark = arena.mark
      while pieces[first].rows.upperBound <= rows.lowerBound { first += 1 }
      let inside = pieces[first...].prefix { $0.row < rows.upperBound }
      let block = try forward(rows, targets(inside, rows, k), k)
      let dp = try arena.rows(rows.count, k)
      for piece in inside {
        let part = piece.rows.clamped(to: rows)
        let local = part.lowerBound - rows.lowerBound..<part.upperBound - rows.lowerBound
        let p = block.logprobs.slice(local)
        accumulators[piece.request].logprobs.append(
          contentsOf: UnsafeBufferPointer(start: p.pointer, count: p.elements))
        loss(
          piece, part.lowerBound - piece.row..<part.upperBound - piece.row, p, dp.slice(local),
          &accumulators[piece.request])
      }
      if let gradient { try backward(block, dp, rows, into: gradient) }
      arena.reset(to: mark)
    }
  }

  /// Losses that need a sequence's log-probs first (gspo): the blocks are computed a second time
  /// for the gradient.
  func wholeSequences(
    _ run: Range<Int>, _ pieces: [LossPiece], _ accumulators: inout [RequestAccumulator],
    gradient: Rows?
  ) throws(EngineError) {
    let mark = arena.mark
    let p = try arena.rows(run.count, 1)
    let dp = try arena.rows(run.count, 1)
    let targets = pieces.flatMap(\.datum.targets)
    func eachBlock(
      _ body: (Block, Range<Int>, Range<Int>) throws(EngineError) -> Void
    ) throws(EngineError) {
      for start in stride(from: 0, to: run.count, by: OutputHead.blockRows) {
        let local = start..<min(start + OutputHead.blockRows, run.count)
        let rows = run.lowerBound + local.lowerBound..<run.lowerBound + local.upperBound
        let inner = arena.mark
        try body(try forward(rows, Array(targets[local]), 1), rows, local)
        arena.reset(to: inner)
      }
    }
    try eachBlock { (block, _, local) throws(EngineError) in
      kernels.copy(p.slice(local), block.logprobs)
    }
    for piece in pieces {
      let local = piece.row - run.lowerBound..<piece.rows.upperBound - run.lowerBound
      let values = p.slice(local)
      accumulators[piece.request].logprobs.append(
        contentsOf: UnsafeBufferPointer(start: values.pointer, count: values.count))
      loss(
        piece, 0..<piece.datum.tokens.count, values, dp.slice(local),
        &accumulators[piece.request])
    }
    if let gradient {
      try eachBlock { (block, rows, local) throws(EngineError) in
        try backward(block, dp.slice(local), rows, into: gradient)
      }
    }
    arena.reset(to: mark)
  }

  // MARK: One block

  struct Block {
    let logits: Rows
    let products: [AdapterProduct]
    let max: Rows
    let sum: Rows
    let targets: Indices
    let logprobs: Rows
  }

  private func targets(
    _ pieces: ArraySlice<LossPiece>, _ rows: Range<Int>, _ k: Int
  ) -> [Int32] {
    pieces.flatMap { piece in
      let part = piece.rows.clamped(to: rows)
      return piece.datum.targets[
        (part.lowerBound - piece.row) * k..<(part.upperBound - piece.row) * k]
    }
  }

  private func forward(
    _ rows: Range<Int>, _ targets: [Int32], _ k: Int
  ) throws(EngineError) -> Block {
    let x = hidden.slice(rows)
    let (logits, products) = try head.logits(
      x, segments: clip(segments, to: rows), kernels: kernels, arena: arena)
    let max = try arena.rows(rows.count, 1)
    let sum = try arena.rows(rows.count, 1)
    let ids = try arena.indices(targets)
    let logprobs = try arena.rows(rows.count, k)
    kernels.softmaxStats(max: max, sum: sum, logits)
    kernels.logprobs(logprobs, logits, max: max, sum: sum, targets: ids)
    return Block(
      logits: logits, products: products, max: max, sum: sum, targets: ids, logprobs: logprobs)
  }

  /// Value and derivative of `tokens` of a piece, whose log-probs are the last that were appended.
  private func loss(
    _ piece: LossPiece, _ tokens: Range<Int>, _ p: Rows, _ dp: Rows,
    _ accumulator: inout RequestAccumulator
  ) {
    let datum = piece.datum
    let k = datum.targetsPerToken
    let cells = tokens.lowerBound * k..<tokens.upperBound * k
    accumulator.sums.bad = 0
    defer { accumulator.noteBad(cells: cells.count) }
    func at(_ values: UnsafeBufferPointer<Float>) -> UnsafePointer<Float>? {
      values.baseAddress.map { $0 + cells.lowerBound }
    }
    datum.weights.withUnsafeBufferPointer { a in
      datum.reference.withUnsafeBufferPointer { q in
        datum.low.withUnsafeBufferPointer { low in
          datum.high.withUnsafeBufferPointer { high in
            datum.mask.withUnsafeBufferPointer { mask in
              let policy = piece.loss.isPolicy
              ck_loss(
                piece.loss.name.kernelKind, Int64(cells.count), p.pointer, policy ? at(q) : nil,
                at(a), policy ? at(low) : nil, policy ? at(high) : nil,
                piece.loss.needsWholeSequence ? at(mask) : nil, piece.loss.beta, dp.pointer,
                &accumulator.sums)
            }
          }
        }
      }
    }
  }

  /// dx of the block's rows, and the head adapters' gradients. Rows without gradient get dx = 0
  /// and take no part in the products: a chain over fma(0, w, c) would return c.
  private func backward(
    _ block: Block, _ dp: Rows, _ rows: Range<Int>, into gradient: Rows
  ) throws(EngineError) {
    let live = (0..<rows.count).filter { row in
      (0..<dp.width).contains { dp.pointer[row * dp.width + $0] != 0 }
    }
    let dx = gradient.slice(rows)
    guard live.count < rows.count else {
      kernels.logprobsBackward(
        block.logits, max: block.max, sum: block.sum, targets: block.targets, dp: dp)
      try products(block.products, x: hidden.slice(rows), dy: block.logits, dx: dx)
      return
    }
    kernels.zero(dx)
    guard !live.isEmpty else { return }
    let index = try arena.indices(live.map { Int32($0) })
    func gather(_ source: Rows) throws(EngineError) -> Rows {
      let out = try arena.rows(live.count, source.width)
      kernels.gatherRows(out, source, index)
      return out
    }
    let targets = try arena.indices(
      live.flatMap { row in
        (0..<dp.width).map { block.targets.pointer[row * dp.width + $0] }
      })
    let dy = try gather(block.logits)
    kernels.logprobsBackward(
      dy, max: try gather(block.max), sum: try gather(block.sum), targets: targets,
      dp: try gather(dp))
    let compact = try compactProducts(block.products, live)
    let dxLive = try arena.rows(live.count, dx.width)
    try products(compact, x: try gather(hidden.slice(rows)), dy: dy, dx: dxLive)
    kernels.scatterRows(dx, dxLive, index)
  }

  private func products(
    _ products: [AdapterProduct], x: Rows, dy: Rows, dx: Rows
  ) throws(EngineError) {
    kernels.linearBackward(dx, dy, head.linear.weight, accumulate: false)
    try adapterBackward(
      products, site: head.linear.site, x: x, dy: dy, dx: dx, kernels: kernels, arena: arena)
  }

  /// The products with only the rows in `live` (ascending), renumbered.
  private func compactProducts(
    _ products: [AdapterProduct], _ live: [Int]
  ) throws(EngineError) -> [AdapterProduct] {
    var compact: [AdapterProduct] = []
    for product in products {
      guard let first = live.firstIndex(where: { $0 >= product.rows.lowerBound }) else { continue }
      let end = live.firstIndex { $0 >= product.rows.upperBound } ?? live.count
      guard first < end else { continue }
      let u = try arena.rows(end - first, product.u.width)
      let index = try arena.indices(
        live[first..<end].map { Int32($0 - product.rows.lowerBound) })
      kernels.gatherRows(u, product.u, index)
      compact.append(
        AdapterProduct(
          adapter: product.adapter, factors: product.factors, rows: first..<end, u: u))
    }
    return compact
  }
}
