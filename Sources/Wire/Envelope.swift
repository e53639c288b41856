/// First frame of a request (`RequestHeader` in `envelope.proto`, which documents each field).
package struct RequestHeader: Sendable, Equatable {
  /// The protocol version that this build speaks.
  package static let currentVersion: UInt32 = 1

  /// Bits of `flags`.
  package struct Flags: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    /// No bit set: what `[]` gives, without its detour over an array.
    package init() { rawValue = 0 }
    /// Send PARTIAL events while the request runs.
    package static let stream = Flags(rawValue: 1)
    /// `OptimStep` uses the gradients there are although a forward_backward failed.
    package static let applyPartial = Flags(rawValue: 2)
    /// Router to owner: record `refusalCode` for this seq instead of running the request.
    package static let tombstone = Flags(rawValue: 4)
    /// All that there are.
    package static let all = Flags(rawValue: 7)
  }

  /// Protocol version of the sender.
  package var version: UInt32
  /// The number of the method as sent; `method` is nil where this build does not know it.
  package var methodNumber: UInt32
  /// Stream of the request; with `seq` the request's key.
  package var stream: String
  /// Position in the stream; the creation of a stream has 0.
  package var seq: UInt64
  /// Every answer up to this seq was received.
  package var acked: UInt64
  /// Name and version of the client software.
  package var clientName: String
  /// Random number of the client process.
  package var clientIncarnation: UInt64
  /// Token from `Sessions.Create`.
  package var sessionToken: String
  /// Milliseconds from receipt until the request is no longer wanted; 0 for no limit.
  package var timeoutMilliseconds: UInt32
  /// For correlating logs; 0 for none.
  package var traceID: UInt64
  /// Prompt or training tokens of the request.
  package var costPromptTokens: UInt64
  /// The most tokens that the request may generate.
  package var costNewTokens: UInt64
  /// Options that the router needs to see.
  package var flags: Flags
  /// Epoch at which the router believes that the receiver owns the stream.
  package var epoch: UInt64
  /// With `.tombstone`: the refusal to record.
  package var refusalCode: StatusCode
  /// With `.tombstone`: its message.
  package var refusalMessage: String
  /// With `.tombstone`: path of the offending field; may be empty.
  package var refusalField: String

  /// The method, or nil if this build does not know its number.
  package var method: Method? { Method(rawValue: methodNumber) }

  /// A header for a request of this build; everything else starts at its default.
  package init(
    method: Method, stream: String = "", seq: UInt64 = 0, acked: UInt64 = 0,
    clientName: String = "", clientIncarnation: UInt64 = 0, sessionToken: String = "",
    timeoutMilliseconds: UInt32 = 0, traceID: UInt64 = 0, costPromptTokens: UInt64 = 0,
    costNewTokens: UInt64 = 0, flags: Flags = Flags()
  ) {
    version = Self.currentVersion
    methodNumber = method.rawValue
    self.stream = stream
    self.seq = seq
    self.acked = acked
    self.clientName = clientName
    self.clientIncarnation = clientIncarnation
    self.sessionToken = sessionToken
    self.timeoutMilliseconds = timeoutMilliseconds
    self.traceID = traceID
    self.costPromptTokens = costPromptTokens
    self.costNewTokens = costNewTokens
    self.flags = flags
    epoch = 0
    refusalCode = .ok
    refusalMessage = ""
    refusalField = ""
  }

  private init() {
    self.init(method: .adminPing)
    version = 0
    methodNumber = 0
  }

  /// Writes the fields that are not at their defaults.
  func write(to out: inout FieldWriter) {
    out.put(1, varint: UInt64(version))
    out.put(2, varint: UInt64(methodNumber))
    out.put(3, text: stream)
    out.put(4, varint: seq)
    out.put(5, varint: acked)
    out.put(6, text: clientName)
    out.put(7, fixed64: clientIncarnation)
    out.put(8, text: sessionToken)
    out.put(9, varint: UInt64(timeoutMilliseconds))
    out.put(10, fixed64: traceID)
    out.put(11, varint: costPromptTokens)
    out.put(12, varint: costNewTokens)
    out.put(13, varint: UInt64(flags.rawValue))
    out.put(14, varint: epoch)
    out.put(15, varint: UInt64(refusalCode.rawValue))
    out.put(16, text: refusalMessage, limit: Limits.maxMessageBytes)
    out.put(17, text: refusalField, limit: Limits.maxMessageBytes)
  }

  /// Reads a frame. Fields that this version does not know are skipped; an unknown method or
  /// version is left to the caller, who can answer on the header's stream and seq.
  ///
  /// - Throws: `WireError` if the frame is not a header or a text exceeds its limit.
  package init(decoding frame: UnsafeRawBufferPointer) throws(WireError) {
    guard frame.count <= Limits.maxHeaderBytes else {
      throw WireError(
        .tooLarge, "header of \(frame.count) bytes, at most \(Limits.maxHeaderBytes) allowed")
    }
    self.init()
    var reader = FieldReader(frame)
    while let (field, type) = try reader.next() {
      switch (field, type) {
      case (1, 0): version = UInt32(clamping: try reader.varint())
      case (2, 0): methodNumber = UInt32(clamping: try reader.varint())
      case (3, 2): stream = try reader.text(limit: Limits.maxStreamBytes)
      case (4, 0): seq = try reader.varint()
      case (5, 0): acked = try reader.varint()
      case (6, 2): clientName = try reader.text(limit: Limits.maxClientNameBytes)
      case (7, 1): clientIncarnation = try reader.fixed64()
      case (8, 2): sessionToken = try reader.text(limit: Limits.maxTokenBytes)
      case (9, 0): timeoutMilliseconds = UInt32(truncatingIfNeeded: try reader.varint())
      case (10, 1): traceID = try reader.fixed64()
      case (11, 0): costPromptTokens = try reader.varint()
      case (12, 0): costNewTokens = try reader.varint()
      case (13, 0): flags = Flags(rawValue: UInt32(clamping: try reader.varint()))
      case (14, 0): epoch = try reader.varint()
      case (15, 0): refusalCode = StatusCode(wire: try reader.varint())
      case (16, 2): refusalMessage = try reader.text(limit: Limits.maxMessageBytes)
      case (17, 2): refusalField = try reader.text(limit: Limits.maxMessageBytes)
      case (1...17, _): throw WireError(.malformed, "header field \(field) has wire type \(type)")
      default: try reader.skip(type)
      }
    }
  }
}

