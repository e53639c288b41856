internal import CProto

/// Bump memory for one message, freed all at once.
///
/// protobuf-c allocates once per field; here that is an addition. `capacity` bounds what a hostile
/// message can make it take: 2 MB of empty submessages would unpack to 105 MB.
final class Arena {
  private var blocks: [UnsafeMutableRawPointer] = []
  private var next: UnsafeMutableRawPointer?
  private var left = 0
  private var blockSize = 4 << 10
  private var remaining: Int

  /// Whether an allocation was refused because `capacity` was used up.
  private(set) var isExhausted = false

  /// Memory of at most `capacity` bytes.
  init(capacity: Int = .max) { remaining = capacity }

  deinit { for block in blocks { block.deallocate() } }

  /// Memory of `size` bytes aligned to 8, which suits every generated struct, or nil if
  /// the capacity is used up.
  func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    guard size >= 0, size <= remaining - 8 else {
      isExhausted = true
      return nil
    }
    let rounded = max(size + 7, 8) & ~7
    remaining -= rounded
    if rounded > left { grow(toHold: rounded) }
    defer {
      next = next.map { $0 + rounded }
      left -= rounded
    }
    return next
  }

  private func grow(toHold size: Int) {
    let size = max(size, blockSize)
    let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    blocks.append(block)
    next = block
    left = size
    blockSize = min(blockSize * 2, 1 << 20)
  }

  /// Lends protobuf-c's view of this arena.
  func withAllocator<Result>(_ body: (UnsafeMutablePointer<ProtobufCAllocator>) -> Result) -> Result
  {
    var allocator = ProtobufCAllocator(
      alloc: { data, size in
        guard let data else { return nil }
        return Unmanaged<Arena>.fromOpaque(data).takeUnretainedValue().allocate(size)
      },
      free: { _, _ in },
      allocator_data: Unmanaged.passUnretained(self).toOpaque())
    return withExtendedLifetime(self) { body(&allocator) }
  }
}
