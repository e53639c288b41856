internal import CZMQ

/// Memory for the copies of small parts on their way out, many to a block.
///
/// libzmq would allocate each copy and free it on its network thread. glibc's allocator makes the
/// two threads wait for each other there, which costs more than the copy. A block goes back whole:
/// each part on its way holds a reference, and a block that nobody else holds is used again.
struct SendSlab {
  /// Parts of more bytes are allocated one by one.
  static let largestPart = 4096

  private static let blockBytes = 64 << 10
  /// Blocks kept for use again.
  private static let maximumBlocks = 4

  /// Uninitialised memory, freed with the last reference.
  final class Block {
    let start = UnsafeMutableRawPointer.allocate(byteCount: SendSlab.blockBytes, alignment: 64)
    deinit { start.deallocate() }
  }

  /// The first is being filled; the others were filled before it, the oldest last.
  private var blocks = [Block()]
  private var used = 0

  /// Memory for a part of `count` bytes, at most `largestPart`, and what owns it.
  mutating func take(_ count: Int) -> (start: UnsafeMutableRawPointer, owner: Block) {
    if used + count > Self.blockBytes { changeBlock() }
    let block = blocks[0]
    let start = block.start + used
    used += (count + 15) & ~15
    return (start, block)
  }

  private mutating func changeBlock() {
    used = 0
    // `isKnownUniquelyReferenced` sees what the threads that let go of the block did before.
    if isKnownUniquelyReferenced(&blocks[blocks.count - 1]) {
      blocks.insert(blocks.removeLast(), at: 0)
      return
    }
    if blocks.count == Self.maximumBlocks { blocks.removeLast() }
    blocks.insert(Block(), at: 0)
  }
}
