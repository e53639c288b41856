/// How much work a request asks for, in tokens, read from its body: what clients say of it in their
/// headers is not believed.
///
/// The one look that a router takes into bodies. It reads where tokens are counted and steps over
/// all else, allocates nothing, and ends after `maximumFields` fields; a body that it cannot read
/// (its worker will refuse it) costs by its bytes. Nothing here can trap: sums saturate at
/// `Limits.maxCost`.
package struct CostPeek {
  /// Fields that it looks at at most, so that a body of many tiny fields costs the router nothing.
  static let maximumFields = 1 << 16

  private let attachment: (Int) -> Int?
  private var fields = 0

  /// The cost of a request in tokens, at least 1.
  /// - Parameters:
  ///   - bytes: of all frames.
  ///   - attachment: the size of an attachment by its index, nil if there is none.
  package static func cost(
    of method: Method, body: UnsafeRawBufferPointer, bytes: Int,
    attachment: (Int) -> Int?
  ) -> UInt64 {
    guard method.room != .control else { return 1 }
    return withoutActuallyEscaping(attachment) { attachment in
      var peek = CostPeek(attachment: attachment)
      do throws(WireError) {
        let cost = try peek.cost(of: method, body)
        return min(max(1, cost), Limits.maxCost)
      } catch {
        return min(max(1, UInt64(clamping: bytes / 4)), Limits.maxCost)
      }
    }
  }

  private init(attachment: @escaping (Int) -> Int?) { self.attachment = attachment }

  private mutating func cost(
    of method: Method, _ body: UnsafeRawBufferPointer
  ) throws(WireError) -> UInt64 {
    switch method {
    case .samplingSample: return try sample(body)
    case .samplingComputeLogprobs:
      return try sum(body) { (peek, tag, reader) throws(WireError) in
        tag == 1 << 3 | 2 ? try peek.input(try reader.block()) : nil
      }
    default:
      return try sum(body) { (peek, tag, reader) throws(WireError) in
        tag == 1 << 3 | 2 ? try peek.datum(try reader.block()) : nil
      }
    }
  }

  /// `SampleRequest`: the prompt once, and what each sequence may generate.
  private mutating func sample(_ body: UnsafeRawBufferPointer) throws(WireError) -> UInt64 {
    var (samples, newTokens) = (UInt64(1), UInt64(Limits.assumedNewTokens))
    let prompt = try sum(body) { (peek, tag, reader) throws(WireError) in
      switch tag {
      case 1 << 3 | 2: return try peek.input(try reader.block())
      case 2 << 3 | 0: samples = min(try reader.varint(), UInt64(Limits.maxSamples))
      case 3 << 3 | 2:
        _ = try peek.sum(try reader.block()) { (_, tag, reader) throws(WireError) in
          guard tag == 1 << 3 | 0 else { return nil }
          newTokens = min(try reader.varint(), UInt64(Limits.maxNewTokens))
          return 0
        }
      default: return nil
      }
      return 0
    }
    // Neither product nor sum reaches 2^63: both factors are bounded, and so is a prompt.
    return prompt + samples * newTokens
  }

  private mutating func datum(_ block: UnsafeRawBufferPointer) throws(WireError) -> UInt64 {
    try sum(block) { (peek, tag, reader) throws(WireError) in
      tag == 1 << 3 | 2 ? try peek.input(try reader.block()) : nil
    }
  }

  /// `ModelInput`: the tokens of its chunks.
  private mutating func input(_ block: UnsafeRawBufferPointer) throws(WireError) -> UInt64 {
    try sum(block) { (peek, tag, reader) throws(WireError) in
      guard tag == 1 << 3 | 2 else { return nil }
      return try peek.sum(try reader.block()) { (peek, tag, reader) throws(WireError) in
        tag == 1 << 3 | 2 ? try peek.text(try reader.block()) : nil
      }
    }
  }

  /// `EncodedText`: int32, here or in an attachment.
  private mutating func text(_ block: UnsafeRawBufferPointer) throws(WireError) -> UInt64 {
    try sum(block) { (peek, tag, reader) throws(WireError) in
      switch tag {
      case 1 << 3 | 2: return UInt64(try reader.block().count / 4)
      case 2 << 3 | 0:
        let index = Int(clamping: try reader.varint())
        guard let size = peek.attachment(index) else {
          throw WireError(.badAttachment, "no attachment \(index)")
        }
        return UInt64(size / 4)
      default: return nil
      }
    }
  }

  /// Adds up what `count` says of each field; nil is one to step over.
  private mutating func sum(
    _ block: UnsafeRawBufferPointer,
    _ count: (inout CostPeek, UInt32, inout FieldReader) throws(WireError) -> UInt64?
  ) throws(WireError) -> UInt64 {
    var total: UInt64 = 0
    var reader = FieldReader(block)
    while let tag = try reader.nextTag() {
      fields += 1
      guard fields <= Self.maximumFields else { throw WireError(.tooLarge, "too many fields") }
      if let more = try count(&self, tag, &reader) {
        total = min(total + min(more, Limits.maxCost), Limits.maxCost)
      } else {
        try reader.skip(UInt8(tag & 7))
      }
    }
    return total
  }
}
