import Glibc

/// Paged keys and values of the sequences being decoded. A page number names the same page in
/// every layer. A page may have several users: the samples of a request share the whole pages of its
/// prompt, and requests share those of a common prefix.
package final class KVCache {
  private let base: UnsafeMutableRawPointer
  private let bytes: Int
  private let geometry: Geometry
  private var free: [Int32]
  private var uses: [Int32]
  /// Pages that have memory: they were written since the system had them last.
  private var hasMemory: [Bool]
  /// Free pages that have memory.
  private var warm = 0

  /// Free memory that is kept for the sequences that come next; the rest goes back to the system.
  private static let warmBytes = 64 << 20

  /// Pages in the pool and pages not in use.
  package let pageCount: Int
  package var freePages: Int { free.count }
  /// Positions in the pool.
  package var positions: Int { pageCount * PagePool.positionsPerPage }

  /// How layers lie in a page.
  package struct Geometry: Sendable {
    fileprivate let shapes: [AttentionShape]
    fileprivate let offsets: [Int]
    /// Floats of one page of all layers: whole pages of the system, which can be given back.
    fileprivate let pageFloats: Int

    package init(_ shapes: [AttentionShape]) {
      self.shapes = shapes
      var offset = 0
      offsets = shapes.map { shape in
        defer { offset += shape.pageFloats }
        return offset
      }
      pageFloats = (offset + 1023) & ~1023
    }

    /// Bytes of a page of positions.
    package var pageBytes: Int { pageFloats * 4 }
    package var bytesPerPosition: Int { pageBytes / PagePool.positionsPerPage }

    /// Positions that fit into memory of a size.
    package func positions(in bytes: Int) -> Int {
      max(0, bytes) / pageBytes * PagePool.positionsPerPage
    }
  }

  /// A pool of at most `bytes` of memory, touched on demand.
  ///
  /// - Throws: `resourceExhausted` when the address space cannot be had or not one page fits.
  package init(shapes: [AttentionShape], bytes budget: Int) throws(EngineError) {
    geometry = Geometry(shapes)
    pageCount = budget / geometry.pageBytes
    bytes = pageCount * geometry.pageBytes
    guard pageCount > 0 else {
      throw EngineError(
        .resourceExhausted,
        "a KV cache of \(budget) bytes is too small: \(PagePool.positionsPerPage) tokens, the fewest "
          + "that it can hold, take \(geometry.pageBytes)")
    }
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard let region = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0),
      region != MAP_FAILED
    else {
      throw EngineError(
        .resourceExhausted,
        "the system refuses \(bytes) bytes of address space for the KV cache "
          + "(ulimit -v, or vm.overcommit_memory)")
    }
    base = region
    free = (0..<Int32(pageCount)).reversed()
    uses = Array(repeating: 0, count: pageCount)
    hasMemory = Array(repeating: false, count: pageCount)
  }

  deinit { munmap(base, bytes) }

  /// - Throws: `resourceExhausted` with the figures when a sequence is longer than all of the cache.
  func check(positions count: Int) throws(EngineError) {
    guard PagePool.pages(for: count) > pageCount else { return }
    let each = geometry.bytesPerPosition
    throw EngineError(
      .resourceExhausted,
      "a sequence of \(count) tokens needs \(count * each) bytes of KV cache (\(each) a token); the "
        + "cache holds \(positions) tokens in \(bytes) bytes (serve --kv-cache, --memory)")
  }

  func pool(layer: Int) -> PagePool {
    let floats = base.assumingMemoryBound(to: Float.self)
    return PagePool(
      base: floats + geometry.offsets[layer], stride: geometry.pageFloats,
      shape: geometry.shapes[layer])
  }

  /// `count` zeroed pages, or nil when not so many are free.
  ///
  /// Zeroed, because what another sequence left (NaN among it) must not meet p = 0.
  func allocate(_ count: Int) -> [Int32]? {
    guard count <= free.count else { return nil }
    return (0..<count).map { _ in
      let page = free.removeLast()
      uses[Int(page)] = 1
      if hasMemory[Int(page)] {
        warm -= 1
        memset(address(page), 0, geometry.pageBytes)
      }
      hasMemory[Int(page)] = true
      return page
    }
  }

  /// One more user of a page that is in use.
  func retain(_ page: Int32) { uses[Int(page)] += 1 }

  /// One user less; the last one frees the page, and its memory if there is enough of it.
  func release(_ page: Int32) {
    uses[Int(page)] -= 1
    guard uses[Int(page)] == 0 else { return }
    if (warm + 1) * geometry.pageBytes > Self.warmBytes {
      madvise(address(page), geometry.pageBytes, MADV_DONTNEED)
      hasMemory[Int(page)] = false
      // Those that have memory are taken first.
      free.insert(page, at: free.count - warm)
    } else {
      warm += 1
      free.append(page)
    }
  }

  func isUsedOnce(_ page: Int32) -> Bool { uses[Int(page)] == 1 }

  /// Copies a page that sequences are about to fill differently.
  func copy(_ page: Int32, to other: Int32) {
    memcpy(address(other), address(page), geometry.pageBytes)
  }

  private func address(_ page: Int32) -> UnsafeMutableRawPointer {
    base + Int(page) * geometry.pageBytes
  }
}
