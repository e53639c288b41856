internal import CSystem
internal import Glibc

/// A message that a listener received, or the beginning of one that is larger than allowed.
package struct ReceivedMessage: Sendable {
  /// Why only the first part of a message is handed over. The rest is skipped.
  package enum Excess: Sendable, Equatable {
    /// Too many frames.
    case parts
    /// Too many bytes in all frames.
    case bytes
    /// The first frame is too large; an empty one stands for it.
    case firstPart
    /// Too many bytes for a connection that has not shown that it may send more.
    case untrusted
  }

  /// Who sent it.
  package let connection: UInt64
  /// The message in the store.
  package let id: MessageStore.ID
  /// Bytes of all its frames.
  package let bytes: Int
  /// It is not whole.
  package let excess: Excess?
  /// The connection has shown before that it may send more.
  package let isTrusted: Bool
}

/// What a listener has for its owner.
package enum Received {
  /// A message, which is the owner's from now on.
  case message(ReceivedMessage)
  /// A connection sends more than just anybody may; `header` is the message's first part, still the
  /// listener's. It wants to hear `decide` before the next `receive`.
  case claim(connection: UInt64, header: MessageStore.ID)
}

extension Listener {
  /// What was read last and is not looked at yet.
  struct Reading {
    var slot: Int?
    var position = 0
    var count = 0
    /// Bytes that were read.
    var bytes = 0
    /// A message ended among them.
    var finished = false
  }

  private static let largestRead = 1 << 20

  /// The next whole message (or the beginning of one that is too large).
  /// - Returns: nil when nothing is there; the next turn may find more.
  package mutating func receive(into store: inout MessageStore) -> Received? {
    while true {
      if let slot = reading.slot {
        if let received = consume(slot, &store) { return received }
        if reading.slot == slot { endReading(slot) }
      }
      guard let slot = nextReadable(&store) else { return nil }
      if let received = read(slot, &store) { return received }
    }
  }

  /// Answers a claim: whether the connection may send as much as a trusted one.
  package mutating func decide(_ connection: UInt64, isTrusted: Bool) {
    guard let slot = slot(of: connection) else { return }
    if isTrusted { connections[slot].isTrusted = true }
  }

  /// The connection has shown that it may send more.
  package mutating func trust(_ connection: UInt64) {
    if let slot = slot(of: connection) { connections[slot].isTrusted = true }
  }

  // MARK: Reading

  /// Reads once from a connection.
  private mutating func read(
    _ slot: Int, _ store: inout MessageStore
  ) -> Received? {
    let most = readable(slot)
    guard most > 0 else {
      connections[slot].waitsForPool = true
      waiting.append(connections[slot].id)
      updateInterest(slot)
      return nil
    }
    let rest = connections[slot].parser.remaining
    if rest > buffer.count / 2, most == buffer.count, connections[slot].message.part != nil {
      return readPart(slot, rest, &store)
    }
    let count = recv(connections[slot].descriptor, buffer.baseAddress, most, 0)
    guard isGood(count, slot, &store) else { return nil }
    reading = Reading(slot: slot, count: count, bytes: count)
    return nil
  }

  /// Reads into the memory of the part under way.
  private mutating func readPart(
    _ slot: Int, _ rest: Int, _ store: inout MessageStore
  ) -> Received? {
    let wanted = min(rest, max(buffer.count, min(Self.largestRead, limits.receivePool - pooled)))
    guard let start = reserve(wanted, slot, &store) else { return nil }
    let count = recv(connections[slot].descriptor, start, wanted, 0)
    guard isGood(count, slot, &store) else { return nil }
    connections[slot].parser.took(count)
    let received = fill(count, slot, &store)
    connections[slot].clock.heard(
      count, isMidMessage: connections[slot].isMidMessage, finished: received != nil, now)
    return received
  }

  private mutating func isGood(_ count: Int, _ slot: Int, _ store: inout MessageStore) -> Bool {
    if count > 0 { return true }
    if count < 0, errno == EAGAIN || errno == EINTR { return false }
    close(slot, count == 0 || errno == ECONNRESET ? .peer : .failed, &store)
    return false
  }

  private mutating func endReading(_ slot: Int) {
    connections[slot].clock.heard(
      reading.bytes, isMidMessage: connections[slot].isMidMessage, finished: reading.finished, now)
    reading.slot = nil
  }

  // MARK: Taking apart

  /// Takes what was read.
  /// - Returns: nil when it is used up, or the connection is closed.
  private mutating func consume(
    _ slot: Int, _ store: inout MessageStore
  ) -> Received? {
    if let count = connections[slot].message.claimed {
      connections[slot].message.claimed = nil
      let isRefused = !connections[slot].isTrusted
      if let received = take(frame: count, slot, isRefused: isRefused, &store) {
        return received
      }
    }
    let input = UnsafeRawBufferPointer(rebasing: buffer[..<reading.count])
    while reading.slot == slot {
      let event: ZMTPParser.Event?
      do {
        event = try connections[slot].parser.next(input, &reading.position)
      } catch {
        close(slot, error == .refusedByPeer ? .peer : .protocol, &store)
        return nil
      }
      switch event {
      case nil: return nil
      case .frame(let count, let more):
        connections[slot].message.hasMore = more
        if let received = take(frame: count, slot, isRefused: false, &store) {
          return received
        }
      case .payload(let count):
        if let received = take(piece: count, slot, &store) { return received }
      case .version(let version): send(raw: ZMTPHandshake.rest(for: version), slot)
      case .greeting: send(raw: ZMTPHandshake.ready, slot)
      case .ready: connections[slot].clock.handshakeEnded()
      case .ping(let context): send(raw: ZMTPHandshake.command("PONG", context), slot)
      case .notice: break
      }
    }
    return nil
  }

