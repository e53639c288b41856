/// The unembedding. It works in blocks of rows that hold their whole logits row, so log-probs of
/// all positions, loss and gradient need no more than one block in memory.
package struct OutputHead {
  let linear: Linear

  /// Rows of a block: 39 MB of logits at a vocabulary of 152 k.
  static let blockRows = 64

  var vocabulary: Int { linear.weight.outputs }

  /// Logits of `x` and the adapter products that made them. `segments` are in rows of `x`.
  func logits(
    _ x: Rows, segments: [Segment], kernels: Kernels, arena: Arena
  ) throws(EngineError) -> (Rows, [AdapterProduct]) {
    let logits = try arena.rows(x.count, vocabulary)
    kernels.linear(logits, x, linear.weight, accumulate: false)
    let products = try adapterProducts(
      x, segments: segments, site: linear.site, kernels: kernels, arena: arena)
    addAdapterProducts(products, to: logits, kernels: kernels)
    return (logits, products)
  }
}

/// The parts of `segments` inside `rows`, counted from `rows.lowerBound`.
func clip(_ segments: [Segment], to rows: Range<Int>) -> [Segment] {
  segments.compactMap { segment in
    let part = segment.rows.clamped(to: rows)
    guard !part.isEmpty else { return nil }
    return Segment(
      rows: part.lowerBound - rows.lowerBound..<part.upperBound - rows.lowerBound,
      adapter: segment.adapter)
  }
}
