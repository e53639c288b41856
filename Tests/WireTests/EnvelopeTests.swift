import TestSupport
import Testing

internal import CProto
@testable import Wire

@Suite struct EnvelopeTests {
  static func request(_ bytes: [UInt8]) throws(WireError) -> RequestHeader {
    try Bytes(bytes).withUnsafeBytes { buffer throws(WireError) in
      try RequestHeader(decoding: buffer)
    }
  }

  static func response(_ bytes: [UInt8]) throws(WireError) -> ResponseHeader {
    try Bytes(bytes).withUnsafeBytes { buffer throws(WireError) in
      try ResponseHeader(decoding: buffer)
    }
  }

  static func randomRequest(_ random: inout SplitMix) -> RequestHeader {
    var header = RequestHeader(
      method: random.pick(Method.allCases), stream: random.text(), seq: random.number(),
      acked: random.number(), clientName: random.text(), clientIncarnation: random.number(),
      sessionToken: random.text(), timeoutMilliseconds: UInt32(truncatingIfNeeded: random.number()),
      traceID: random.number(), costPromptTokens: random.number(), costNewTokens: random.number(),
      flags: .init(rawValue: UInt32(truncatingIfNeeded: random.number())))
    header.epoch = random.number()
    header.refusalCode = random.pick(StatusCode.allCases)
    header.refusalMessage = random.text()
    header.refusalField = random.text()
    return header
  }

  static func randomResponse(_ random: inout SplitMix) -> ResponseHeader {
    var header = ResponseHeader(
      stream: random.text(), seq: random.number(), epoch: random.number(),
      code: random.pick(StatusCode.allCases), message: random.text(), field: random.text(),
      retryAfterMilliseconds: UInt32(truncatingIfNeeded: random.number()),
      event: random.pick([.accepted, .partial, .final]), traceID: random.number())
    header.queuePosition = UInt32(truncatingIfNeeded: random.number())
    header.queueMicroseconds = random.number()
    header.computeMicroseconds = random.number()
    header.cacheHitTokens = random.number()
    header.windowRequests = UInt32(truncatingIfNeeded: random.number())
    header.windowBytes = random.number()
    header.partialOffset = random.number()
    header.costPromptTokens = random.number()
    header.costNewTokens = random.number()
    return header
  }

  @Test func requestHeaderRoundTripsAndAgreesWithProtobuf() throws {
    var random = SplitMix(seed: 1)
    for _ in 0..<500 {
      let header = Self.randomRequest(&random)
      let bytes = header.encoded()
      #expect(try Self.request(bytes) == header)
      // protobuf-c reads the same fields and, writing them again, the same bytes.
      let repacked = bytes.withUnsafeBufferPointer { buffer -> [UInt8]? in
        guard let c = tinsmith__v1__request_header__unpack(nil, buffer.count, buffer.baseAddress)
        else { return nil }
        defer { tinsmith__v1__request_header__free_unpacked(c, nil) }
        #expect(c.pointee.base.n_unknown_fields == 0)
        #expect(String(cString: c.pointee.stream) == header.stream)
        #expect(c.pointee.seq == header.seq && c.pointee.trace_id == header.traceID)
        var out = [UInt8](
          repeating: 0, count: tinsmith__v1__request_header__get_packed_size(c))
        tinsmith__v1__request_header__pack(c, &out)
        return out
      }
      #expect(repacked == bytes)
    }
  }

  @Test func responseHeaderRoundTripsAndAgreesWithProtobuf() throws {
    var random = SplitMix(seed: 2)
    for _ in 0..<500 {
      let header = Self.randomResponse(&random)
      let bytes = header.encoded()
      #expect(try Self.response(bytes) == header)
      let repacked = bytes.withUnsafeBufferPointer { buffer -> [UInt8]? in
        guard let c = tinsmith__v1__response_header__unpack(nil, buffer.count, buffer.baseAddress)
        else { return nil }
        defer { tinsmith__v1__response_header__free_unpacked(c, nil) }
        #expect(c.pointee.base.n_unknown_fields == 0)
        #expect(c.pointee.window_bytes == header.windowBytes)
        var out = [UInt8](
          repeating: 0, count: tinsmith__v1__response_header__get_packed_size(c))
        tinsmith__v1__response_header__pack(c, &out)
        return out
      }
      #expect(repacked == bytes)
    }
  }

