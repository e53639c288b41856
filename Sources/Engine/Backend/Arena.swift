import Glibc

/// Stack allocator for the buffers of a pass: bump to allocate, reset to a mark to free.
///
/// One region of address space is reserved up front and touched on demand, so a pointer stays
/// valid until its mark is reset and a steady training step allocates nothing.
package final class Arena {
  private let base: UnsafeMutableRawPointer
  package let capacity: Int
  private var used = 0
  private var touched = 0

  /// Reserves `bytes` of address space.
  ///
  /// - Throws: `resourceExhausted` when the reservation is refused.
  package init(bytes: Int) throws(EngineError) {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard let region = mmap(nil, bytes, PROT_READ | PROT_WRITE, flags, -1, 0),
      region != MAP_FAILED
    else {
      throw EngineError(
        .resourceExhausted,
        "the system refuses \(bytes) bytes of address space for the workspace (ulimit -v, or "
          + "vm.overcommit_memory)")
    }
    base = region
    capacity = bytes
  }

  deinit { munmap(base, capacity) }

  /// Position to return to with `reset(to:)`.
  var mark: Int { used }

  /// Most bytes ever in use.
  package private(set) var peak = 0

  /// Frees everything allocated since `mark` was read.
  func reset(to mark: Int) { used = mark }

  /// Frees everything and returns memory beyond `keep` bytes to the system.
  func clear(keep: Int) {
    used = 0
    if touched > keep {
      let start = (keep + 4095) & ~4095
      madvise(base + start, touched - start, MADV_DONTNEED)
      touched = start
    }
  }

  /// Whether `pointer` was allocated after `mark`.
  func isAllocated(_ pointer: UnsafeMutablePointer<Float>, after mark: Int) -> Bool {
    let offset = UnsafeRawPointer(pointer) - UnsafeRawPointer(base)
    return offset >= mark && offset < used
  }

  /// `bytes` of 64-byte aligned, uninitialised memory.
  ///
  /// - Throws: `resourceExhausted` when the workspace is full.
  func allocate(bytes: Int) throws(EngineError) -> UnsafeMutableRawPointer {
    let start = (used + 63) & ~63
    guard bytes >= 0, bytes <= capacity - start else {
      throw EngineError(
        .resourceExhausted,
        "the request needs more than the \(capacity) bytes of workspace (serve --memory)")
    }
    used = start + bytes
    touched = max(touched, used)
    peak = max(peak, used)
    return base + start
  }

  /// Uninitialised rows.
  func rows(_ count: Int, _ width: Int) throws(EngineError) -> Rows {
    let raw = try allocate(bytes: count * width * MemoryLayout<Float>.size)
    return Rows(raw.assumingMemoryBound(to: Float.self), count: count, width: width)
  }

  /// A copy of `values` in backend memory.
  func indices(_ values: some Collection<Int32>) throws(EngineError) -> Indices {
    let raw = try allocate(bytes: max(values.count, 1) * MemoryLayout<Int32>.size)
    let pointer = raw.assumingMemoryBound(to: Int32.self)
    var i = 0
    for value in values {
      pointer[i] = value
      i += 1
    }
    return Indices(pointer: pointer, count: values.count)
  }
}
