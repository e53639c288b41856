/// Every limit of the wire, in one place. Decoders enforce them; over a limit a message is refused
/// with INVALID_ARGUMENT and the field's path. `Proto/README.md` repeats them for other clients.
package enum Limits {
  // MARK: Frames

  /// Bytes of a header frame.
  package static let maxHeaderBytes = 16 << 10
  /// Bytes of one body or attachment frame.
  package static let maxFrameBytes = 256 << 20
  /// Bytes of all frames of one message together.
  package static let maxMessageTotalBytes = 512 << 20
  /// Attachments of one message.
  package static let maxAttachments = 16 << 10

  /// Bytes of a header that a router has added a stream's name to.
  package static let maxForwardedHeaderBytes = maxHeaderBytes + 512

  // MARK: Header numbers

  /// The highest seq of a stream in order, and the highest `acked`: nobody gets there by counting,
  /// and what is added to it cannot overflow.
  package static let maxOrderedSeq: UInt64 = 1 << 48
  /// The most that one request counts in tokens.
  package static let maxCost: UInt64 = 1 << 40
  /// What a sequence to be sampled is taken to generate, where the request sets no `max_tokens`,
  /// until its answer tells.
  package static let assumedNewTokens = 4096

  // MARK: Header texts

  /// UTF-8 bytes of a stream's name.
  package static let maxStreamBytes = 256
  /// UTF-8 bytes of the client's name.
  package static let maxClientNameBytes = 128
  /// UTF-8 bytes of a session token.
  package static let maxTokenBytes = 1024
  /// UTF-8 bytes of a status message or a field path.
  package static let maxMessageBytes = 4096

  // MARK: Bodies

  /// Memory that unpacking may take: this many bytes, so that a small message of many small parts
  /// fits (the most datums with all tensors as attachments take more than 8 times their body) ...
  package static let arenaBaseBytes = 256 << 10
  /// ... and this many times the body's size.
  package static let arenaFactor = 8
  /// UTF-8 bytes of any text in a body.
  package static let maxTextBytes = 64 << 10
  /// Tensors up to this size travel inside of the body unless the encoder is told otherwise.
  package static let defaultInlineBytes = 1024
  /// Items of a list that has no limit of its own.
  package static let maxListItems = 16 << 10
  /// Pairs in a list of pairs.
  package static let maxPairs = 1024
  /// UTF-8 bytes of the keys and values of a request's user metadata together: lists of checkpoints,
  /// models and sessions tell it of each.
  package static let maxMetadataBytes = 256 << 10
  /// Numbers that one worker reports of itself.
  package static let maxWorkerStatistics = 128
  /// Streams that one worker can say it owns.
  package static let maxOwnedStreams = 1 << 16
  /// Numbers of a whole service in one answer of `Admin.Stats`.
  package static let maxStatistics = 16 << 10

  // MARK: Tensors

  /// Dimensions of a tensor.
  package static let maxRank = 4
  /// Elements that all sparse tensors of a message together may have when they are written out: so
  /// many, ...
  package static let denseBaseElements = 256 << 10
  /// ... and so many for each byte of the message, ...
  package static let denseFactor = 16
  /// ... but never more than this.
  package static let maxDenseElements = 1 << 26

  /// What sparse tensors of a message of `bytes` may be written out to.
  static func denseElements(messageBytes bytes: Int) -> Int {
    min(denseBaseElements + denseFactor * bytes, maxDenseElements)
  }

  // MARK: Requests

  /// Datums of one forward or forward_backward.
  package static let maxDatums = 1024
  /// Chunks of one model input.
  package static let maxChunks = 1024
  /// Tokens of one model input.
  package static let maxInputTokens = 1 << 20
  /// Sequences of one sample request.
  package static let maxSamples = 1024
  /// Tokens per sampled sequence.
  package static let maxNewTokens = 1 << 20
  /// The k of the top-k log-probs.
  package static let maxTopK = 64
  /// Cells of the tokens to score at positions of a prompt.
  package static let maxPromptTargets = 1 << 22
  /// Stop strings or stop tokens.
  package static let maxStops = 64
  /// UTF-8 bytes of all stop strings of a request together.
  package static let maxStopBytes = 16 << 10
  /// Rank of an adapter.
  package static let maxLoraRank = 512
  /// Bytes of a checkpoint's name.
  package static let maxNameBytes = 128
  /// Seconds that a checkpoint may be asked to live: about ten years.
  package static let maxTTLSeconds: UInt64 = 3660 * 86400
  /// Files of an exported or imported adapter or model.
  package static let maxFiles = 64
  /// Bytes of one piece of an exported model.
  package static let maxPieceBytes = 8 << 20

  /// Refuses a payload that is too large or has too many attachments.
  package static func check(_ payload: Payload) throws(WireError) {
    guard payload.attachments.count <= maxAttachments else {
      throw WireError(
        .tooLarge, "\(payload.attachments.count) attachments, at most \(maxAttachments) allowed")
    }
    for count in [payload.body.count] + payload.attachments.map(\.count)
    where count > maxFrameBytes {
      throw WireError(.tooLarge, "a frame of \(count) bytes, at most \(maxFrameBytes) allowed")
    }
    guard payload.byteCount <= maxMessageTotalBytes else {
      throw WireError(
        .tooLarge,
        "\(payload.byteCount) bytes in all frames, at most \(maxMessageTotalBytes) allowed")
    }
  }
}
