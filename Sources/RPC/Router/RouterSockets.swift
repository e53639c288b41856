internal import Wire
package import ZeroMQ

/// The sockets of one side of the router, bound by whoever makes it and handed to its thread.
struct RouterSockets {
  /// For `inproc://`: connections of this process.
  let local: Socket
  /// The local socket is bound.
  private(set) var isLocal = false
  /// For `tcp://` and `ipc://`.
  private(set) var listening: [ListeningSocket] = []
  let limits: ListenerLimits

  init(_ context: Context, _ limits: ListenerLimits) throws(ZMQError) {
    self.limits = limits
    local = try Socket(context, .router)
    try local.setHighWaterMark(RouterLimits.highWaterMark)
    try local.setMaximumFrame(bytes: Limits.maxFrameBytes)
  }

  /// Listens on an endpoint, too.
  /// - Returns: the endpoint with what was chosen filled in.
  mutating func bind(_ endpoint: String) throws(ZMQError) -> String {
    if endpoint.hasPrefix("inproc://") {
      isLocal = true
      return try local.bind(endpoint)
    }
    let socket = try ListeningSocket(endpoint)
    listening.append(socket)
    return socket.endpoint
  }
}

extension ListenerLimits {
  /// Of clients, which are trusted with nothing until they show the token of a session.
  package static let clients: ListenerLimits = {
    var limits = ListenerLimits()
    limits.parts = 2 + Limits.maxAttachments
    limits.firstPart = Limits.maxHeaderBytes
    limits.frame = Limits.maxFrameBytes
    limits.message = Limits.maxMessageTotalBytes
    // Where it cannot be raised there is room for fewer.
    _ = try? OpenFileLimit.raise()
    limits.connections = connections(descriptors: OpenFileLimit.current.soft)
    return limits
  }()

  /// Of workers, which belong to the service: what waits for one is bounded by what the router lets
  /// sessions have under way, and one that stands still is found by its silence.
  package static let workers: ListenerLimits = {
    var limits = ListenerLimits.clients
    limits.untrustedMessage = limits.message
    limits.untrustedIdle = limits.idle
    limits.sendMark = .max
    limits.send = 16 << 30
    limits.untrustedSend = limits.send
    limits.sendTotal = 16 << 30
    limits.progressWindow = 120_000
    limits.pressedWindow = limits.progressWindow
    limits.pressedRate = limits.minimumRate
    return limits
  }()
}
