package import Wire

/// One entry of a model's journal.
package enum JournalRecord: Sendable, Equatable {
  /// The first record of each segment.
  case opening(Opening)
  /// A request that takes a seq, as it was admitted.
  case request(Request)
  /// What a request led to. It may be shown to a client once it is durable.
  case outcome(Outcome)

  /// Who writes a segment, and what it continues.
  package struct Opening: Sendable, Equatable {
    /// The model's stream.
    package var stream = ""
    package var epoch: UInt64 = 0
    /// The seq of the first request whose record can be here.
    package var firstSeq: UInt64 = 0
    /// Replay gives the same bits only where both are the same.
    package var numericsVersion = ""
    package var instructionSet = ""
    /// The segment before this one, as far as it counts; nil for a model's first.
    package var predecessor: Seal?

    package init() {}
  }

  /// A segment up to a length: what a late writer appends behind it does not count.
  package struct Seal: Sendable, Equatable {
    package var segment: SegmentName
    package var length: UInt64
    /// CRC-32C of these bytes.
    package var checksum: UInt32
  }

  package struct Request: Sendable, Equatable {
    package var seq: UInt64 = 0
    /// The method's number on the wire.
    package var method: UInt32 = 0
    /// The header's flags.
    package var flags: UInt32 = 0
    package var tenant = ""
    /// SHA-256 of the payload, by which a repeat is told from another request under the same seq.
    package var digest: [UInt8] = []
    package var payload = Payload.empty

    package init() {}
  }

  package struct Outcome: Sendable, Equatable {
    package var seq: UInt64 = 0
    /// The status code; 0 is OK.
    package var code: UInt32 = 0
    package var message = ""
    package var field = ""
    /// Whether the request's body ran. Deadlines, cancels and refusals are not decided again.
    package var ran = false
    package var payload = Payload.empty
    /// Costs and timings of the answer's header, in the order of its fields.
    package var info: [UInt64] = []

    package init() {}
  }
}

// MARK: Coding, as protobuf fields

extension JournalRecord {
  package func encoded() -> [UInt8] {
    var out = FieldWriter(reserving: 256)
    switch self {
    case .opening(let opening): out.put(1, block: opening.encoded())
    case .request(let request): out.put(2, block: request.encoded())
    case .outcome(let outcome): out.put(3, block: outcome.encoded())
    }
    return out.bytes
  }

  /// The record that `encoded` made these bytes of; nil for other bytes.
  package init?(decoding bytes: [UInt8]) {
    let records = bytes.withUnsafeBytes { try? Self.decode($0) }
    guard let records, records.count == 1 else { return nil }
    self = records[0]
  }

  /// The records that stand one after another in `bytes`.
  /// - Throws: `WireError` for anything that this version does not write.
  static func decode(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> [JournalRecord] {
    var reader = FieldReader(bytes)
    var records: [JournalRecord] = []
    while let (field, type) = try reader.next() {
      guard type == 2 else { throw WireError(.malformed, "a record of wire type \(type)") }
      let block = try reader.block()
      switch field {
      case 1: records.append(.opening(try Opening(decoding: block)))
      case 2: records.append(.request(try Request(decoding: block)))
      case 3: records.append(.outcome(try Outcome(decoding: block)))
      default: throw WireError(.malformed, "a record of kind \(field)")
      }
    }
    return records
  }
}

extension JournalRecord.Opening {
  fileprivate func encoded() -> [UInt8] {
    var out = FieldWriter(reserving: 128)
    out.put(1, text: stream)
    out.put(2, varint: epoch)
    out.put(3, varint: firstSeq)
    out.put(4, text: numericsVersion)
    out.put(5, text: instructionSet)
    if let predecessor {
      out.put(6, varint: predecessor.segment.epoch)
      out.put(7, varint: predecessor.segment.index)
      out.put(8, varint: predecessor.length)
      out.put(9, varint: UInt64(predecessor.checksum))
    }
    return out.bytes
  }

