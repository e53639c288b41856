internal import CZMQ
internal import Glibc

/// Memory for small parts on their way out, used again by all connections of a listener.
struct ChunkPool: ~Copyable {
  /// Bytes of a chunk: an answer is much smaller, and what a slow peer keeps is little.
  static let chunkBytes = 16 << 10
  private static let kept = 256

  private var free: [UnsafeMutableRawPointer] = []

  deinit { for chunk in free { chunk.deallocate() } }

  mutating func take() -> UnsafeMutableRawPointer {
    free.popLast() ?? .allocate(byteCount: Self.chunkBytes, alignment: 64)
  }

  mutating func give(_ chunk: UnsafeMutableRawPointer) {
    if free.count < Self.kept { free.append(chunk) } else { chunk.deallocate() }
  }
}

/// What waits to be sent on one connection: copies of small parts, joined, and large parts as they
/// are.
struct OutQueue {
  /// Bytes to send, in a chunk or in a cell of the message store.
  private struct Segment {
    let start: UnsafeMutableRawPointer
    var count: Int
    /// The cell that has the bytes; none for a chunk.
    let cell: Int32
  }

  /// Parts of more bytes are not copied.
  private static let largestCopy = 4096
  private static let vectors = 64

  private var segments: [Segment] = []
  private var head = 0
  /// Bytes of the first segment that are sent.
  private var done = 0
  /// Free bytes at the end of the last segment, if that is a chunk.
  private var room = 0
  /// Memory that is held.
  private(set) var charged = 0
  /// Bytes that the kernel has taken.
  private(set) var sent = 0

  var isEmpty: Bool { segments.isEmpty }

  // MARK: Filling

  /// Adds a frame, copied.
  mutating func append(
    _ bytes: UnsafeRawBufferPointer, more: Bool, _ pool: inout ChunkPool
  ) {
    appendHeader(bytes.count, more: more, &pool)
    copy(bytes, &pool)
  }

  /// Adds bytes that are frames already.
  mutating func append(raw bytes: [UInt8], _ pool: inout ChunkPool) {
    bytes.withUnsafeBytes { copy($0, &pool) }
  }

  /// Adds a message, which is the queue's from now on.
  mutating func append(
    _ message: MessageStore.ID, _ store: inout MessageStore, _ pool: inout ChunkPool
  ) {
    var part = message.first
    store.willDissolve(message)
    while part != MessageStore.none {
      let following = store.detach(part)
      let bytes = store.bytes(ofPart: part)
      appendHeader(bytes.count, more: following != MessageStore.none, &pool)
      if bytes.count > Self.largestCopy, let start = bytes.baseAddress {
        segments.append(
          Segment(
            start: UnsafeMutableRawPointer(mutating: start), count: bytes.count, cell: part))
        room = 0
        charged += bytes.count
      } else {
        copy(bytes, &pool)
        store.free(part: part)
      }
      part = following
    }
  }

  private mutating func appendHeader(_ count: Int, more: Bool, _ pool: inout ChunkPool) {
    let flags = more ? ZMTPParser.Flags.more : 0
    if count < 256 {
      var header = (flags, UInt8(count))
      withUnsafeBytes(of: &header) { copy($0, &pool) }
    } else {
      var long = flags | ZMTPParser.Flags.long
      withUnsafeBytes(of: &long) { copy($0, &pool) }
      var size = UInt64(count).bigEndian
      withUnsafeBytes(of: &size) { copy($0, &pool) }
    }
  }

  private mutating func copy(_ bytes: UnsafeRawBufferPointer, _ pool: inout ChunkPool) {
    var rest = bytes
    while let source = rest.baseAddress, rest.count > 0 {
      if room == 0 {
        segments.append(Segment(start: pool.take(), count: 0, cell: MessageStore.none))
        room = ChunkPool.chunkBytes
        charged += ChunkPool.chunkBytes
      }
      let last = segments.count - 1
      let count = min(room, rest.count)
      memcpy(segments[last].start + segments[last].count, source, count)
      segments[last].count += count
      room -= count
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  // MARK: Emptying

  /// Gives the kernel as much as it takes.
  /// - Returns: false when the connection has failed.
  mutating func write(
    to descriptor: Int32, _ store: inout MessageStore, _ pool: inout ChunkPool
  ) -> Bool {
    while !segments.isEmpty {
      let (count, offered) = send(to: descriptor)
      if count < 0 {
        if errno == EINTR { continue }
        return errno == EAGAIN
      }
      sent += count
      advance(count, &store, &pool)
      if count < offered { return true }
    }
    return true
  }

  private func send(to descriptor: Int32) -> (sent: Int, offered: Int) {
    withUnsafeTemporaryAllocation(of: iovec.self, capacity: Self.vectors) { vectors in
      var (used, offered, skip) = (0, 0, done)
      for index in head..<min(segments.count, head + Self.vectors) {
        let segment = segments[index]
        vectors[used] = iovec(iov_base: segment.start + skip, iov_len: segment.count - skip)
        offered += segment.count - skip
        skip = 0
        used += 1
      }
      var message = msghdr()
      message.msg_iov = vectors.baseAddress
      message.msg_iovlen = used
      return (sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL)), offered)
    }
  }

  private mutating func advance(
    _ count: Int, _ store: inout MessageStore, _ pool: inout ChunkPool
  ) {
    done += count
    while head < segments.count, done >= segments[head].count {
      done -= segments[head].count
      release(segments[head], &store, &pool)
      head += 1
    }
    if head == segments.count {
      segments.removeAll(keepingCapacity: segments.count <= 16)
      head = 0
      room = 0
    } else if head >= 64 {
      segments.removeFirst(head)
      head = 0
    }
  }

  private mutating func release(
    _ segment: Segment, _ store: inout MessageStore, _ pool: inout ChunkPool
  ) {
    if segment.cell == MessageStore.none {
      pool.give(segment.start)
      charged -= ChunkPool.chunkBytes
    } else {
      store.free(part: segment.cell)
      charged -= segment.count
    }
  }

  /// Frees the chunks at the end of everything; the cells are freed with their store.
  func deallocate() {
    for segment in segments[head...] where segment.cell == MessageStore.none {
      segment.start.deallocate()
    }
  }

  /// Gives everything back unsent.
  mutating func clear(_ store: inout MessageStore, _ pool: inout ChunkPool) {
    for segment in segments[head...] { release(segment, &store, &pool) }
    self = OutQueue()
  }
}
