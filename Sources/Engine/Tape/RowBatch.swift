import CKernels

/// Rows of one sequence within a batch: positions `start ..< start + count`.
struct SequenceRows {
  let row: Int
  let count: Int
  let start: Int
  /// Page numbers of the whole sequence (empty when attention brings its own scratch pages).
  let pages: [Int32]
}

/// The rows of a pass before they reach the backend: sequences one after another, no padding.
package struct RowBatch {
  private(set) var tokens: [Int32] = []
  private(set) var positions: [Int32] = []
  private(set) var segments: [Segment] = []
  private(set) var sequences: [SequenceRows] = []

  package init() {}

  package var rows: Int { tokens.count }

  /// Appends `tokens` at positions from `start`. Rows of one adapter that follow each other form
  /// one segment.
  package mutating func append(
    _ tokens: some Collection<Int32>, start: Int = 0, pages: [Int32] = [], adapter: Adapter?
  ) {
    let row = rows
    self.tokens.append(contentsOf: tokens)
    positions.append(contentsOf: (0..<tokens.count).map { Int32(start + $0) })
    sequences.append(SequenceRows(row: row, count: tokens.count, start: start, pages: pages))
    if let last = segments.last, last.adapter === adapter {
      segments[segments.count - 1] = Segment(
        rows: last.rows.lowerBound..<rows, adapter: adapter)
    } else {
      segments.append(Segment(rows: row..<rows, adapter: adapter))
    }
  }

  /// The table that attention reads. Sequences without pages get identity pages, numbered through
  /// the batch.
  func sequenceTable(in arena: Arena) throws(EngineError) -> SequenceTable {
    let stride = MemoryLayout<ck_sequence>.stride
    let raw = try arena.allocate(bytes: max(sequences.count, 1) * stride)
    let pointer = raw.bindMemory(to: ck_sequence.self, capacity: sequences.count)
    var nextPage: Int32 = 0
    for (i, sequence) in sequences.enumerated() {
      var numbers = sequence.pages
      if numbers.isEmpty {
        let count = Int32(PagePool.pages(for: sequence.start + sequence.count))
        numbers = Array(nextPage..<nextPage + count)
        nextPage += count
      }
      pointer[i] = ck_sequence(
        row: Int64(sequence.row), rows: Int32(sequence.count), start: Int32(sequence.start),
        pages: try arena.indices(numbers).pointer)
    }
    return SequenceTable(pointer: pointer, count: sequences.count)
  }
}
