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
  /// Bytes of them.
  package static let anonymousBytes = 512 << 20
  /// Requests that everybody together may have outstanding, shared as `Share` says.
  package static let requests = 1 << 19
  /// Bytes held by the router for all sessions together, shared as `Share` says.
  package static let heldBytes = 1 << 30
  /// Bytes on their way to, or at, one worker.
  package static let workerBytes = 1 << 30
  /// Sessions remembered at once, shared as `Share` says. One with nothing outstanding and no model
  /// yields to another one of its tenant, and is back with its next request.
  package static let sessions = 65_536
  /// Requests that the keeper is given at once.
  package static let keeperRequests: UInt64 = 256
  /// Of those, requests of the catalog of checkpoints, which may take long.
  package static let catalogRequests: UInt64 = 8
  /// Bytes of one request to the keeper.
  package static let keeperRequestBytes = 1 << 20
  /// Tenants with an account of their own, where no list says who there is.
  package static let tenants = 256
  /// Tenants that are reported one by one.
  package static let reportedTenants = 64
  /// Workers that the router knows at once.
  package static let workers = 1024
  /// How far above all epochs that are known one may be that a worker claims.
  package static let epochWindow: UInt64 = 1 << 32
  /// A supervised worker that said nothing for so long, while the router ran on time, is stopped.
  package static let stallMilliseconds: UInt64 = 15_000
  /// A worker that has work and finished none of it for so long hangs.
  package static let hangMilliseconds: UInt64 = 600_000
  /// After so long a request is old: whoever asks for it makes the router say what it knows.
  package static let oldRequestMilliseconds: UInt64 = 30_000
  /// How long a session lives without a heartbeat; never ended with work queued.
  package static let leaseMilliseconds: UInt64 = 600_000
  /// How often a client should send a heartbeat.
  package static let heartbeatSeconds = 10
  /// After so long the end of a session that could not be recorded is tried again.
  package static let endingMilliseconds: UInt64 = 1000
  /// Ended sessions whose tokens are refused; the oldest are forgotten first.
  package static let endedSessions = 262_144
  /// Ended sessions of which workers are told that come (back) later.
  package static let endings = 4096
  /// After so long without a word from a connection nobody waits for its sampling any more.
  package static let silenceMilliseconds: UInt64 = 30_000
  /// Requests that are suspected of crashing workers.
  package static let suspects = 4096
  /// Streams in order that the router knows at once, shared as `Share` says.
  package static let streams = 65_536
  /// Streams in order of one session: each may have one request waiting beyond the window.
  package static let streamsPerSession = 8192
  /// Independent streams that are remembered at once. They say only which worker was the last, so
  /// idle ones yield: those of the same session above `streamsPerSession`, the idlest above this.
  package static let independentStreams = 65_536
  /// Connections that the router remembers at once.
  package static let connections = 65_536
  /// Copies of one running request that are passed to its owner; more only move the connection.
  package static let copies = 8
  /// Messages that libzmq queues per peer before it counts as gone: a fuse, not flow control.
  package static let highWaterMark = 16_384
  /// The part of a worker's memory below which it gets no new model while another has more left.
  package static let scarceMemory = 1.0 / 16
  /// Bytes of answers that a worker keeps for a router that takes no more; beyond it the worker
  /// connects again, and what it had said is asked for again.
  package static let unsentBytes = 256 << 20
  /// What one of them counts besides its payload.
  package static let wordBytes = 512
  /// Streams without a log are dropped from a worker's table above this size.
  package static let unownedStreams = 4096
  /// After so long a worker that was asked to open a stream is asked again.
  package static let openingMilliseconds: UInt64 = 5000
  /// How long a request may wait for an earlier seq: longer than clients wait before they ask for one
  /// that may be lost.
  package static let gapMilliseconds: UInt64 = 60_000
  /// How long an idle independent stream or connection is remembered.
  package static let idleMilliseconds: UInt64 = 600_000
}
