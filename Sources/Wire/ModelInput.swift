internal import CProto

/// Input of a model: chunks, one after the other.
package struct ModelInput: Sendable, Equatable {
  /// One piece of the input. Images and audio are in the schema; decoding refuses them by name.
  package enum Chunk: Sendable, Equatable {
    /// Token ids; whether they are in the vocabulary is for the receiver to check.
    case encodedText([Int32])

    /// Positions that the chunk takes.
    package var length: Int {
      switch self {
      case .encodedText(let tokens): tokens.count
      }
    }
  }

  /// The pieces.
  package var chunks: [Chunk]

  /// An input from pieces.
  package init(chunks: [Chunk]) { self.chunks = chunks }

  /// An input of one piece of text.
  package init(tokens: [Int32]) { chunks = [.encodedText(tokens)] }

  /// Positions in all.
  package var length: Int { chunks.reduce(0) { $0 + $1.length } }

  /// All token ids.
  package var tokens: [Int32] {
    chunks.flatMap { chunk in
      switch chunk {
      case .encodedText(let tokens): tokens
      }
    }
  }
}

extension ModelInput: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ModelInput>?) {
    tinsmith__v1__model_input__init(c)
  }

  init(_ c: Tinsmith__V1__ModelInput, _ reader: Reader) throws(WireError) {
    chunks = try reader.list(c.chunks, c.n_chunks, "chunks", limit: Limits.maxChunks)
    guard length > 0 else {
      throw WireError(.missing, "needs at least one token", field: "chunks")
    }
    guard length <= Limits.maxInputTokens else {
      throw WireError(
        .tooLarge, "\(length) tokens, at most \(Limits.maxInputTokens) allowed", field: "chunks")
    }
  }

  func fill(_ c: inout Tinsmith__V1__ModelInput, _ writer: Writer) {
    writer.list(chunks, &c.n_chunks, &c.chunks)
  }
}

extension ModelInput.Chunk: Coded {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__Chunk>?) {
    tinsmith__v1__chunk__init(c)
  }

  init(_ c: Tinsmith__V1__Chunk, _ reader: Reader) throws(WireError) {
    switch c.kind_case {
    case TINSMITH__V1__CHUNK__KIND_ENCODED_TEXT:
      let text: EncodedText = try reader.required(c.encoded_text, "encoded_text")
      self = .encodedText(text.tokens)
    case TINSMITH__V1__CHUNK__KIND_IMAGE:
      throw WireError(.unsupported, "image chunks are not supported", field: "image")
    case TINSMITH__V1__CHUNK__KIND_AUDIO:
      throw WireError(.unsupported, "audio chunks are not supported", field: "audio")
    default:
      throw WireError(.missing, "a chunk without content")
    }
  }

  func fill(_ c: inout Tinsmith__V1__Chunk, _ writer: Writer) {
    switch self {
    case .encodedText(let tokens):
      c.kind_case = TINSMITH__V1__CHUNK__KIND_ENCODED_TEXT
      c.encoded_text = writer.message(EncodedText(tokens: tokens))
    }
  }
}

private struct EncodedText: Coded {
  var tokens: [Int32]

  init(tokens: [Int32]) { self.tokens = tokens }

  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__EncodedText>?) {
    tinsmith__v1__encoded_text__init(c)
  }

  init(_ c: Tinsmith__V1__EncodedText, _ reader: Reader) throws(WireError) {
    let bytes =
      switch c.tokens_case {
      case TINSMITH__V1__ENCODED_TEXT__TOKENS_ATTACHMENT: try reader.attachment(c.attachment)
      case TINSMITH__V1__ENCODED_TEXT__TOKENS_RAW: reader.bytes(c.raw)
      default: Bytes.empty
      }
    guard bytes.count % 4 == 0 else {
      throw WireError(.badAttachment, "\(bytes.count) bytes are not int32 tokens", field: "tokens")
    }
    tokens = bytes.numbers(Int32.self)
  }

  func fill(_ c: inout Tinsmith__V1__EncodedText, _ writer: Writer) {
    let bytes = Bytes(numbers: tokens)
    if let index = writer.attach(bytes) {
      c.tokens_case = TINSMITH__V1__ENCODED_TEXT__TOKENS_ATTACHMENT
      c.attachment = index
    } else {
      c.tokens_case = TINSMITH__V1__ENCODED_TEXT__TOKENS_RAW
      c.raw = writer.data(bytes)
    }
  }
}
