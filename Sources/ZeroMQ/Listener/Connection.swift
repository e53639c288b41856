internal import CSystem
internal import Glibc

/// One connection of a listener: what it sends us, what waits for it, and its times.
struct Connection {
  /// 0 in a place that is free.
  var id: UInt64 = 0
  var descriptor: Int32 = -1
  var parser: ZMTPParser
  var message = IncomingMessage()
  var out = OutQueue()
  var clock: ConnectionClock
  /// It has shown that it may send more.
  var isTrusted = false
  /// It waits for bytes of the pool.
  var waitsForPool = false
  /// It is in the list of connections to be written to.
  var isDirty = false
  /// What epoll was told to look for.
  var interest = EPOLLIN.rawValue

  init(id: UInt64, descriptor: Int32, maximumFrame: Int, now: UInt64) {
    self.id = id
    self.descriptor = descriptor
    parser = ZMTPParser(maximumFrame: maximumFrame)
    clock = ConnectionClock(now: now)
  }

  /// Something has begun that did not end.
  var isMidMessage: Bool { !parser.isBetweenFrames || message.hasBegun }

  /// Bytes that the other end has, as far as the kernel knows.
  var delivered: Int { out.sent - Int(network_unsent(descriptor)) }

  /// Bytes of the pool that its message has.
  func pooled(_ limits: ListenerLimits) -> Int {
    max(0, message.charged - limits.receiveAllowance)
  }
}

/// A message that is not complete.
struct IncomingMessage {
  /// What each part costs besides its bytes.
  static let partBytes = 64

  /// Its complete parts, in the store.
  var first = MessageStore.none
  var last = MessageStore.none
  var parts = 0
  /// Bytes of its frames, as announced.
  var bytes = 0
  /// Memory that it was given.
  var charged = 0
  /// The frame under way is not the last.
  var hasMore = false
  /// The rest of it is not kept.
  var isSkipped = false
  /// A frame of so many bytes has to wait until it is known what the connection may send.
  var claimed: Int?
  /// The part under way, if it did not come at once.
  var part: PartBuffer?

  var hasBegun: Bool { parts > 0 || part != nil || isSkipped || claimed != nil }
  var id: MessageStore.ID { MessageStore.ID(first: first) }
}

/// Memory for a part that comes in pieces: grows as it comes, whatever was announced.
struct PartBuffer {
  let size: Int
  private(set) var memory: UnsafeMutableRawPointer
  private(set) var capacity: Int
  var filled = 0

  /// - Returns: nil if there is no memory.
  init?(size: Int, capacity: Int) {
    guard let memory = malloc(max(1, capacity)) else { return nil }
    self.memory = memory
    self.size = size
    self.capacity = capacity
  }

  /// Large blocks move without a copy.
  mutating func grow(to capacity: Int) -> Bool {
    guard let larger = realloc(memory, capacity) else { return false }
    memory = larger
    self.capacity = capacity
    return true
  }

  func release() { free(memory) }
}