  /// A frame begins. If all of it is there it is taken at once.
  private mutating func take(
    frame count: Int, _ slot: Int, isRefused: Bool, _ store: inout MessageStore
  ) -> Received? {
    if connections[slot].message.isSkipped {
      connections[slot].message.bytes += count
      if connections[slot].message.bytes > 2 * limits.message {
        close(slot, .oversized, &store)
      } else if count == 0 {
        endSkipped(slot)
      }
      return nil
    }
    switch limits.verdict(
      on: connections[slot].message, next: count, isTrusted: connections[slot].isTrusted)
    {
    case .claim where !isRefused && connections[slot].message.parts > 0:
      connections[slot].message.claimed = count
      return .claim(connection: connections[slot].id, header: connections[slot].message.id)
    case .claim: return skip(count, slot, .untrusted, &store)
    case .excess(let excess): return skip(count, slot, excess, &store)
    case .take: break
    }
    connections[slot].message.bytes += count
    charge(slot, IncomingMessage.partBytes)
    let available = reading.count - reading.position
    guard count <= available else {
      return beginPart(count, available, slot, &store)
    }
    charge(slot, count)
    let start = reading.position
    reading.position += count
    connections[slot].parser.took(count)
    let bytes = UnsafeRawBufferPointer(rebasing: buffer[start..<start + count])
    let part = store.append(bytes, after: connections[slot].message.last)
    return added(part, slot, &store)
  }

  /// A piece of a frame that does not come at once.
  private mutating func take(
    piece count: Int, _ slot: Int, _ store: inout MessageStore
  ) -> Received? {
    if connections[slot].message.isSkipped {
      if connections[slot].parser.remaining == 0 { endSkipped(slot) }
      return nil
    }
    guard let start = reserve(count, slot, &store), let base = buffer.baseAddress else {
      return nil
    }
    memcpy(start, base + (reading.position - count), count)
    return fill(count, slot, &store)
  }

  private mutating func beginPart(
    _ size: Int, _ available: Int, _ slot: Int, _ store: inout MessageStore
  ) -> Received? {
    let room = max(0, limits.receivePool - pooled)
    let first = connections[slot].isTrusted ? limits.firstCapacity : limits.receiveAllowance
    let capacity = min(size, max(available, min(first, max(room, limits.receiveAllowance))))
    guard let part = PartBuffer(size: size, capacity: capacity) else {
      close(slot, .failed, &store)
      return nil
    }
    connections[slot].message.part = part
    charge(slot, capacity)
    return nil
  }

  /// Memory for the next bytes of the part under way.
  private mutating func reserve(
    _ count: Int, _ slot: Int, _ store: inout MessageStore
  ) -> UnsafeMutableRawPointer? {
    guard var part = connections[slot].message.part else { return nil }
    let needed = part.filled + count
    if needed > part.capacity {
      let room = max(0, limits.receivePool - pooled)
      let capacity = min(part.size, max(needed, part.capacity + min(part.capacity, room)))
      charge(slot, capacity - part.capacity)
      guard part.grow(to: capacity) else {
        close(slot, .failed, &store)
        return nil
      }
      connections[slot].message.part = part
    }
    return part.memory + part.filled
  }

  /// So many bytes of the part under way have come.
  private mutating func fill(
    _ count: Int, _ slot: Int, _ store: inout MessageStore
  ) -> Received? {
    connections[slot].message.part?.filled += count
    guard let part = connections[slot].message.part, part.filled == part.size else { return nil }
    connections[slot].message.part = nil
    let cell = store.append(
      owning: part.memory, count: part.size, after: connections[slot].message.last)
    return added(cell, slot, &store)
  }

  /// A part is complete.
  /// - Parameter part: nil if there was no memory for it.
  private mutating func added(
    _ part: Int32?, _ slot: Int, _ store: inout MessageStore
  ) -> Received? {
    guard let part else {
      close(slot, .failed, &store)
      return nil
    }
    if connections[slot].message.parts == 0 { connections[slot].message.first = part }
    connections[slot].message.last = part
    connections[slot].message.parts += 1
    if connections[slot].message.hasMore { return nil }
    let message = ReceivedMessage(
      connection: connections[slot].id, id: connections[slot].message.id,
      bytes: connections[slot].message.bytes, excess: nil, isTrusted: connections[slot].isTrusted)
    reading.finished = true
    charge(slot, -connections[slot].message.charged)
    connections[slot].message = IncomingMessage()
    return .message(message)
  }
}
