/// Immutable bytes that keep whatever owns their memory alive.
///
/// A frame received from a socket is viewed in place: `Bytes` holds the frame object and a pointer
/// into it, so moving a tensor from a socket into a kernel copies nothing. The memory may have any
/// alignment; readers of numbers must use unaligned loads or copy.
package struct Bytes: @unchecked Sendable {
  // Unchecked: the pointer refers to memory that `owner` keeps alive and that nobody writes
  // after this value was made. The initialisers' documentation demands both.
  @usableFromInline let owner: AnyObject?
  @usableFromInline let start: UnsafeRawPointer?

  /// Number of bytes.
  package let count: Int

  /// No bytes.
  package static let empty = Bytes(owner: nil, start: nil, count: 0)

  /// Holds the bytes of an array.
  package init(_ array: [UInt8]) {
    self = Bytes(count: array.count) { buffer in buffer.copyBytes(from: array) }
  }

  /// A copy of memory that the caller keeps.
  package init(copying source: UnsafeRawBufferPointer) {
    self = Bytes(count: source.count) { buffer in buffer.copyMemory(from: source) }
  }

  /// New memory of `count` bytes, written once by `fill`, which must write all of it.
  package init(count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
    guard count > 0 else {
      self = .empty
      return
    }
    if count < SmallBlock.limit {
      let block = SmallBlock.make(count: count)
      let start = block.withUnsafeMutablePointerToElements { UnsafeMutableRawPointer($0) }
      fill(UnsafeMutableRawBufferPointer(start: start, count: count))
      self.init(owner: block, start: UnsafeRawPointer(start), count: count)
      return
    }
    let block = Block(count: count)
    fill(UnsafeMutableRawBufferPointer(start: block.start, count: count))
    self.init(owner: block, start: UnsafeRawPointer(block.start), count: count)
  }

  /// A view of memory that `owner` keeps alive and that is not written any more.
  package init(owner: AnyObject, pointer: UnsafeRawPointer, count: Int) {
    self.init(owner: owner, start: pointer, count: count)
  }

  private init(owner: AnyObject?, start: UnsafeRawPointer?, count: Int) {
    self.owner = owner
    self.start = start
    self.count = count
  }

  /// Whether there are no bytes.
  package var isEmpty: Bool { count == 0 }

  /// Lends the bytes; the pointer is valid inside `body` only.
  @inlinable
  package func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { extendLifetime(owner) }
    return try body(UnsafeRawBufferPointer(start: start, count: count))
  }

  /// The bytes as an array (a copy).
  package var array: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}

extension Bytes: Equatable {
  /// Compares contents.
  package static func == (left: Bytes, right: Bytes) -> Bool {
    guard left.count == right.count else { return false }
    return left.withUnsafeBytes { a in right.withUnsafeBytes { b in a.elementsEqual(b) } }
  }
}

/// A few bytes behind the object's own header: one allocation for the bodies of most messages.
private final class SmallBlock: ManagedBuffer<Void, UInt8> {
  static let limit = 4096

  static func make(count: Int) -> ManagedBuffer<Void, UInt8> {
    create(minimumCapacity: count) { _ in }
  }
}

/// Heap memory with 64-byte alignment, so that tensors built here suit vector loads.
private final class Block {
  let start: UnsafeMutableRawPointer

  init(count: Int) { start = .allocate(byteCount: count, alignment: 64) }

  deinit { start.deallocate() }
}
