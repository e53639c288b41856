/// What a listener allows its peers, in one place. Those that a client can meet are in
/// `Proto/README.md`.
package struct ListenerLimits: Sendable {
  // MARK: Messages

  /// Frames of one message.
  package var parts = 2 + 16_384
  /// Bytes of the first frame.
  package var firstPart = 16 << 10
  /// Bytes of one frame; a larger one closes the connection.
  package var frame = 256 << 20
  /// Bytes of all frames of one message.
  package var message = 512 << 20
  /// The same for a connection that has not shown that it may send more.
  package var untrustedMessage = 1 << 20

  // MARK: Bytes in receive

  /// Bytes of unfinished messages that each connection has for itself. More come from the pool.
  package var receiveAllowance = 16 << 10
  /// Bytes of unfinished messages of all connections together, beyond their own. When it is empty
  /// only the message that began first is read on, so the most is this and one message.
  package var receivePool = 512 << 20
  /// Memory that a large frame gets at first; more as it comes.
  package var firstCapacity = 1 << 20

  // MARK: Bytes in sending

  /// While more waits for a peer nothing is read from it.
  package var sendMark = 1 << 20
  /// Bytes that may wait for one peer; it is closed when something is added to more.
  package var send = 256 << 20
  /// The same for a connection that has not shown that it may send more.
  package var untrustedSend = 4 << 20
  /// Bytes that may wait for all peers together; beyond it the one with the most is closed.
  package var sendTotal = 1 << 30

  // MARK: Times, in milliseconds

  /// From the connection to the end of the handshake.
  package var handshake: UInt64 = 10_000
  /// Without a byte from a connection that has not shown that it may send more.
  package var untrustedIdle: UInt64 = 120_000
  /// Without a byte from any other. The kernel looks whether the other end lives (keep-alive).
  package var idle: UInt64 = 3_600_000
  /// From the first to the last byte of a message.
  package var wholeMessage: UInt64 = 600_000
  /// An unfinished message, and answers that wait, must move by `minimumRate` over so long.
  package var progressWindow: UInt64 = 20_000
  /// The same for an unfinished message with bytes of the pool while others wait for the pool.
  package var pressedWindow: UInt64 = 1000
  /// Bytes a second.
  package var minimumRate = 16 << 10
  /// Bytes a second while others wait for the pool.
  package var pressedRate = 1 << 20
  /// How often times are looked at. A jump of the clock by a second more was a standstill of ours
  /// and counts for nobody.
  package var sweep: UInt64 = 100

  // MARK: Connections

  /// Connections at once.
  package var connections = 16_384
  /// When there are so many, one that was silent for so long and has not shown that it may send
  /// more makes place.
  package var silence: UInt64 = 1000

  package init() {}

  /// How many connections leave descriptors for everything else: files, workers, their pipes.
  package static func connections(descriptors: Int) -> Int {
    max(1, min(ListenerLimits().connections, descriptors - max(64, descriptors / 4)))
  }
}

/// Why a connection was closed.
package enum CloseReason: String, CaseIterable, Sendable {
  /// The other end did.
  case peer
  /// The network failed.
  case failed
  /// It does not speak ZMTP 3 with a socket type that fits.
  case `protocol`
  /// The handshake took too long.
  case handshake
  /// It said nothing for too long.
  case idle
  /// A message that was begun did not get on.
  case unfinished
  /// A message was too large and did not end.
  case oversized
  /// It does not read what is sent to it.
  case unread
  /// There were too many connections.
  case crowded
}
