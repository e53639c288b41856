/// Control messages between a router and its workers (`worker.proto`). Small and internal, so they
/// are coded like the headers, by hand.

/// What a worker can take at once, per class.
package struct WorkerRoom: Sendable, Equatable {
  package var trainingTokens: UInt64
  package var decodeTokens: UInt64
  package var controlRequests: UInt64

  /// Room for two full batches (the running one and the next) of 2,048 tokens, and 1,024 requests
  /// that are only counted.
  package init(
    trainingTokens: UInt64 = 4096, decodeTokens: UInt64 = 4096, controlRequests: UInt64 = 1024
  ) {
    self.trainingTokens = trainingTokens
    self.decodeTokens = decodeTokens
    self.controlRequests = controlRequests
  }
}

/// A stream with its owner's epoch and the seq that the owner runs next.
package struct OwnedStream: Sendable, Equatable {
  package var stream: String
  package var nextSeq: UInt64
  package var epoch: UInt64

  package init(stream: String, nextSeq: UInt64 = 0, epoch: UInt64 = 0) {
    self.stream = stream
    self.nextSeq = nextSeq
    self.epoch = epoch
  }
}

/// The registration of a worker.
package struct WorkerHello: Sendable, Equatable {
  package var protocolVersion = RequestHeader.currentVersion
  package var name: String
  package var incarnation: UInt64 = 0
  package var numericsVersion = ""
  package var precision = ""
  package var isKeeper = false
  package var room = WorkerRoom()
  package var streams: [OwnedStream] = []
  /// Base models that it was to serve and cannot, with the reasons.
  package var refusedModels: [String: String] = [:]

  package init(name: String) { self.name = name }
}

/// What a worker tells the router.
package enum WorkerMessage: Sendable, Equatable {
  case hello(WorkerHello)
  /// `stats` are numbers of the worker by name, at most `Limits.maxWorkerStatistics`.
  case heartbeat(
    progress: UInt64, outstanding: UInt64, room: WorkerRoom, stats: [String: Double] = [:])
  case opened(OwnedStream)
  /// `code` and `message` say why, if it was not on purpose.
  case closed(OwnedStream, code: StatusCode = .ok, message: String = "")
  case sessionEnded(String)
  case goodbye

  /// The second frame of the control message.
  package func encoded() -> [UInt8] {
    var out = FieldWriter(reserving: 64)
    switch self {
    case .hello(let hello): out.put(1, message: hello.write)
    case .heartbeat(let progress, let outstanding, let room, let stats):
      out.put(
        2,
        message: { inner in
          inner.put(1, varint: progress)
          inner.put(2, varint: outstanding)
          inner.put(3, message: room.write)
          for (name, value) in stats { inner.put(4, name: name, number: value) }
        })
    case .opened(let stream):
      out.put(
        3,
        message: { inner in
          inner.put(1, text: stream.stream)
          inner.put(2, varint: stream.epoch)
          inner.put(3, varint: stream.nextSeq)
        })
    case .closed(let stream, let code, let message):
      out.put(
        4,
        message: { inner in
          inner.put(1, text: stream.stream)
          inner.put(2, varint: stream.epoch)
          inner.put(3, varint: UInt64(code.rawValue))
          inner.put(4, text: message, limit: Limits.maxMessageBytes)
        })
    case .sessionEnded(let session): out.put(5, message: { $0.put(1, text: session) })
    case .goodbye: out.put(6, message: { _ in })
    }
    return out.bytes
  }

  /// Reads the second frame of a control message.
  /// - Throws: `WireError` if it is not one that this version knows.
  package init(decoding frame: UnsafeRawBufferPointer) throws(WireError) {
    let (kind, block) = try oneField(of: frame)
    var reader = FieldReader(block)
    switch kind {
    case 1: self = .hello(try WorkerHello(&reader))
    case 2:
      var numbers: (UInt64, UInt64) = (0, 0)
      var room = WorkerRoom()
      var stats: [String: Double] = [:]
      while let (field, type) = try reader.next() {
        switch (field, type) {
        case (1, 0): numbers.0 = try reader.varint()
        case (2, 0): numbers.1 = try reader.varint()
        case (3, 2): room = try WorkerRoom(reading: try reader.block())
        case (4, 2):
          let (name, value) = try namedNumber(in: try reader.block())
          stats[name] = value
          guard stats.count <= Limits.maxWorkerStatistics else {
            throw WireError(.tooLarge, "more than \(Limits.maxWorkerStatistics) statistics")
          }
        default: try reader.skip(type)
        }
      }
      self = .heartbeat(
        progress: numbers.0, outstanding: numbers.1, room: room, stats: stats)
    case 3: self = .opened(try namedStream(&reader))
    case 4:
      var stream = OwnedStream(stream: "")
      var reason = (code: StatusCode.ok, message: "")
      while let (field, type) = try reader.next() {
        switch (field, type) {
        case (1, 2): stream.stream = try reader.text(limit: Limits.maxStreamBytes)
        case (2, 0): stream.epoch = try reader.varint()
        case (3, 0):
          reason.code = UInt8(exactly: try reader.varint()).flatMap(StatusCode.init) ?? .unknown
        case (4, 2): reason.message = try reader.text(limit: Limits.maxMessageBytes)
        default: try reader.skip(type)
        }
      }
      self = .closed(stream, code: reason.code, message: reason.message)
    case 5: self = .sessionEnded(try namedStream(&reader).stream)
    case 6: self = .goodbye
    default: throw WireError(.unknownField, "worker message of kind \(kind)")
    }
  }
}

