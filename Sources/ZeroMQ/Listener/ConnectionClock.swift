/// What time means for one connection: a pure value that is told what happens and judges when asked.
struct ConnectionClock {
  /// Bytes that moved since a time.
  struct Progress {
    var since: UInt64
    var bytes = 0

    /// Whether it was slower than `rate` bytes a second over the last `window`, which then starts
    /// again.
    mutating func isTooSlow(_ now: UInt64, window: UInt64, rate: Int) -> Bool {
      let elapsed = now - since
      guard elapsed >= window else { return false }
      if bytes < rate * Int(elapsed) / 1000 { return true }
      self = Progress(since: now)
      return false
    }
  }

  private var opened: UInt64
  private(set) var lastHeard: UInt64
  private var isOpen = false
  /// When the unfinished message began.
  private(set) var begun: UInt64?
  private var received: Progress
  /// Since when we do not read.
  private var paused: UInt64?
  /// Of what waits to be sent; nil when nothing does.
  private var sent: Progress?
  /// The count of delivered bytes when `sent` began.
  private var delivered = 0

  init(now: UInt64) {
    opened = now
    lastHeard = now
    received = Progress(since: now)
  }

  // MARK: What happens

  /// Bytes arrived.
  /// - Parameters:
  ///   - isMidMessage: the last message among them is not complete.
  ///   - finished: a message ended among them.
  mutating func heard(_ bytes: Int, isMidMessage: Bool, finished: Bool, _ now: UInt64) {
    lastHeard = now
    guard isMidMessage else {
      begun = nil
      return
    }
    if begun == nil || finished {
      begun = now
      received = Progress(since: now)
    }
    received.bytes += bytes
  }

  /// The handshake is done.
  mutating func handshakeEnded() { isOpen = true }

  /// We stop reading, for a reason of ours.
  mutating func pause(_ now: UInt64) { if paused == nil { paused = now } }

  /// We read again: the time between was not the peer's.
  mutating func resume(_ now: UInt64) {
    guard let since = paused else { return }
    paused = nil
    lastHeard += now - since
    if let time = begun { begun = time + (now - since) }
    received = Progress(since: now)
  }

  /// Something waits to be sent, or nothing does any more.
  /// - Parameter delivered: bytes that the other end has so far.
  mutating func waits(_ isWaiting: Bool, delivered: Int, _ now: UInt64) {
    if !isWaiting {
      sent = nil
    } else if sent == nil {
      sent = Progress(since: now)
      self.delivered = delivered
    }
  }

  /// We stood still ourselves.
  mutating func skip(_ milliseconds: UInt64) {
    opened += milliseconds
    lastHeard += milliseconds
    received.since += milliseconds
    if let time = begun { begun = time + milliseconds }
    if let time = paused { paused = time + milliseconds }
    sent?.since += milliseconds
  }

  // MARK: What follows

  /// Whether something waits to be sent, whose progress is to be told to `judge`.
  var isSending: Bool { sent != nil }

  /// Whether the time of the connection is over, and why.
  /// - Parameters:
  ///   - isPressed: it has bytes of the pool that others wait for.
  ///   - delivered: bytes that the other end has so far.
  mutating func judge(
    _ now: UInt64, _ limits: ListenerLimits, isTrusted: Bool, isPressed: Bool, delivered: Int
  ) -> CloseReason? {
    guard isOpen else { return now >= opened + limits.handshake ? .handshake : nil }
    if sent != nil {
      sent?.bytes = delivered - self.delivered
      let since = sent?.since
      if sent?.isTooSlow(now, window: limits.progressWindow, rate: limits.minimumRate) == true {
        return .unread
      }
      if sent?.since != since { self.delivered = delivered }
    }
    if paused != nil { return nil }
    if let begun {
      if now >= begun + limits.wholeMessage { return .unfinished }
      let (window, rate) =
        isPressed
        ? (limits.pressedWindow, limits.pressedRate) : (limits.progressWindow, limits.minimumRate)
      return received.isTooSlow(now, window: window, rate: rate) ? .unfinished : nil
    }
    if sent != nil { return nil }
    return now >= lastHeard + (isTrusted ? limits.idle : limits.untrustedIdle) ? .idle : nil
  }
}
