internal import Synchronization
internal import Wire

/// Tokens that one step of decoding added to one sample.
public struct SampledPiece: Sendable, Hashable {
  /// Which of the samples, from 0.
  public var sample: Int
  /// The new tokens, at least one.
  public var tokens: [Int32]
  /// Their log-probs, as in `SampledSequence`.
  public var logprobs: [Float]
}

/// The tokens of a sample as they come, and the whole answer at the end.
///
/// Pieces of one sample come in order and make up its tokens exactly: what was lost on the way is
/// filled in from the answer. Ending the iteration early gives up the request.
public struct SampleStream: AsyncSequence, Sendable {
  /// The whole answer.
  public let response: Pending<SampleResponse>
  private let pieces: AsyncThrowingStream<SampledPiece, any Error>

  init(
    _ response: Pending<SampleResponse>, pieces: AsyncThrowingStream<SampledPiece, any Error>
  ) {
    self.response = response
    self.pieces = pieces
  }

  /// The pieces, once: a second iterator waits for what the first has not taken.
  public func makeAsyncIterator() -> AsyncThrowingStream<SampledPiece, any Error>.Iterator {
    pieces.makeAsyncIterator()
  }
}

/// Puts pieces of an answer, which may be missing or repeated, in order.
final class PieceCollector: Sendable {
  private let continuation: AsyncThrowingStream<SampledPiece, any Error>.Continuation
  /// Tokens handed on of each sample.
  private let delivered = Mutex<[Int: Int]>([:])

  init(_ continuation: AsyncThrowingStream<SampledPiece, any Error>.Continuation) {
    self.continuation = continuation
  }

  /// A piece arrived; `offset` tokens of its samples came before it.
  func take(_ response: Wire.SampleResponse, offset: Int) {
    delivered.withLock { delivered in
      for sequence in response.sequences {
        // After a lost piece the rest comes with the answer.
        guard delivered[sequence.index, default: 0] == offset, !sequence.tokens.isEmpty,
          sequence.logprobs.count == sequence.tokens.count
        else { continue }
        delivered[sequence.index] = offset + sequence.tokens.count
        continuation.yield(
          SampledPiece(
            sample: sequence.index, tokens: sequence.tokens, logprobs: sequence.logprobs))
      }
    }
  }

  /// The answer is there: what is missing, then the end.
  func finish(_ response: SampleResponse) {
    delivered.withLock { delivered in
      for (sample, sequence) in response.sequences.enumerated() {
        let count = delivered[sample, default: 0]
        guard count < sequence.tokens.count else { continue }
        delivered[sample] = sequence.tokens.count
        continuation.yield(
          SampledPiece(
            sample: sample, tokens: Array(sequence.tokens[count...]),
            logprobs: Array(sequence.logprobs[count...])))
      }
    }
    continuation.finish()
  }

  func fail(_ error: any Error) { continuation.finish(throwing: error) }
}