/// What the router tells a worker.
package enum RouterMessage: Sendable, Equatable {
  case welcome
  case registerAgain
  case heartbeat
  case open(stream: String, epoch: UInt64)
  case close(stream: String, epoch: UInt64)
  case cancel(stream: String, seq: UInt64)
  case sessionEnded(String)
  /// The worker may not take part, for this reason: it ends.
  case refused(String)
  /// Is this request with you? `epoch` is 0 for a stream whose requests are independent.
  case verify(stream: String, seq: UInt64, epoch: UInt64)

  /// The second frame of the control message.
  package func encoded() -> [UInt8] {
    var out = FieldWriter(reserving: 64)
    switch self {
    case .welcome: out.put(1, message: { _ in })
    case .registerAgain: out.put(2, message: { _ in })
    case .heartbeat: out.put(3, message: { _ in })
    case .open(let stream, let number): out.put(4, stream: stream, number: number)
    case .close(let stream, let number): out.put(5, stream: stream, number: number)
    case .cancel(let stream, let number): out.put(6, stream: stream, number: number)
    case .sessionEnded(let session): out.put(7, stream: session, number: 0)
    case .refused(let reason):
      out.put(8, message: { $0.put(1, text: reason, limit: Limits.maxMessageBytes) })
    case .verify(let stream, let seq, let epoch):
      out.put(
        9,
        message: { inner in
          inner.put(1, text: stream)
          inner.put(2, varint: epoch)
          inner.put(3, varint: seq)
        })
    }
    return out.bytes
  }

  /// Reads the second frame of a control message.
  /// - Throws: `WireError` if it is not one that this version knows.
  package init(decoding frame: UnsafeRawBufferPointer) throws(WireError) {
    let (kind, block) = try oneField(of: frame)
    var reader = FieldReader(block)
    switch kind {
    case 1: self = .welcome
    case 2: self = .registerAgain
    case 3: self = .heartbeat
    case 4, 5, 6, 7:
      let named = try namedStream(&reader)
      self =
        switch kind {
        case 4: .open(stream: named.stream, epoch: named.epoch)
        case 5: .close(stream: named.stream, epoch: named.epoch)
        case 6: .cancel(stream: named.stream, seq: named.epoch)
        default: .sessionEnded(named.stream)
        }
    case 8:
      var reason = ""
      while let (field, type) = try reader.next() {
        if field == 1, type == 2 {
          reason = try reader.text(limit: Limits.maxMessageBytes)
        } else {
          try reader.skip(type)
        }
      }
      self = .refused(reason)
    case 9:
      let named = try namedStream(&reader)
      self = .verify(stream: named.stream, seq: named.nextSeq, epoch: named.epoch)
    default: throw WireError(.unknownField, "router message of kind \(kind)")
    }
  }
}

// MARK: Parts

extension FieldWriter {
  /// Writes a message field, also when it is empty: a oneof member must be seen.
  fileprivate mutating func put(_ field: UInt32, message write: (inout FieldWriter) -> Void) {
    var inner = FieldWriter(reserving: 64)
    write(&inner)
    put(field, block: inner.bytes)
  }

  fileprivate mutating func put(_ field: UInt32, name: String, number: Double) {
    put(
      field,
      message: { inner in
        inner.put(1, text: name, limit: Limits.maxNameBytes)
        inner.put(2, fixed64: number.bitPattern)
      })
  }

  fileprivate mutating func put(_ field: UInt32, stream: String, number: UInt64) {
    put(
      field,
      message: { inner in
        inner.put(1, text: stream)
        inner.put(2, varint: number)
      })
  }
}

/// The kind of a message that is one oneof, and its member's bytes.
private func oneField(
  of frame: UnsafeRawBufferPointer
) throws(WireError) -> (UInt32, UnsafeRawBufferPointer) {
  var reader = FieldReader(frame)
  guard let (field, type) = try reader.next(), type == 2 else {
    throw WireError(.malformed, "control message without a kind")
  }
  return (field, try reader.block())
}

