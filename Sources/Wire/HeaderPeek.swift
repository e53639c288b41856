/// What a router needs of a `RequestHeader`, read in place: no text is copied, nothing allocated.
///
/// A view of the frame: it must not outlive the bytes it was made from.
package struct RequestPeek {
  package private(set) var version: UInt32 = 0
  package private(set) var methodNumber: UInt32 = 0
  /// UTF-8 of the stream's name.
  package private(set) var stream = UnsafeRawBufferPointer(start: nil, count: 0)
  package private(set) var seq: UInt64 = 0
  package private(set) var acked: UInt64 = 0
  /// UTF-8 of the session token.
  package private(set) var token = UnsafeRawBufferPointer(start: nil, count: 0)
  package private(set) var timeoutMilliseconds: UInt32 = 0
  package private(set) var traceID: UInt64 = 0
  package private(set) var costPromptTokens: UInt64 = 0
  package private(set) var costNewTokens: UInt64 = 0
  package private(set) var flags = RequestHeader.Flags()
  /// The number of a field that this build does not know, or that occurs twice; 0 for none. With the
  /// header's key, which is read all the same, its sender can be told.
  package private(set) var unknownField: UInt32 = 0
  package private(set) var repeatedField: UInt32 = 0

  /// The method, or nil if this build does not know its number.
  package var method: Method? { Method(rawValue: methodNumber) }

  /// Reads a frame as `RequestHeader.init(decoding:)` does, but leaves texts where they are. Each
  /// of the two takes what the other one takes: who lets a header in by this one never finds it
  /// unreadable later.
  /// - Parameter limit: the most bytes; a router adds to the headers that it passes on.
  /// - Throws: `WireError` if the frame is not a header, a text is none or exceeds its limit.
  package init(
    _ frame: UnsafeRawBufferPointer, limit: Int = Limits.maxHeaderBytes
  ) throws(WireError) {
    try checkHeaderSize(frame, limit)
    var reader = FieldReader(frame)
    var seen: UInt32 = 0
    while let tag = try reader.nextTag() {
      let field = tag >> 3
      if field > 17 {
        unknownField = field
      } else if seen & 1 << field != 0 {
        repeatedField = field
      } else {
        seen |= 1 << field
      }
      switch tag {
      case 1 << 3 | 0: version = UInt32(clamping: try reader.varint())
      case 2 << 3 | 0: methodNumber = UInt32(clamping: try reader.varint())
      case 3 << 3 | 2: stream = try reader.shortText(limit: Limits.maxStreamBytes)
      case 4 << 3 | 0: seq = try reader.varint()
      case 5 << 3 | 0: acked = try reader.varint()
      case 6 << 3 | 2: _ = try reader.shortText(limit: Limits.maxClientNameBytes)
      case 7 << 3 | 1: _ = try reader.fixed64()
      case 8 << 3 | 2: token = try reader.shortText(limit: Limits.maxTokenBytes)
      case 9 << 3 | 0: timeoutMilliseconds = UInt32(truncatingIfNeeded: try reader.varint())
      case 10 << 3 | 1: traceID = try reader.fixed64()
      case 11 << 3 | 0: costPromptTokens = try reader.varint()
      case 12 << 3 | 0: costNewTokens = try reader.varint()
      case 13 << 3 | 0:
        flags = RequestHeader.Flags(rawValue: UInt32(clamping: try reader.varint()))
      case 14 << 3 | 0, 15 << 3 | 0: _ = try reader.varint()
      case 16 << 3 | 2, 17 << 3 | 2: _ = try reader.shortText(limit: Limits.maxMessageBytes)
      default: try reader.skip(tag, unless: 1...17)
      }
    }
  }
}

/// What a router, and a client with nothing unusual to report, needs of a `ResponseHeader`, read in
/// place. A view of the frame: it must not outlive the bytes it was made from.
package struct ResponsePeek {
  /// UTF-8 of the stream's name, not yet checked.
  package private(set) var stream = UnsafeRawBufferPointer(start: nil, count: 0)
  package private(set) var seq: UInt64 = 0
  package private(set) var epoch: UInt64 = 0
  package private(set) var code: StatusCode = .ok
  package private(set) var event: Event = .final
  package private(set) var queueMicroseconds: UInt64 = 0
  package private(set) var computeMicroseconds: UInt64 = 0
  package private(set) var cacheHitTokens: UInt64 = 0
  package private(set) var windowRequests: UInt32 = 0
  package private(set) var windowBytes: UInt64 = 0
  package private(set) var costPromptTokens: UInt64 = 0
  package private(set) var costNewTokens: UInt64 = 0

  /// Reads a frame as `ResponseHeader.init(decoding:)` does, but leaves texts where they are.
  /// - Throws: `WireError` if the frame is not a response header or its event is unknown.
  package init(_ frame: UnsafeRawBufferPointer) throws(WireError) {
    try checkHeaderSize(frame, Limits.maxHeaderBytes)
    var eventNumber: UInt64 = 0
    var reader = FieldReader(frame)
    while let tag = try reader.nextTag() {
      switch tag {
      case 1 << 3 | 2: stream = try reader.shortBlock(limit: Limits.maxStreamBytes)
      case 2 << 3 | 0: seq = try reader.varint()
      case 3 << 3 | 0: epoch = try reader.varint()
      case 4 << 3 | 0: code = StatusCode(wire: try reader.varint())
      case 8 << 3 | 0: eventNumber = try reader.varint()
      case 10 << 3 | 0: queueMicroseconds = try reader.varint()
      case 11 << 3 | 0: computeMicroseconds = try reader.varint()
      case 12 << 3 | 0: cacheHitTokens = try reader.varint()
      case 13 << 3 | 0: windowRequests = UInt32(truncatingIfNeeded: try reader.varint())
      case 14 << 3 | 0: windowBytes = try reader.varint()
      case 16 << 3 | 0: costPromptTokens = try reader.varint()
      case 17 << 3 | 0: costNewTokens = try reader.varint()
      default: try reader.skip(tag, unless: 1...4, 8...8, 10...14, 16...17)
      }
    }
    guard let event = Event(rawValue: UInt8(clamping: eventNumber)) else {
      throw WireError(.unknownEnum, "event \(eventNumber)", field: "event")
    }
    self.event = event
  }
}

private func checkHeaderSize(
  _ frame: UnsafeRawBufferPointer, _ limit: Int
) throws(WireError) {
  guard frame.count <= limit else {
    throw WireError(.tooLarge, "header of \(frame.count) bytes, at most \(limit) allowed")
  }
}

extension FieldReader {
  /// Steps over a field that is not read here. One that is came with another wire type.
  fileprivate mutating func skip(
    _ tag: UInt32, unless known: ClosedRange<UInt32>...
  ) throws(WireError) {
    let (field, type) = (tag >> 3, UInt8(tag & 7))
    guard !known.contains(where: { $0.contains(field) }) else {
      throw WireError(.malformed, "header field \(field) has wire type \(type)")
    }
    try skip(type)
  }

  fileprivate mutating func shortBlock(limit: Int) throws(WireError) -> UnsafeRawBufferPointer {
    let block = try block()
    guard block.count <= limit else {
      throw WireError(.tooLarge, "text of \(block.count) bytes, at most \(limit) allowed")
    }
    return block
  }

  /// A text that stays where it is.
  fileprivate mutating func shortText(limit: Int) throws(WireError) -> UnsafeRawBufferPointer {
    let block = try shortBlock(limit: limit)
    try Self.checkText(block)
    return block
  }
}
