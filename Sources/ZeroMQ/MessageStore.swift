internal import CZMQ
internal import Glibc

/// Whole multi-part messages at stable addresses, moved between sockets by number.
///
/// A router holds thousands of messages and opens none of them. One Swift object per frame would
/// cost it more than libzmq does, so the parts live in cells of a few large blocks, linked into
/// messages, and cells are used again.
package struct MessageStore: ~Copyable {
  /// Names one stored message; dead after `send` or `release`.
  package struct ID: Hashable, Sendable {
    let first: Int32

    /// A number; only `receive` makes one that names a message (tests of pure logic make others).
    package init(first: Int32) { self.first = first }
  }

  /// What `receive` took from a socket.
  package struct Received {
    /// The message.
    package let id: ID
    /// How many parts it has.
    package let parts: Int
    /// The sum of their sizes.
    package let bytes: Int
    /// It had more parts than allowed; those were dropped.
    package let isTruncated: Bool
  }

  /// What became of a message given to `send`.
  package enum Sending: Sendable { case sent, unreachable }

  private static let blockCells = 1024
  /// No cell.
  static let none: Int32 = -1

  private var blocks: [UnsafeMutablePointer<zmq_msg_t>] = []
  private var next: [Int32] = []
  private var firstFree = MessageStore.none
  private let maximumParts: Int

  /// The number of messages stored now.
  package private(set) var count = 0

  /// - Parameter maximumParts: parts beyond it are dropped when a message is received.
  package init(maximumParts: Int) { self.maximumParts = maximumParts }

  deinit {
    for block in blocks {
      for cell in 0..<Self.blockCells { zmq_msg_close(block + cell) }
      block.deallocate()
    }
  }

  // MARK: Cells

  @inline(__always)
  private func cell(_ index: Int32) -> UnsafeMutablePointer<zmq_msg_t> {
    blocks[Int(index) / Self.blockCells] + Int(index) % Self.blockCells
  }

  private mutating func takeCell() -> Int32 {
    if firstFree == Self.none { addBlock() }
    let index = firstFree
    firstFree = next[Int(index)]
    next[Int(index)] = Self.none
    return index
  }

  private mutating func addBlock() {
    let start = Int32(next.count)
    let block = UnsafeMutablePointer<zmq_msg_t>.allocate(capacity: Self.blockCells)
    for offset in 0..<Self.blockCells { zmq_msg_init(block + offset) }
    blocks.append(block)
    for offset in 1..<Int32(Self.blockCells) { next.append(start + offset) }
    next.append(firstFree)
    firstFree = start
  }

  private mutating func freeCell(_ index: Int32) {
    next[Int(index)] = firstFree
    firstFree = index
  }

  // MARK: Messages

  /// Takes the next whole message.
  /// - Returns: nil when none is waiting.
  package mutating func receive(from socket: Socket) throws(ZMQError) -> Received? {
    let first = takeCell()
    let got: Int32?
    do {
      got = try checkAgain("zmq_msg_recv") {
        zmq_msg_recv(cell(first), socket.handle, ZMQ_DONTWAIT)
      }
    } catch {
      freeCell(first)
      throw error
    }
    guard got != nil else {
      socket.isDrained = true
      freeCell(first)
      return nil
    }
    count += 1
    var last = first
    var parts = 1
    var bytes = zmq_msg_size(cell(first))
    while zmq_msg_more(cell(last)) != 0 {
      if parts == maximumParts {
        try socket.skipRest()
        return Received(id: ID(first: first), parts: parts, bytes: bytes, isTruncated: true)
      }
      // The parts of a message arrive together, so this never finds the socket empty.
      let part = takeCell()
      try check("zmq_msg_recv") { zmq_msg_recv(cell(part), socket.handle, 0) }
      next[Int(last)] = part
      last = part
      parts += 1
      bytes += zmq_msg_size(cell(part))
    }
    return Received(id: ID(first: first), parts: parts, bytes: bytes, isTruncated: false)
  }

  /// The bytes of the first part; valid until the message is sent, released or loses that part.
  package func firstPart(of id: ID) -> UnsafeRawBufferPointer { bytes(id.first) }

  /// The bytes of the second part, empty if there is none.
  package func secondPart(of id: ID) -> UnsafeRawBufferPointer {
    let second = next[Int(id.first)]
    return second == Self.none ? UnsafeRawBufferPointer(start: nil, count: 0) : bytes(second)
  }

  /// The sizes of all parts, in order.
  package func partSizes(of id: ID, into sizes: inout [Int]) {
    sizes.removeAll(keepingCapacity: true)
    var index = id.first
    while index != Self.none {
      sizes.append(zmq_msg_size(cell(index)))
      index = next[Int(index)]
    }
  }

  private func bytes(_ index: Int32) -> UnsafeRawBufferPointer {
    let message = cell(index)
    return UnsafeRawBufferPointer(start: zmq_msg_data(message), count: zmq_msg_size(message))
  }

  /// Drops the first part (a routing id).
  /// - Returns: the message without it; nil when that was its only part.
  package mutating func dropFirst(_ id: ID) -> ID? {
    let rest = next[Int(id.first)]
    zmq_msg_close(cell(id.first))
    zmq_msg_init(cell(id.first))
    freeCell(id.first)
    if rest == Self.none {
      count -= 1
      return nil
    }
    return ID(first: rest)
  }

  /// Replaces the bytes of the first part.
  package func replaceFirst(of id: ID, with bytes: [UInt8]) throws(ZMQError) {
    let message = cell(id.first)
    zmq_msg_close(message)
    zmq_msg_init(message)
    try check("zmq_msg_init_size") { zmq_msg_init_size(message, bytes.count) }
    bytes.withUnsafeBytes { source in
      if let start = source.baseAddress { memcpy(zmq_msg_data(message), start, source.count) }
    }
  }

  /// Sends a message to one peer of a ROUTER socket and forgets it, whatever happens.
  /// - Returns: `unreachable` when the peer is gone or does not take any more.
  package mutating func send(
    _ id: ID, to socket: Socket, routingID: UnsafeRawBufferPointer
  ) throws(ZMQError) -> Sending {
    do {
      guard try socket.address(routingID) else {
        release(id)
        return .unreachable
      }
    } catch {
      release(id)
      throw error
    }
    count -= 1
    var index = id.first
    while index != Self.none {
      let following = next[Int(index)]
      let flags = ZMQ_DONTWAIT | (following == Self.none ? 0 : ZMQ_SNDMORE)
      // Once the routing id is taken, libzmq takes the rest (and drops it if the peer goes away).
      if zmq_msg_send(cell(index), socket.handle, flags) < 0 {
        zmq_msg_close(cell(index))
        zmq_msg_init(cell(index))
      }
      freeCell(index)
      index = following
    }
    return .sent
  }

  // MARK: Part by part

  /// Starts a message, or goes on with the one whose last part is `last`, with a part of its own
  /// memory.
  /// - Returns: the new part; nil if there is no memory.
  mutating func append(_ bytes: UnsafeRawBufferPointer, after last: Int32) -> Int32? {
    let part = takeCell()
    guard zmq_msg_init_size(cell(part), bytes.count) == 0 else {
      zmq_msg_init(cell(part))
      freeCell(part)
      return nil
    }
    if let source = bytes.baseAddress { memcpy(zmq_msg_data(cell(part)), source, bytes.count) }
    link(part, after: last)
    return part
  }

  /// The same with memory from `malloc`, which is the message's from now on, even if this fails.
  mutating func append(
    owning memory: UnsafeMutableRawPointer, count: Int, after last: Int32
  ) -> Int32? {
    let part = takeCell()
    let result = zmq_msg_init_data(
      cell(part), memory, count, { memory, _ in Glibc.free(memory) }, nil)
    guard result == 0 else {
      Glibc.free(memory)
      zmq_msg_init(cell(part))
      freeCell(part)
      return nil
    }
    link(part, after: last)
    return part
  }

  private mutating func link(_ part: Int32, after last: Int32) {
    if last == Self.none { count += 1 } else { next[Int(last)] = part }
  }

  /// The message is going to be taken apart, from its first part on.
  mutating func willDissolve(_ id: ID) { count -= 1 }

  /// Takes a part out of its message; it is to be freed by itself.
  /// - Returns: the part behind it.
  mutating func detach(_ part: Int32) -> Int32 {
    let following = next[Int(part)]
    next[Int(part)] = Self.none
    return following
  }

  /// The bytes of a detached part.
  func bytes(ofPart part: Int32) -> UnsafeRawBufferPointer { bytes(part) }

  /// Frees a detached part.
  mutating func free(part: Int32) {
    zmq_msg_close(cell(part))
    zmq_msg_init(cell(part))
    freeCell(part)
  }

  /// Drops all parts behind the first.
  package mutating func truncate(_ id: ID) {
    var index = next[Int(id.first)]
    next[Int(id.first)] = Self.none
    while index != Self.none {
      let following = next[Int(index)]
      free(part: index)
      index = following
    }
  }

  /// Forgets a message.
  package mutating func release(_ id: ID) {
    count -= 1
    var index = id.first
    while index != Self.none {
      let following = next[Int(index)]
      zmq_msg_close(cell(index))
      zmq_msg_init(cell(index))
      freeCell(index)
      index = following
    }
  }
}