/// Reads (1: stream, 2: epoch or seq, 3: next seq), the fields of all messages about a stream.
private func namedStream(_ reader: inout FieldReader) throws(WireError) -> OwnedStream {
  var result = OwnedStream(stream: "")
  while let (field, type) = try reader.next() {
    switch (field, type) {
    case (1, 2): result.stream = try reader.text(limit: Limits.maxStreamBytes)
    case (2, 0): result.epoch = try reader.varint()
    case (3, 0): result.nextSeq = try reader.varint()
    default: try reader.skip(type)
    }
  }
  return result
}

/// Reads a `NamedNumber`.
private func namedNumber(
  in block: UnsafeRawBufferPointer
) throws(WireError) -> (name: String, value: Double) {
  var result = (name: "", value: 0.0)
  var reader = FieldReader(block)
  while let (field, type) = try reader.next() {
    switch (field, type) {
    case (1, 2): result.name = try reader.text(limit: Limits.maxNameBytes)
    case (2, 1): result.value = Double(bitPattern: try reader.fixed64())
    default: try reader.skip(type)
    }
  }
  return result
}

/// Reads a `TextPair`.
private func textPair(
  in block: UnsafeRawBufferPointer
) throws(WireError) -> (key: String, value: String) {
  var result = (key: "", value: "")
  var reader = FieldReader(block)
  while let (field, type) = try reader.next() {
    switch (field, type) {
    case (1, 2): result.key = try reader.text(limit: Limits.maxMessageBytes)
    case (2, 2): result.value = try reader.text(limit: Limits.maxMessageBytes)
    default: try reader.skip(type)
    }
  }
  return result
}

extension WorkerRoom {
  fileprivate func write(_ out: inout FieldWriter) {
    out.put(1, varint: trainingTokens)
    out.put(2, varint: decodeTokens)
    out.put(3, varint: controlRequests)
  }

  fileprivate init(reading block: UnsafeRawBufferPointer) throws(WireError) {
    self.init(trainingTokens: 0, decodeTokens: 0, controlRequests: 0)
    var reader = FieldReader(block)
    while let (field, type) = try reader.next() {
      switch (field, type) {
      case (1, 0): trainingTokens = try reader.varint()
      case (2, 0): decodeTokens = try reader.varint()
      case (3, 0): controlRequests = try reader.varint()
      default: try reader.skip(type)
      }
    }
  }
}

extension WorkerHello {
  fileprivate func write(_ out: inout FieldWriter) {
    out.put(1, varint: UInt64(protocolVersion))
    out.put(2, text: name)
    out.put(3, fixed64: incarnation)
    out.put(4, text: numericsVersion)
    out.put(5, text: precision)
    out.put(6, varint: isKeeper ? 1 : 0)
    out.put(7, message: room.write)
    for owned in streams {
      out.put(
        8,
        message: { inner in
          inner.put(1, text: owned.stream)
          inner.put(2, varint: owned.epoch)
          inner.put(3, varint: owned.nextSeq)
        })
    }
    for (name, reason) in refusedModels {
      out.put(
        9,
        message: { inner in
          inner.put(1, text: name, limit: Limits.maxMessageBytes)
          inner.put(2, text: reason, limit: Limits.maxMessageBytes)
        })
    }
  }

  fileprivate init(_ reader: inout FieldReader) throws(WireError) {
    self.init(name: "")
    protocolVersion = 0
    while let (field, type) = try reader.next() {
      switch (field, type) {
      case (1, 0): protocolVersion = UInt32(truncatingIfNeeded: try reader.varint())
      case (2, 2): name = try reader.text(limit: Limits.maxClientNameBytes)
      case (3, 1): incarnation = try reader.fixed64()
      case (4, 2): numericsVersion = try reader.text(limit: Limits.maxClientNameBytes)
      case (5, 2): precision = try reader.text(limit: Limits.maxClientNameBytes)
      case (6, 0): isKeeper = try reader.varint() != 0
      case (7, 2): room = try WorkerRoom(reading: try reader.block())
      case (8, 2):
        var inner = FieldReader(try reader.block())
        guard streams.count < Limits.maxOwnedStreams else {
          throw WireError(.tooLarge, "more than \(Limits.maxOwnedStreams) streams")
        }
        streams.append(try namedStream(&inner))
      case (9, 2):
        let (name, reason) = try textPair(in: try reader.block())
        refusedModels[name] = reason
        guard refusedModels.count <= Limits.maxPairs else {
          throw WireError(.tooLarge, "more than \(Limits.maxPairs) refused models")
        }
      default: try reader.skip(type)
      }
    }
  }
}
