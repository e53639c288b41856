import Glibc

/// A file mapped read-only and shared: every process that maps it uses one copy of memory.
package final class MappedFile: @unchecked Sendable {
  // Sendable: the mapping is never written and lives as long as the object.
  package let bytes: UnsafeRawBufferPointer
  package let path: String

  /// - Throws: `notFound` when the file cannot be opened or is no regular one, `internal` when it
  ///   cannot be mapped.
  package init(path: String) throws(EngineError) {
    self.path = path
    let (descriptor, size) = try RegularFile.open(path, limit: .max)
    defer { close(descriptor) }
    guard size > 0 else {
      throw EngineError(.dataLoss, "\(path) is empty")
    }
    guard let region = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0),
      region != MAP_FAILED
    else {
      throw EngineError(
        .internal, "cannot map \(path): \(String(cString: strerror(errno)))")
    }
    bytes = UnsafeRawBufferPointer(start: region, count: size)
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

  /// Lets go of the pages in this process; what is read again comes back from the file.
  func releasePages() {
    madvise(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count, MADV_DONTNEED)
  }
}