/// What a response says about its request.
package enum Event: UInt8, Sendable {
  /// The request is durable; the client may forget its bytes.
  case accepted = 1
  /// A piece of the answer; best effort.
  case partial = 2
  /// The outcome.
  case final = 3
}

/// First frame of a response (`ResponseHeader` in `envelope.proto`, which documents each field).
package struct ResponseHeader: Sendable, Equatable {
  /// Stream of the request that this answers.
  package var stream: String
  /// Seq of the request that this answers.
  package var seq: UInt64
  /// How often the stream changed hands; answers of older epochs are dropped.
  package var epoch: UInt64
  /// The outcome.
  package var code: StatusCode
  /// Explanation for people.
  package var message: String
  /// Path of the offending field.
  package var field: String
  /// Milliseconds to wait before the same key is sent again.
  package var retryAfterMilliseconds: UInt32
  /// What this response is.
  package var event: Event
  /// Requests ahead of this one when it was accepted.
  package var queuePosition: UInt32
  /// Microseconds of waiting.
  package var queueMicroseconds: UInt64
  /// Microseconds of computing.
  package var computeMicroseconds: UInt64
  /// Prompt tokens found in the prefix cache.
  package var cacheHitTokens: UInt64
  /// Requests that the session may have outstanding; 0 for unchanged.
  package var windowRequests: UInt32
  /// Bytes that the session may have outstanding; 0 for unchanged.
  package var windowBytes: UInt64
  /// With `.partial`: offset of the piece in generated tokens of its sequence.
  package var partialOffset: UInt64
  /// Prompt tokens really processed.
  package var costPromptTokens: UInt64
  /// Tokens really generated.
  package var costNewTokens: UInt64
  /// The request's trace id.
  package var traceID: UInt64

  /// A response header; everything not named starts at its default.
  package init(
    stream: String = "", seq: UInt64 = 0, epoch: UInt64 = 0, code: StatusCode = .ok,
    message: String = "", field: String = "", retryAfterMilliseconds: UInt32 = 0,
    event: Event = .final, traceID: UInt64 = 0
  ) {
    self.stream = stream
    self.seq = seq
    self.epoch = epoch
    self.code = code
    self.message = message
    self.field = field
    self.retryAfterMilliseconds = retryAfterMilliseconds
    self.event = event
    queuePosition = 0
    queueMicroseconds = 0
    computeMicroseconds = 0
    cacheHitTokens = 0
    windowRequests = 0
    windowBytes = 0
    partialOffset = 0
    costPromptTokens = 0
    costNewTokens = 0
    self.traceID = traceID
  }

  /// Writes the fields that are not at their defaults.
  func write(to out: inout FieldWriter) {
    out.put(1, text: stream)
    out.put(2, varint: seq)
    out.put(3, varint: epoch)
    out.put(4, varint: UInt64(code.rawValue))
    out.put(5, text: message, limit: Limits.maxMessageBytes)
    out.put(6, text: field, limit: Limits.maxMessageBytes)
    out.put(7, varint: UInt64(retryAfterMilliseconds))
    out.put(8, varint: UInt64(event.rawValue))
    out.put(9, varint: UInt64(queuePosition))
    out.put(10, varint: queueMicroseconds)
    out.put(11, varint: computeMicroseconds)
    out.put(12, varint: cacheHitTokens)
    out.put(13, varint: UInt64(windowRequests))
    out.put(14, varint: windowBytes)
    out.put(15, varint: partialOffset)
    out.put(16, varint: costPromptTokens)
    out.put(17, varint: costNewTokens)
    out.put(18, fixed64: traceID)
  }

  /// Reads a frame. Fields that this version does not know are skipped.
  ///
  /// - Throws: `WireError` if the frame is not a response header or its event is unknown.
  package init(decoding frame: UnsafeRawBufferPointer) throws(WireError) {
    guard frame.count <= Limits.maxHeaderBytes else {
      throw WireError(
        .tooLarge, "header of \(frame.count) bytes, at most \(Limits.maxHeaderBytes) allowed")
    }
    self.init()
    var eventNumber: UInt64 = 0
    var reader = FieldReader(frame)
    while let (field, type) = try reader.next() {
      switch (field, type) {
      case (1, 2): stream = try reader.text(limit: Limits.maxStreamBytes)
      case (2, 0): seq = try reader.varint()
      case (3, 0): epoch = try reader.varint()
      case (4, 0): code = StatusCode(wire: try reader.varint())
      case (5, 2): message = try reader.text(limit: Limits.maxMessageBytes)
      case (6, 2): self.field = try reader.text(limit: Limits.maxMessageBytes)
      case (7, 0): retryAfterMilliseconds = UInt32(truncatingIfNeeded: try reader.varint())
      case (8, 0): eventNumber = try reader.varint()
      case (9, 0): queuePosition = UInt32(truncatingIfNeeded: try reader.varint())
      case (10, 0): queueMicroseconds = try reader.varint()
      case (11, 0): computeMicroseconds = try reader.varint()
      case (12, 0): cacheHitTokens = try reader.varint()
      case (13, 0): windowRequests = UInt32(truncatingIfNeeded: try reader.varint())
      case (14, 0): windowBytes = try reader.varint()
      case (15, 0): partialOffset = try reader.varint()
      case (16, 0): costPromptTokens = try reader.varint()
      case (17, 0): costNewTokens = try reader.varint()
      case (18, 1): traceID = try reader.fixed64()
      case (1...18, _): throw WireError(.malformed, "header field \(field) has wire type \(type)")
      default: try reader.skip(type)
      }
    }
    guard let event = Event(rawValue: UInt8(clamping: eventNumber)) else {
      throw WireError(.unknownEnum, "event \(eventNumber)", field: "event")
    }
    self.event = event
  }
}

extension StatusCode {
  /// A code from the wire; numbers that this build does not know read as `.unknown`.
  init(wire number: UInt64) {
    self = StatusCode(rawValue: UInt8(clamping: number)) ?? .unknown
  }
}
