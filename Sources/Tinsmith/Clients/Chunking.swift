/// How the data of one call are spread over requests.
///
/// Gradients add up and losses are sums, so a call in pieces gives what one request would give; a
/// request stays small enough to be scheduled among those of others.
package enum Chunking {
  /// Most data of a request.
  package static let maxDatums = 1024
  /// Most estimated bytes of a request; a single datum may exceed it.
  package static let maxBytes = 5_000_000

  /// Ranges of data that follow one another and cover all.
  package static func split(
    _ data: [Datum], maxDatums: Int = maxDatums, maxBytes: Int = maxBytes
  ) -> [Range<Int>] {
    var chunks: [Range<Int>] = []
    var (start, bytes) = (0, 0)
    for (index, datum) in data.enumerated() {
      let size = datum.byteCount
      if index > start, index - start >= maxDatums || bytes + size > maxBytes {
        chunks.append(start..<index)
        (start, bytes) = (index, 0)
      }
      bytes += size
    }
    if start < data.count { chunks.append(start..<data.count) }
    return chunks
  }
}