  @Test func everyPrefixIsReadOrRefused() {
    var random = SplitMix(seed: 3)
    let request = Self.randomRequest(&random).encoded()
    for end in 0..<request.count { _ = try? Self.request(Array(request[..<end])) }
    let response = Self.randomResponse(&random).encoded()
    for end in 0..<response.count { _ = try? Self.response(Array(response[..<end])) }
    #expect(throws: WireError.self) { try Self.request([0x1a, 5, 0x61]) }
    #expect(throws: WireError.self) { try Self.request([0x39, 1, 2, 3]) }
    #expect(throws: WireError.self) { try Self.request([0x20, 0x80]) }
  }

  @Test(arguments: [
    [0x1a, 2, 0xc3, 0x28],  // not UTF-8
    [0x1a, 3, 0x61, 0, 0x62],  // NUL
    [0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],  // length of 2^64 - 1
    [0x20] + [UInt8](repeating: 0xff, count: 10),  // varint of 70 bits
    [0x18, 1],  // stream as a number
    [0x00, 1],  // field 0
    [0xfb, 0x07],  // a group
  ])
  func refuses(_ bytes: [UInt8]) {
    #expect(throws: WireError.self) { try Self.request(bytes) }
  }

  @Test func unknownFieldsAreSkippedAndUnknownMethodsKept() throws {
    var bytes = RequestHeader(method: .adminPing, seq: 3).encoded()
    bytes += [0xa0, 0x06, 1]  // field 100, varint
    bytes += [0xaa, 0x06, 2, 1, 2]  // field 101, bytes
    #expect(try Self.request(bytes).seq == 3)
    let unknown = try Self.request([0x10, 0xe7, 0x07])
    #expect(unknown.method == nil && unknown.methodNumber == 999)
    #expect(unknown.version == 0)
  }

  @Test func limitsOfTexts() throws {
    let long = String(repeating: "a", count: Limits.maxStreamBytes)
    #expect(
      try Self.request(RequestHeader(method: .adminPing, stream: long).encoded()).stream == long)
    let error = #expect(throws: WireError.self) {
      try Self.request(RequestHeader(method: .adminPing, stream: long + "a").encoded())
    }
    #expect(error?.code == .tooLarge)
    #expect(throws: WireError.self) {
      try Self.request([UInt8](repeating: 0, count: Limits.maxHeaderBytes + 1))
    }
  }

  @Test func longStatusMessagesAreCutAtACharacter() throws {
    let message = String(repeating: "é", count: Limits.maxMessageBytes)
    let header = ResponseHeader(stream: "s", seq: 1, code: .internal, message: message)
    let back = try Self.response(header.encoded())
    #expect(back.message.utf8.count <= Limits.maxMessageBytes)
    #expect(back.message.utf8.count >= Limits.maxMessageBytes - 1)
    #expect(back.message.allSatisfy { $0 == "é" })
  }

  @Test func unknownCodesAndEvents() throws {
    var body = FieldWriter(reserving: 0)
    body.put(4, varint: 200)
    body.put(8, varint: 3)
    #expect(try Self.response(body.bytes).code == .unknown)
    #expect(throws: WireError.self) { try Self.response([0x40, 9]) }
    #expect(throws: WireError.self) { try Self.response([]) }
  }
}

extension SplitMix {
  /// A number of any magnitude, often 0.
  mutating func number() -> UInt64 { next() % 4 == 0 ? 0 : next() >> (next() % 64) }

  /// A short text, often empty, often beyond ASCII.
  mutating func text() -> String {
    let letters = Array("aZ0:/é漢🙂")
    return String((0..<Int(next() % 20)).map { _ in pick(letters) })
  }
}
