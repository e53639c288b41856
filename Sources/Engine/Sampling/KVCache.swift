import Glibc

/// Paged keys and values of the sequences being decoded. A page number names the same page in
/// every layer. A page may have several users: the samples of a request share the whole pages of its
/// prompt, and requests share those of a common prefix.
package final class KVCache {
  private let base: UnsafeMutableRawPointer
  private let bytes: Int
  private let shapes: [AttentionShape]
  private let layerOffsets: [Int]
  private let pageFloats: Int
  private var free: [Int32]
  private var uses: [Int32]

  /// Pages in the pool and pages not in use.
  package let pageCount: Int
  package var freePages: Int { free.count }

  /// A pool of at most `bytes` of memory, touched on demand.
  ///
  /// - Throws: `resourceExhausted` when the address space cannot be had or not one page fits.
  package init(shapes: [AttentionShape], bytes budget: Int) throws(EngineError) {
    self.shapes = shapes
    var offset = 0
    layerOffsets = shapes.map { shape in
      defer { offset += shape.pageFloats }
      return offset
    }
    pageFloats = offset
    pageCount = budget / (pageFloats * 4)
    bytes = pageCount * pageFloats * 4
    guard pageCount > 0 else {
      throw EngineError(.resourceExhausted, "the KV cache of \(budget) bytes holds no page")
    }
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard let region = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0),
      region != MAP_FAILED
    else { throw EngineError(.resourceExhausted, "cannot reserve a KV cache of \(bytes) bytes") }
    base = region
    free = (0..<Int32(pageCount)).reversed()
    uses = Array(repeating: 0, count: pageCount)
  }

  deinit { munmap(base, bytes) }

  func pool(layer: Int) -> PagePool {
    let floats = base.assumingMemoryBound(to: Float.self)
    return PagePool(base: floats + layerOffsets[layer], stride: pageFloats, shape: shapes[layer])
  }

  /// `count` zeroed pages, or nil when not so many are free.
  ///
  /// Zeroed, because what another sequence left (NaN among it) must not meet p = 0.
  func allocate(_ count: Int) -> [Int32]? {
    guard count <= free.count else { return nil }
    return (0..<count).map { _ in
      let page = free.removeLast()
      uses[Int(page)] = 1
      memset(address(page), 0, pageFloats * 4)
      return page
    }
  }

  /// One more user of a page that is in use.
  func retain(_ page: Int32) { uses[Int(page)] += 1 }

  /// One user less; the last one frees the page.
  func release(_ page: Int32) {
    uses[Int(page)] -= 1
    if uses[Int(page)] == 0 { free.append(page) }
  }

  func isUsedOnce(_ page: Int32) -> Bool { uses[Int(page)] == 1 }

  /// Copies a page that sequences are about to fill differently.
  func copy(_ page: Int32, to other: Int32) {
    memcpy(address(other), address(page), pageFloats * 4)
  }

  private func address(_ page: Int32) -> UnsafeMutableRawPointer {
    base + Int(page) * pageFloats * 4
  }
}
