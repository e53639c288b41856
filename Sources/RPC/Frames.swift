internal import Glibc
internal import Wire
internal import ZeroMQ

/// Payloads to and from sockets: the one place that decides what is copied.
enum Frames {
  /// Messages that a loop takes before it sends what follows from them.
  ///
  /// The first send wakes libzmq's thread and the others ride along, so one at a time is dear: the
  /// thread then makes a system call for each. Nor should a loop take all there is: router, worker
  /// and client would wait for each other in turns. 16 gave the highest rate with 64 outstanding;
  /// 8 and 32 gave 5 to 10 % less, 256 a quarter less.
  static let perTurn = 16
  /// Parts of at least so many bytes keep their frame; smaller ones are copied out of it.
  static let viewedFrom = 1024
  /// Parts of at least so many bytes are sent without a copy.
  static let lentFrom = 16 << 10
  /// Bytes on the stack for a header; most are shorter.
  private static let usualHeader = 512

  /// Takes the parts behind a header.
  /// - Returns: nil if there were more than the protocol allows; they are then dropped.
  static func receivePayload(
    from socket: Socket, more: Bool
  ) throws(ZMQError) -> (payload: Payload, bytes: Int)? {
    guard more else { return (.empty, 0) }
    guard var (part, another) = try receivePart(from: socket) else { return (.empty, 0) }
    var payload = Payload(body: part)
    var bytes = part.count
    while another {
      if payload.attachments.count == Limits.maxAttachments {
        try socket.skipRest()
        return nil
      }
      guard let next = try receivePart(from: socket) else { break }
      (part, another) = next
      payload.attachments.append(part)
      bytes += part.count
    }
    return (payload, bytes)
  }

  private static func receivePart(from socket: Socket) throws(ZMQError) -> (Bytes, Bool)? {
    try socket.receive(framesFrom: viewedFrom) { part, more in
      switch part {
      case .small(let bytes): (Bytes(copying: bytes), more)
      case .large(let frame): (view(of: frame), more)
      }
    }
  }

  private static func view(of frame: Frame) -> Bytes {
    guard let start = frame.bytes.baseAddress else { return .empty }
    return Bytes(owner: frame, pointer: start, count: frame.bytes.count)
  }

  /// Sends a header and a payload.
  /// - Returns: false when the peer takes no more; nothing was sent then.
  static func send(
    _ header: RequestHeader, _ payload: Payload, to socket: Socket
  ) throws(ZMQError) -> Bool {
    // What lends memory does not carry a typed error.
    let result = withUnsafeTemporaryAllocation(byteCount: usualHeader, alignment: 8) { memory in
      header.encode(into: memory).map { sending(memory, $0, payload, to: socket) }
    }
    if let result { return try result.get() }
    return try send(header.encoded(), payload, to: socket)
  }

  /// Sends a header and a payload.
  /// - Returns: false when the peer takes no more; nothing was sent then.
  static func send(
    _ header: ResponseHeader, _ payload: Payload, to socket: Socket
  ) throws(ZMQError) -> Bool {
    let result = withUnsafeTemporaryAllocation(byteCount: usualHeader, alignment: 8) { memory in
      header.encode(into: memory).map { sending(memory, $0, payload, to: socket) }
    }
    if let result { return try result.get() }
    return try send(header.encoded(), payload, to: socket)
  }

  private static func sending(
    _ memory: UnsafeMutableRawBufferPointer, _ count: Int, _ payload: Payload, to socket: Socket
  ) -> Result<Bool, ZMQError> {
    let frame = UnsafeRawBufferPointer(rebasing: memory[..<count])
    return Result { () throws(ZMQError) in try send(frame, payload, to: socket) }
  }

  /// A header with long texts.
  private static func send(
    _ header: [UInt8], _ payload: Payload, to socket: Socket
  ) throws(ZMQError) -> Bool {
    let result = header.withUnsafeBytes { frame in
      Result { () throws(ZMQError) in try send(frame, payload, to: socket) }
    }
    return try result.get()
  }

  private static func send(
    _ header: UnsafeRawBufferPointer, _ payload: Payload, to socket: Socket
  ) throws(ZMQError) -> Bool {
    let hasBody = !payload.body.isEmpty || !payload.attachments.isEmpty
    let taken = try socket.send(header, more: hasBody)
    guard taken, hasBody else { return taken }
    try send(payload.body, more: !payload.attachments.isEmpty, to: socket)
    for (index, attachment) in payload.attachments.enumerated() {
      try send(attachment, more: index + 1 < payload.attachments.count, to: socket)
    }
    return true
  }

  private static func send(_ part: Bytes, more: Bool, to socket: Socket) throws(ZMQError) {
    _ = try part.withUnsafeBytes { bytes throws(ZMQError) in
      bytes.count < lentFrom
        ? try socket.send(bytes, more: more)
        : try socket.send(bytes, ownedBy: Lent(part), more: more)
    }
  }

  /// Keeps the bytes alive until libzmq is done with them.
  private final class Lent {
    let bytes: Bytes
    init(_ bytes: Bytes) { self.bytes = bytes }
  }

  /// Sends an internal control message: an empty frame, then its bytes.
  static func send(control: [UInt8], to socket: Socket) throws(ZMQError) -> Bool {
    guard try socket.send(UnsafeRawBufferPointer(start: nil, count: 0), more: true) else {
      return false
    }
    let result = control.withUnsafeBytes { bytes in
      Result { () throws(ZMQError) in try socket.send(bytes, more: false) }
    }
    return try result.get()
  }
}

extension String {
  /// Whether the text has exactly these UTF-8 bytes.
  func hasBytes(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var copy = self
    return copy.withUTF8 { own in
      guard own.count == bytes.count, let left = own.baseAddress, let right = bytes.baseAddress
      else { return own.count == bytes.count }
      return memcmp(left, right, bytes.count) == 0
    }
  }
}
