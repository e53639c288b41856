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
  /// Set where many small parts are sent to one peer.
  private var slab: SendSlab?
  /// Nothing waits here that the descriptor will not announce. Sending may take in the news of a
  /// message that arrived, so it ends with every send.
  ///
  /// Unchecked, as every message passes here and one thread owns the socket.
  @exclusivity(unchecked) var isDrained = false

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
    // A dealer here has one peer, which takes parts in order, so blocks come back in order. A
    // router's slowest peer would keep blocks for all of them.
    if kind == .dealer { slab = SendSlab() }
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
    // libzmq keeps up to 33 bytes inside of the message.
    if bytes.count > 33, bytes.count <= SendSlab.largestPart, let source = bytes.baseAddress,
      let (start, owner) = slab?.take(bytes.count)
    {
      memcpy(start, source, bytes.count)
      return try send(UnsafeRawBufferPointer(start: start, count: bytes.count), owner, more: more)
    }
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
    guard bytes.count > 0 else { return try send(bytes, more: more) }
    return try send(bytes, owner, more: more)
  }

  private func send(
    _ bytes: UnsafeRawBufferPointer, _ owner: AnyObject, more: Bool
  ) throws(ZMQError) -> Bool {
    let hint = Unmanaged.passRetained(owner)
    do {
      try check("zmq_msg_init_data") {
        zmq_msg_init_data(
          scratch, UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count,
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
    isDrained = false
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
  @inlinable
  package func receive<Result>(
    framesFrom limit: Int, _ body: (Part, _ more: Bool) -> Result
  ) throws(ZMQError) -> Result? {
    guard let (bytes, more) = try receivePart() else { return nil }
    if bytes.count < limit { return body(.small(bytes), more) }
    return body(.large(try takeFrame()), more)
  }

  /// Lends the bytes of the next part, with no object made for it.
  /// - Returns: nil when nothing is waiting.
  @inlinable
  package func receive<Result>(
    _ body: (UnsafeRawBufferPointer, _ more: Bool) -> Result
  ) throws(ZMQError) -> Result? {
    guard let (bytes, more) = try receivePart() else { return nil }
    return body(bytes, more)
  }

  /// The next part, valid until the next call; nil when nothing is waiting.
  @usableFromInline
  func receivePart() throws(ZMQError) -> (bytes: UnsafeRawBufferPointer, more: Bool)? {
    let got = try checkAgain("zmq_msg_recv") { zmq_msg_recv(incoming, handle, ZMQ_DONTWAIT) }
    guard got != nil else {
      isDrained = true
      return nil
    }
    let bytes = UnsafeRawBufferPointer(start: zmq_msg_data(incoming), count: zmq_msg_size(incoming))
    return (bytes, zmq_msg_more(incoming) != 0)
  }

  /// The part of the last `receivePart`, to keep.
  @usableFromInline
  func takeFrame() throws(ZMQError) -> Frame {
    let frame = Frame()
    try check("zmq_msg_move") { zmq_msg_move(frame.message, incoming) }
    return frame
  }

  /// Drops the rest of a message whose first parts were taken.
  package func skipRest() throws(ZMQError) {
    while let more = try receive({ _, more in more }), more {}
  }

  // MARK: Waiting

  /// The descriptor that becomes readable when there may be news: a message, or only libzmq's own.
  func descriptor() throws(ZMQError) -> Int32 {
    var value: Int32 = -1
    var size = MemoryLayout<Int32>.size
    try check("zmq_getsockopt") { zmq_getsockopt(handle, ZMQ_FD, &value, &size) }
    return value
  }

  /// Whether a message waits. It takes in the news, so afterwards the descriptor is quiet.
  func hasInput() throws(ZMQError) -> Bool {
    var events: Int32 = 0
    var size = MemoryLayout<Int32>.size
    try check("zmq_getsockopt") { zmq_getsockopt(handle, ZMQ_EVENTS, &events, &size) }
    isDrained = events & Int32(ZMQ_POLLIN) == 0
    return !isDrained
  }
}
