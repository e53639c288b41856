extension Listener {
  /// Closes whoever's time is over. To be called often; it looks each `limits.sweep`.
  package mutating func tick(_ now: UInt64, _ store: inout MessageStore) {
    self.now = now
    resumeAccepting()
    guard now >= lastSweep + limits.sweep else { return }
    let late = now - lastSweep - limits.sweep
    lastSweep = now
    for slot in connections.indices where connections[slot].id != 0 {
      // What the peers did while this process stood still is not known yet.
      if late > 1000 { connections[slot].clock.skip(late) }
      let isPressed =
        !waiting.isEmpty && !connections[slot].waitsForPool && connections[slot].pooled(limits) > 0
      let delivered = connections[slot].clock.isSending ? connections[slot].delivered : 0
      let reason = connections[slot].clock.judge(
        now, limits, isTrusted: connections[slot].isTrusted, isPressed: isPressed,
        delivered: delivered)
      if let reason { close(slot, reason, &store) }
    }
  }

  /// Numbers of now.
  package var numbers: Statistics { statistics }
}
