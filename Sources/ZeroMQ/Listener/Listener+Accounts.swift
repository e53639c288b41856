/// What a message may take: the verdict on each of its frames before memory is taken, the accounts of
/// unfinished messages, and what becomes of one that is too large.
extension Listener {
  // MARK: Too large

  /// Hands over the first part; a frame of `count` bytes and all behind it are not kept.
  mutating func skip(
    _ count: Int, _ slot: Int, _ excess: ReceivedMessage.Excess, _ store: inout MessageStore
  ) -> Received? {
    let id: MessageStore.ID
    if connections[slot].message.parts > 0 {
      id = connections[slot].message.id
      store.truncate(id)
    } else {
      let empty = UnsafeRawBufferPointer(start: nil, count: 0)
      guard let part = store.append(empty, after: MessageStore.none) else {
        close(slot, .failed, &store)
        return nil
      }
      id = MessageStore.ID(first: part)
    }
    charge(slot, -connections[slot].message.charged)
    var rest = IncomingMessage()
    rest.hasMore = connections[slot].message.hasMore
    rest.bytes = connections[slot].message.bytes + count
    rest.isSkipped = true
    let message = ReceivedMessage(
      connection: connections[slot].id, id: id, bytes: rest.bytes, excess: excess,
      isTrusted: connections[slot].isTrusted)
    connections[slot].message = rest
    if connections[slot].parser.remaining == 0 { endSkipped(slot) }
    return .message(message)
  }

  /// A frame of a skipped message has ended.
  mutating func endSkipped(_ slot: Int) {
    if connections[slot].message.hasMore { return }
    reading.finished = true
    connections[slot].message = IncomingMessage()
  }

  // MARK: Accounts

  /// Gives memory to a connection's message, or takes it back.
  mutating func charge(_ slot: Int, _ bytes: Int) {
    let before = connections[slot].pooled(limits)
    connections[slot].message.charged += bytes
    statistics.receiving += bytes
    pooled += connections[slot].pooled(limits) - before
  }

  /// How many bytes may be read from a connection at once; 0 while it has to wait for the pool. When
  /// the pool is empty each has what is left of its own, and the first in the row goes on.
  mutating func readable(_ slot: Int) -> Int {
    if pooled < limits.receivePool || slot == eldest() { return buffer.count }
    return min(buffer.count, max(0, limits.receiveAllowance - connections[slot].message.charged))
  }

  /// The connection whose message began first, of those that have bytes of the pool: it goes on
  /// whatever happens, so that not all wait for each other.
  private mutating func eldest() -> Int? {
    if let known = slot(of: first), connections[known].pooled(limits) > 0 { return known }
    var best: Int?
    for slot in connections.indices where connections[slot].pooled(limits) > 0 {
      let isEarlier =
        best.map { began(slot) < began($0) } ?? true
      if isEarlier { best = slot }
    }
    first = best.map { connections[$0].id } ?? 0
    return best
  }

  private func began(_ slot: Int) -> UInt64 { connections[slot].clock.begun ?? now }

  /// Lets those read on that may again: all, or only the first in the row.
  mutating func serveWaiting() {
    if pooled >= limits.receivePool {
      guard let slot = eldest(), connections[slot].waitsForPool else { return }
      let id = connections[slot].id
      waiting.removeAll { $0 == id }
      readAgain(slot)
    } else {
      let all = waiting
      waiting.removeAll(keepingCapacity: true)
      for id in all { if let slot = slot(of: id) { readAgain(slot) } }
    }
  }

  private mutating func readAgain(_ slot: Int) {
    connections[slot].waitsForPool = false
    updateInterest(slot)
  }
}

extension ListenerLimits {
  /// What becomes of the next frame of a message.
  enum Verdict: Equatable { case take, claim, excess(ReceivedMessage.Excess) }

  func verdict(on message: IncomingMessage, next count: Int, isTrusted: Bool) -> Verdict {
    if message.parts == 0, count > firstPart { return .excess(.firstPart) }
    if message.parts >= parts { return .excess(.parts) }
    if message.bytes + count > self.message { return .excess(.bytes) }
    let charged = message.charged + count + IncomingMessage.partBytes
    return isTrusted || charged <= untrustedMessage ? .take : .claim
  }
}
