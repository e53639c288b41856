internal import Wire

/// What a model reads: pieces, one after the other.
public struct ModelInput: Sendable, Hashable, ExpressibleByArrayLiteral {
  /// One piece of the input.
  public enum Chunk: Sendable, Hashable {
    /// Token ids of text.
    case encodedText([Int32])
  }

  /// The pieces.
  public var chunks: [Chunk]

  /// An input from pieces.
  public init(chunks: [Chunk]) { self.chunks = chunks }

  /// An input of text only.
  public init(tokens: [Int32]) { chunks = [.encodedText(tokens)] }

  /// An input of text only.
  public init(arrayLiteral tokens: Int32...) { self.init(tokens: tokens) }

  /// Positions in all.
  public var length: Int { tokens.count }

  /// All token ids.
  public var tokens: [Int32] {
    chunks.flatMap { chunk in
      switch chunk {
      case .encodedText(let tokens): tokens
      }
    }
  }

  var wire: Wire.ModelInput {
    Wire.ModelInput(
      chunks: chunks.map { chunk in
        switch chunk {
        case .encodedText(let tokens): .encodedText(tokens)
        }
      })
  }
}
