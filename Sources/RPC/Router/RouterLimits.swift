/// Every limit of the router and of a stream's owner, in one place. `Proto/README.md` repeats
/// those that a client can meet.
package enum RouterLimits {
  /// Requests that one session may have outstanding; not more than the answers that an owner keeps
  /// per stream, so that a window never outruns the dedupe.
  package static let windowRequests = StreamLog.maximumAnswers
  /// Bytes (all frames) that one session may have outstanding.
  package static let windowBytes = 256 << 20
  /// Requests that all clients without a session together may have outstanding.
  package static let anonymousRequests = 4096
  /// Bytes held by the router for all sessions together.
  package static let heldBytes = 1 << 30
  /// Sessions alive at once.
  package static let sessions = 65_536
  /// How long a session lives without a heartbeat; never ended with work queued.
  package static let leaseMilliseconds: UInt64 = 600_000
  /// How often a client should send a heartbeat.
  package static let heartbeatSeconds = 10
  /// Ended sessions whose tokens are refused; the oldest are forgotten first.
  package static let endedSessions = 65_536
  /// After so long without a word from a connection nobody waits for its sampling any more.
  package static let silenceMilliseconds: UInt64 = 30_000
  /// What one request may cost at most, in prompt tokens and in new tokens; more counts as that.
  package static let cost: UInt64 = 1 << 40
  /// Requests that are suspected of crashing workers.
  package static let suspects = 4096
  /// Streams that the router knows at once.
  package static let streams = 65_536
  /// Streams of one session: each may have one request waiting beyond the window.
  package static let streamsPerSession = 8192
  /// Streams of all clients without a session together, one for each connection at least.
  package static let anonymousStreams = 16_384
  /// Connections that the router remembers at once.
  package static let connections = 65_536
  /// Copies of one running request that are passed to its owner; more only move the connection.
  package static let copies = 8
  /// Messages that libzmq queues per peer before it counts as gone: a fuse, not flow control.
  package static let highWaterMark = 16_384
  /// How long a request may wait for an earlier seq.
  package static let gapMilliseconds: UInt64 = 30_000
  /// How long an idle independent stream or connection is remembered.
  package static let idleMilliseconds: UInt64 = 600_000
}
