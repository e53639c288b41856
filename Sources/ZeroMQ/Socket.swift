internal import CZMQ
internal import Glibc

/// One libzmq socket. Not `Sendable`: the thread that owns it is the only one that may touch it,
/// and the compiler sees to that. It is closed when it is released.
package final class Socket {
  /// The socket types this project uses.
  package enum Kind: Sendable { case dealer, router, pair }

  let handle: UnsafeMutableRawPointer
  /// A cell for sends and one for lent receives, so that no object is made per frame.
  private let scratch: UnsafeMutablePointer<zmq_msg_t>
  private let incoming: UnsafeMutablePointer<zmq_msg_t>
  private let context: Context

  package init(_ context: Context, _ kind: Kind) throws(ZMQError) {
    let type =
      switch kind {
      case .dealer: ZMQ_DEALER
      case .router: ZMQ_ROUTER
      case .pair: ZMQ_PAIR
      }
    guard let handle = zmq_socket(context.handle, type) else { throw .last("zmq_socket") }
    self.handle = handle
    self.context = context
    scratch = .allocate(capacity: 1)
    incoming = .allocate(capacity: 1)
    zmq_msg_init(scratch)
    zmq_msg_init(incoming)
    try set(ZMQ_LINGER, 0)
    // Without it a ROUTER drops what it cannot deliver and reports success.
    if kind == .router { try set(ZMQ_ROUTER_MANDATORY, 1) }
  }

  deinit {
    zmq_msg_close(scratch)
    zmq_msg_close(incoming)
    scratch.deallocate()
    incoming.deallocate()
    zmq_close(handle)
  }

  // MARK: Options and endpoints

  /// The high-water marks in messages per peer, both directions: a fuse, not flow control.
  package func setHighWaterMark(_ messages: Int) throws(ZMQError) {
    try set(ZMQ_SNDHWM, Int32(messages))
    try set(ZMQ_RCVHWM, Int32(messages))
  }

  /// The largest frame accepted from a peer, in bytes; a larger one closes that connection.
  package func setMaximumFrame(bytes: Int) throws(ZMQError) {
    var value = Int64(bytes)
    try check("zmq_setsockopt") { zmq_setsockopt(handle, ZMQ_MAXMSGSIZE, &value, 8) }
  }

  /// How long closing the socket may go on sending what is queued (without it: not at all).
  package func setLinger(milliseconds: Int) throws(ZMQError) {
    try set(ZMQ_LINGER, Int32(milliseconds))
  }

  /// How long libzmq waits before it tries a lost connection again.
  package func setReconnectInterval(milliseconds: Int, maximum: Int) throws(ZMQError) {
    try set(ZMQ_RECONNECT_IVL, Int32(milliseconds))
    try set(ZMQ_RECONNECT_IVL_MAX, Int32(maximum))
  }

  private func set(_ option: Int32, _ value: Int32) throws(ZMQError) {
    var value = value
    try check("zmq_setsockopt") { zmq_setsockopt(handle, option, &value, 4) }
  }

  /// Listens on an endpoint.
  /// - Returns: the endpoint with what was chosen filled in (`tcp://127.0.0.1:*` gets its port).
  @discardableResult
  package func bind(_ endpoint: String) throws(ZMQError) -> String {
    try check("zmq_bind") { zmq_bind(handle, endpoint) }
    var buffer = [UInt8](repeating: 0, count: 512)
    var size = buffer.count
    try check("zmq_getsockopt") { zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, &buffer, &size) }
    return String(decoding: buffer[..<max(0, size - 1)], as: UTF8.self)
  }

  /// Connects to an endpoint; the peer may appear later.
  package func connect(_ endpoint: String) throws(ZMQError) {
    try check("zmq_connect") { zmq_connect(handle, endpoint) }
  }

  /// A socket that gets a message whenever a connection of this one breaks. libzmq connects again
  /// by itself and says nothing, although what was under way is lost.
  package func disconnections() throws(ZMQError) -> Socket {
    let endpoint = "inproc://tinsmith-monitor-\(UInt64.random(in: 0...UInt64.max))"
    try check("zmq_socket_monitor") {
      zmq_socket_monitor(handle, endpoint, Int32(ZMQ_EVENT_DISCONNECTED))
    }
    let monitor = try Socket(context, .pair)
    try monitor.connect(endpoint)
    return monitor
  }

  // MARK: Sending

  /// Sends one part, copied.
  /// - Returns: false when it would have had to wait. Only the first part of a message can: once
  ///   it is taken, libzmq takes the others.
  package func send(_ bytes: UnsafeRawBufferPointer, more: Bool) throws(ZMQError) -> Bool {
    try check("zmq_msg_init_size") { zmq_msg_init_size(scratch, bytes.count) }
    if let source = bytes.baseAddress, bytes.count > 0 {
      memcpy(zmq_msg_data(scratch), source, bytes.count)
    }
    return try sendScratch(more: more)
  }

  /// Starts a message to one peer of a ROUTER socket.
  /// - Returns: false when the peer is gone or takes no more; nothing was sent then.
  package func address(_ routingID: UnsafeRawBufferPointer) throws(ZMQError) -> Bool {
    do {
      return try send(routingID, more: true)
    } catch {
      if error.isUnreachable { return false }
      throw error
    }
  }

  /// Sends one part without a copy; `owner` is kept until libzmq is done with the bytes.
  package func send(
    _ bytes: UnsafeRawBufferPointer, ownedBy owner: AnyObject, more: Bool
  ) throws(ZMQError) -> Bool {
    guard let start = bytes.baseAddress, bytes.count > 0 else { return try send(bytes, more: more) }
    let hint = Unmanaged.passRetained(owner)
    do {
      try check("zmq_msg_init_data") {
        zmq_msg_init_data(
          scratch, UnsafeMutableRawPointer(mutating: start), bytes.count,
          { _, hint in if let hint { Unmanaged<AnyObject>.fromOpaque(hint).release() } },
          hint.toOpaque())
      }
    } catch {
      hint.release()
      throw error
    }
    return try sendScratch(more: more)
  }

  private func sendScratch(more: Bool) throws(ZMQError) -> Bool {
    let flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)
    let sent: Int32?
    do {
      sent = try checkAgain("zmq_msg_send") { zmq_msg_send(scratch, handle, flags) }
    } catch {
      zmq_msg_close(scratch)
      zmq_msg_init(scratch)
      throw error
    }
    if sent != nil { return true }
    zmq_msg_close(scratch)
    zmq_msg_init(scratch)
    return false
  }

  // MARK: Receiving

  /// One received part: small ones are copied out by the caller, large ones come as a frame.
  package enum Part {
    case small(UnsafeRawBufferPointer)
    case large(Frame)
  }

  /// Takes the next part: lends it when it has fewer than `limit` bytes (a copy is then cheaper
  /// than a frame, and does not keep libzmq's receive buffer), else hands over a frame.
  /// - Returns: nil when nothing is waiting.
  package func receive<Result>(
    framesFrom limit: Int, _ body: (Part, _ more: Bool) -> Result
  ) throws(ZMQError) -> Result? {
    let got = try checkAgain("zmq_msg_recv") { zmq_msg_recv(incoming, handle, ZMQ_DONTWAIT) }
    guard got != nil else { return nil }
    let more = zmq_msg_more(incoming) != 0
    let size = zmq_msg_size(incoming)
    if size < limit {
      let bytes = UnsafeRawBufferPointer(start: zmq_msg_data(incoming), count: size)
      return body(.small(bytes), more)
    }
    let frame = Frame()
    try check("zmq_msg_move") { zmq_msg_move(frame.message, incoming) }
    return body(.large(frame), more)
  }

  /// Lends the bytes of the next part, with no object made for it.
  /// - Returns: nil when nothing is waiting.
  package func receive<Result>(
    _ body: (UnsafeRawBufferPointer, _ more: Bool) -> Result
  ) throws(ZMQError) -> Result? {
    let got = try checkAgain("zmq_msg_recv") { zmq_msg_recv(incoming, handle, ZMQ_DONTWAIT) }
    guard got != nil else { return nil }
    let bytes = UnsafeRawBufferPointer(start: zmq_msg_data(incoming), count: zmq_msg_size(incoming))
    return body(bytes, zmq_msg_more(incoming) != 0)
  }

  /// Drops the rest of a message whose first parts were taken.
  package func skipRest() throws(ZMQError) {
    while let more = try receive({ _, more in more }), more {}
  }
}
