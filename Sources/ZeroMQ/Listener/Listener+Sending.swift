internal import CSystem
internal import Glibc

extension Listener {
  /// Sends a message to a connection and forgets it, whatever happens.
  /// - Returns: false when the connection is gone, or does not read and was closed for that.
  package mutating func send(
    _ id: MessageStore.ID, to connection: UInt64, _ store: inout MessageStore
  ) -> Bool {
    guard let slot = slotForSending(to: connection, &store) else {
      store.release(id)
      return false
    }
    let before = connections[slot].out.charged
    connections[slot].out.append(id, &store, &pool)
    return queued(slot, before, &store)
  }

  /// Sends a message of copied parts to a connection.
  /// - Returns: false when the connection is gone, or does not read and was closed for that.
  package mutating func send(
    _ parts: [[UInt8]], to connection: UInt64, _ store: inout MessageStore
  ) -> Bool {
    guard let slot = slotForSending(to: connection, &store) else { return false }
    let before = connections[slot].out.charged
    for (index, part) in parts.enumerated() {
      part.withUnsafeBytes {
        connections[slot].out.append($0, more: index + 1 < parts.count, &pool)
      }
    }
    return queued(slot, before, &store)
  }

  /// Gives the kernel what was sent since the last call: one system call for each connection.
  package mutating func flush(_ store: inout MessageStore) {
    // A connection may close while others are written to, and its place may be another's then.
    for index in dirty.indices {
      let slot = dirty[index]
      guard connections[slot].isDirty else { continue }
      connections[slot].isDirty = false
      if connections[slot].clock.isSending {
        updateInterest(slot)
      } else {
        flush(slot, &store)
      }
    }
    dirty.removeAll(keepingCapacity: true)
  }

  // MARK: Parts

  private mutating func slotForSending(
    to connection: UInt64, _ store: inout MessageStore
  ) -> Int? {
    guard let slot = slot(of: connection) else { return nil }
    let limit = connections[slot].isTrusted ? limits.send : limits.untrustedSend
    if connections[slot].out.charged <= limit { return slot }
    close(slot, .unread, &store)
    return nil
  }

  private mutating func queued(
    _ slot: Int, _ before: Int, _ store: inout MessageStore
  ) -> Bool {
    let id = connections[slot].id
    statistics.sending += connections[slot].out.charged - before
    markDirty(slot)
    while statistics.sending > limits.sendTotal, let most = slotOfMost(),
      connections[most].out.charged > 0
    {
      // What the kernel takes at once counts for nobody.
      if connections[most].isDirty { flush(most, &store) }
      if statistics.sending > limits.sendTotal, connections[most].out.charged > 0 {
        close(most, .unread, &store)
      }
    }
    return connections[slot].id == id
  }

  private func slotOfMost() -> Int? {
    connections.indices.max { connections[$0].out.charged < connections[$1].out.charged }
  }

  /// Sends frames of the protocol itself.
  mutating func send(raw bytes: [UInt8], _ slot: Int) {
    let before = connections[slot].out.charged
    connections[slot].out.append(raw: bytes, &pool)
    statistics.sending += connections[slot].out.charged - before
    markDirty(slot)
  }

  private mutating func markDirty(_ slot: Int) {
    guard !connections[slot].isDirty else { return }
    connections[slot].isDirty = true
    dirty.append(slot)
  }

  /// Writes as much as the kernel takes.
  mutating func flush(_ slot: Int, _ store: inout MessageStore) {
    let before = connections[slot].out.charged
    let isGood = connections[slot].out.write(to: connections[slot].descriptor, &store, &pool)
    statistics.sending += connections[slot].out.charged - before
    guard isGood else { return close(slot, .peer, &store) }
    let isWaiting = !connections[slot].out.isEmpty
    if isWaiting != connections[slot].clock.isSending {
      let delivered = isWaiting ? connections[slot].delivered : 0
      connections[slot].clock.waits(isWaiting, delivered: delivered, now)
    }
    updateInterest(slot)
  }
}