  fileprivate init(decoding block: UnsafeRawBufferPointer) throws(WireError) {
    self.init()
    var reader = FieldReader(block)
    var seal = JournalRecord.Seal(segment: SegmentName(epoch: 0, index: 0), length: 0, checksum: 0)
    while let (field, type) = try reader.next() {
      switch (field, type) {
      case (1, 2): stream = try reader.text(limit: .max)
      case (2, 0): epoch = try reader.varint()
      case (3, 0): firstSeq = try reader.varint()
      case (4, 2): numericsVersion = try reader.text(limit: .max)
      case (5, 2): instructionSet = try reader.text(limit: .max)
      case (6, 0): seal.segment.epoch = try reader.varint()
      case (7, 0): seal.segment.index = try reader.varint()
      case (8, 0): seal.length = try reader.varint()
      case (9, 0): seal.checksum = UInt32(truncatingIfNeeded: try reader.varint())
      default: throw WireError(.malformed, "an opening with field \(field)")
      }
    }
    if seal.length > 0 { predecessor = seal }
  }
}

extension JournalRecord.Request {
  fileprivate func encoded() -> [UInt8] {
    var out = FieldWriter(reserving: payload.byteCount + 128)
    out.put(1, varint: seq)
    out.put(2, varint: UInt64(method))
    out.put(3, varint: UInt64(flags))
    out.put(4, text: tenant)
    out.put(5, block: digest)
    payload.write(to: &out, body: 6, attachments: 7)
    return out.bytes
  }

  fileprivate init(decoding block: UnsafeRawBufferPointer) throws(WireError) {
    self.init()
    var reader = FieldReader(block)
    while let (field, type) = try reader.next() {
      switch (field, type) {
      case (1, 0): seq = try reader.varint()
      case (2, 0): method = UInt32(truncatingIfNeeded: try reader.varint())
      case (3, 0): flags = UInt32(truncatingIfNeeded: try reader.varint())
      case (4, 2): tenant = try reader.text(limit: .max)
      case (5, 2): digest = [UInt8](try reader.block())
      case (6, 2): payload.body = Bytes(copying: try reader.block())
      case (7, 2): payload.attachments.append(Bytes(copying: try reader.block()))
      default: throw WireError(.malformed, "a request with field \(field)")
      }
    }
  }
}

extension JournalRecord.Outcome {
  fileprivate func encoded() -> [UInt8] {
    var out = FieldWriter(reserving: payload.byteCount + 128)
    out.put(1, varint: seq)
    out.put(2, varint: UInt64(code))
    out.put(3, text: message)
    out.put(4, text: field)
    out.put(5, varint: ran ? 1 : 0)
    payload.write(to: &out, body: 6, attachments: 7)
    // Zeros count: the place tells what a number is.
    for number in info { out.put(8, varint: number + 1) }
    return out.bytes
  }

  fileprivate init(decoding block: UnsafeRawBufferPointer) throws(WireError) {
    self.init()
    var reader = FieldReader(block)
    while let (field, type) = try reader.next() {
      switch (field, type) {
      case (1, 0): seq = try reader.varint()
      case (2, 0): code = UInt32(truncatingIfNeeded: try reader.varint())
      case (3, 2): message = try reader.text(limit: .max)
      case (4, 2): self.field = try reader.text(limit: .max)
      case (5, 0): ran = try reader.varint() != 0
      case (6, 2): payload.body = Bytes(copying: try reader.block())
      case (7, 2): payload.attachments.append(Bytes(copying: try reader.block()))
      case (8, 0): info.append(try reader.varint() &- 1)
      default: throw WireError(.malformed, "an outcome with field \(field)")
      }
    }
  }
}

extension Payload {
  fileprivate func write(to out: inout FieldWriter, body bodyField: UInt32, attachments: UInt32) {
    body.withUnsafeBytes { out.put(bodyField, block: [UInt8]($0)) }
    for attachment in self.attachments {
      attachment.withUnsafeBytes { out.put(attachments, block: [UInt8]($0)) }
    }
  }
}
