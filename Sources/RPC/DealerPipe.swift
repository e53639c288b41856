internal import Wire
internal import ZeroMQ

/// The connection of a client or a worker to its router, which can be made anew.
final class DealerPipe {
  private let endpoint: String
  private let context: Context
  @exclusivity(unchecked) private(set) var socket: Socket
  /// Says when the socket's connection broke.
  private(set) var breaks: Socket
  /// The sockets are others than before, which the poller does not know yet.
  var isNew = false
  /// What ends the loop.
  private(set) var failure: ZMQError?

  init(endpoint: String, context: Context) throws(ZMQError) {
    self.endpoint = endpoint
    self.context = context
    (socket, breaks) = try Self.connect(endpoint, context)
  }

  private static func connect(
    _ endpoint: String, _ context: Context
  ) throws(ZMQError) -> (Socket, Socket) {
    let socket = try Socket(context, .dealer)
    try socket.setHighWaterMark(RouterLimits.highWaterMark)
    try socket.setMaximumFrame(bytes: Limits.maxFrameBytes)
    try socket.setReconnectInterval(milliseconds: 20, maximum: 1000)
    let breaks = try socket.disconnections()
    try socket.connect(endpoint)
    return (socket, breaks)
  }

  func reconnect() {
    _ = noting { () throws(ZMQError) in
      (socket, breaks) = try Self.connect(endpoint, context)
      isNew = true
      return true
    }
  }

  /// An error of the socket ends the loop at its next look.
  func noting(_ body: () throws(ZMQError) -> Bool) -> Bool {
    do throws(ZMQError) {
      return try body()
    } catch {
      failure = error
      return true
    }
  }
}
