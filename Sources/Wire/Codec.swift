internal import CProto

/// A message kind: a plain Swift value that travels as a `Payload`.
package protocol WireMessage: Sendable {
  /// Reads and validates an untrusted payload.
  ///
  /// - Throws: `WireError` naming the field; never traps whatever the bytes are.
  static func decode(_ payload: Payload) throws(WireError) -> Self

  /// The frames of this message. Tensors of more than `inlineLimit` bytes become attachments.
  ///
  /// Text ends at its first NUL, which no receiver accepts.
  func encode(inlineLimit: Int) -> Payload
}

extension WireMessage {
  /// The frames of this message, tensors over 1 KiB as attachments.
  package func encode() -> Payload { encode(inlineLimit: Limits.defaultInlineBytes) }
}

/// A value with a protobuf-c struct: a message or a part of one.
protocol Coded: Sendable {
  /// The generated struct.
  associatedtype C

  /// The generated `…__init`.
  static func initialise(_ c: UnsafeMutablePointer<C>?)

  /// Reads the unpacked struct; texts and enums are checked already.
  init(_ c: C, _ reader: Reader) throws(WireError)

  /// Writes into an initialised struct.
  func fill(_ c: inout C, _ writer: Writer)
}

/// A `Coded` value that is a whole message.
protocol Root: Coded, WireMessage {}

/// A message from a client. Unknown fields are refused, so that no option is ignored in silence.
protocol RequestRoot: Root {}

/// A message to a client. Unknown fields are skipped: newer services may say more.
protocol ResponseRoot: Root {}

extension RequestRoot {
  package static func decode(_ payload: Payload) throws(WireError) -> Self {
    try decode(payload, refusesUnknownFields: true)
  }
}

extension ResponseRoot {
  package static func decode(_ payload: Payload) throws(WireError) -> Self {
    try decode(payload, refusesUnknownFields: false)
  }
}

extension Root {
  static func decode(
    _ payload: Payload, refusesUnknownFields: Bool
  ) throws(WireError) -> Self {
    try Limits.check(payload)
    let body = payload.body
    let arena = Arena(capacity: Limits.arenaBaseBytes + Limits.arenaFactor * body.count)
    guard let model = Writer(arena: arena).initialised(Self.self) else {
      throw WireError(.tooLarge, "no memory for the message")
    }
    // Every generated struct begins with its base, which an initialised one has filled in.
    let base = UnsafeMutableRawPointer(model).assumingMemoryBound(to: ProtobufCMessage.self)
    guard let descriptor = base.pointee.descriptor else {
      throw WireError(.malformed, "the message has no descriptor")
    }
    let unpacked = try body.withUnsafeBytes {
      buffer throws(WireError) -> UnsafeMutablePointer<ProtobufCMessage>? in
      try Scan(refusesUnknownFields: refusesUnknownFields).check(buffer, descriptor)
      return arena.withAllocator { allocator in
        protobuf_c_message_unpack(
          descriptor, allocator, buffer.count,
          buffer.baseAddress?.assumingMemoryBound(to: UInt8.self))
      }
    }
    guard let unpacked else {
      if arena.isExhausted {
        throw WireError(.tooLarge, "the message takes too much memory for its size")
      }
      throw WireError(.malformed, "not a protobuf message of this kind")
    }
    let reader = Reader(
      arena: arena, attachments: payload.attachments,
      denseElements: Limits.denseElements(messageBytes: payload.byteCount))
    let message = UnsafeMutableRawPointer(unpacked).assumingMemoryBound(to: C.self)
    let value = try Self(message.pointee, reader)
    try reader.finish()
    return value
  }

  /// The frames of this message.
  package func encode(inlineLimit: Int) -> Payload {
    let writer = Writer(arena: Arena(), inlineLimit: inlineLimit)
    guard let message = writer.message(self) else { return .empty }
    let base = UnsafeRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
    let size = protobuf_c_message_get_packed_size(base)
    let body = Bytes(count: size) { buffer in
      guard let start = buffer.baseAddress else { return }
      protobuf_c_message_pack(base, start.assumingMemoryBound(to: UInt8.self))
    }
    return Payload(body: body, attachments: writer.attachments)
  }
}
