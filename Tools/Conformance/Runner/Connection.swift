import Wire
import ZeroMQ

/// One DEALER socket that sends frames as they are told.
final class Connection {
  /// A response as it came.
  struct Reply {
    let header: ResponseHeader
    let payload: Payload
  }

  private let socket: Socket
  private var poller = Poller()

  init(_ endpoint: String, _ context: Context) throws {
    socket = try Socket(context, .dealer)
    try socket.setHighWaterMark(16_384)
    try socket.connect(endpoint)
    try poller.add(socket)
  }

  /// Sends one message.
  func send(_ frames: [[UInt8]]) throws {
    for (index, frame) in frames.enumerated() {
      let isSent = try frame.withUnsafeBytes {
        try socket.send($0, more: index + 1 < frames.count)
      }
      guard isSent else { throw Failure("the socket takes no more") }
    }
  }

  /// The next response; nil if none came in time.
  func receive(milliseconds: Int) throws -> Reply? {
    guard try poller.wait(milliseconds: milliseconds) else { return nil }
    var frames: [[UInt8]] = []
    while let more = try socket.receive({ bytes, more in
      frames.append([UInt8](bytes))
      return more
    }), more {}
    guard let first = frames.first else { return nil }
    let header = try first.withUnsafeBytes { bytes in try ResponseHeader(decoding: bytes) }
    let rest = frames.dropFirst().map { Bytes($0) }
    return Reply(
      header: header,
      payload: Payload(body: rest.first ?? .empty, attachments: Array(rest.dropFirst())))
  }
}
