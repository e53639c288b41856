import CKernels

/// Pages of one layer: page j lies at `base + j · stride`.
struct PagePool {
  let base: UnsafeMutablePointer<Float>
  let stride: Int
  let shape: AttentionShape

  /// Positions of a sequence that share a page.
  static let positionsPerPage = Int(CK_PAGE)

  static func pages(for positions: Int) -> Int {
    (positions + positionsPerPage - 1) / positionsPerPage
  }

  /// Zeroed scratch pages for whole sequences, numbered as `RowBatch.sequenceTable` numbers them.
  static func scratch(
    _ shape: AttentionShape, _ sequences: SequenceTable, _ arena: Arena
  ) throws(EngineError) -> PagePool {
    var count = 0
    for i in 0..<sequences.count {
      let sequence = sequences.pointer[i]
      count += pages(for: Int(sequence.start + sequence.rows))
    }
    let rows = try arena.rows(count, shape.pageFloats)
    // Unwritten positions of a last page take part with p = 0: they must not hold NaN.
    rows.pointer.update(repeating: 0, count: rows.elements)
    return PagePool(base: rows.pointer, stride: shape.pageFloats, shape: shape)
  }
}
