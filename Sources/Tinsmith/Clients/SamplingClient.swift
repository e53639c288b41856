internal import Wire

/// Samples from a base model or a saved adapter.
///
/// The weights are those of the moment they were saved, whatever is trained meanwhile.
public final class SamplingClient: Sendable {
  /// Id of the sampling session.
  public let samplingSessionID: String
  /// Name of the base model.
  public let baseModel: String
  /// Path of the adapter; nil if it is the base model as it is.
  public let modelPath: String?
  /// Name or folder of the tokenizer.
  public let tokenizer: String
  /// Most tokens of prompt and answer together.
  public let maxContextLength: Int

  private let sender: StreamSender
  /// Sent with every request, so that any worker can answer it.
  private let source: SamplingSource

  private init(
    _ sender: StreamSender, source: SamplingSource, _ response: CreateSamplingSessionResponse
  ) {
    self.sender = sender
    self.source = source
    samplingSessionID = response.samplingSessionID
    baseModel = response.baseModel
    tokenizer = response.tokenizer
    maxContextLength = response.maxContextLength
    modelPath =
      switch source {
      case .baseModel: nil
      case .modelPath(let path): path
      }
  }

  /// Draws sequences that continue a prompt.
  ///
  /// - Parameters:
  ///   - prompt: what comes before.
  ///   - numSamples: how many sequences.
  ///   - params: how they are drawn.
  ///   - includePromptLogprobs: return the log-prob of each prompt token as well.
  ///   - topKPromptLogprobs: the k most probable tokens at each prompt position; 0 for none.
  ///   - topKSampleLogprobs: the k most probable tokens at each sampled position; 0 for none.
  ///   - promptLogprobsLastN: only the last n prompt tokens need a log-prob; nil for all.
  ///   - targetPromptLogprobs: tokens to score in place of the prompt's, as integers (prompt length - 1,
  ///     k): cell (i, j) in place of prompt token i + 1. -1 asks for nothing, nor does a cell that a
  ///     sparse tensor does not hold.
  ///   - includeModelLogprobs: return the log-probs of sampled tokens in the model's own
  ///     distribution, too, where the temperature is not 1.
  public func sample(
    _ prompt: ModelInput, numSamples: Int = 1, params: SamplingParams = SamplingParams(),
    includePromptLogprobs: Bool = false, topKPromptLogprobs: Int = 0, topKSampleLogprobs: Int = 0,
    promptLogprobsLastN: Int? = nil, targetPromptLogprobs: TensorData? = nil,
    includeModelLogprobs: Bool = false
  ) -> Pending<SampleResponse> {
    let targets: Tensor?
    do throws(WireError) {
      targets = try targetPromptLogprobs?.wire()
    } catch {
      return Pending(failed: TinsmithError(error).inside("target_prompt_logprobs"))
    }
    return sample(
      SampleRequest(
        prompt: prompt.wire, numSamples: numSamples, params: params.wire,
        promptLogprobs: includePromptLogprobs, topKPromptLogprobs: topKPromptLogprobs,
        topKSampleLogprobs: topKSampleLogprobs, promptLogprobsLastN: promptLogprobsLastN ?? 0,
        targetPromptLogprobs: targets, modelLogprobs: includeModelLogprobs, source: source),
      targets: targetPromptLogprobs, onPartial: nil)
  }

  /// Draws sequences and hands out their tokens as they come.
  ///
  /// ```swift
  /// for try await piece in sampler.sampleStream(prompt, params: params) { show(piece.tokens) }
  /// ```
  ///
  /// - Parameters: as those of `sample`. The tokens are those that `sample` draws.
  public func sampleStream(
    _ prompt: ModelInput, numSamples: Int = 1, params: SamplingParams = SamplingParams()
  ) -> SampleStream {
    let (stream, continuation) = AsyncThrowingStream<SampledPiece, any Error>.makeStream()
    let collector = PieceCollector(continuation)
    let request = SampleRequest(
      prompt: prompt.wire, numSamples: numSamples, params: params.wire, source: source)
    let response = sample(request) { payload, offset in
      // A piece that cannot be read is like one that was lost.
      guard let piece = try? Wire.SampleResponse.decode(payload) else { return }
      collector.take(piece, offset: offset)
    }
    Task {
      do {
        collector.finish(try await response.value())
      } catch {
        collector.fail(error)
      }
    }
    continuation.onTermination = { reason in
      if case .cancelled = reason { response.cancel() }
    }
    return SampleStream(response, pieces: stream)
  }

  private func sample(
    _ request: SampleRequest, targets: TensorData? = nil,
    onPartial: (@Sendable (Payload, Int) -> Void)?
  ) -> Pending<SampleResponse> {
    let prompt = request.prompt.length
    let longest = request.params.maxTokens ?? max(0, maxContextLength - prompt)
    let answer = sender.sendForAnswer(
      .samplingSample, request, promptTokens: prompt,
      newTokens: max(0, request.numSamples).multipliedReportingOverflow(by: longest).partialValue,
      onPartial: onPartial)
    return Pending(from: answer) { answer in
      try SampleResponse(
        Wire.SampleResponse.decode(answer.payload), targets: targets,
        cacheHits: answer.cacheHitTokens)
    }
  }

  /// The log-prob of each token of a text in the model's own distribution; nil for the first, which follows
  /// nothing.
  ///
  /// - Parameter promptLogprobsLastN: give only those of the last n tokens, and nil before them.
  public func computeLogprobs(
    _ prompt: ModelInput, promptLogprobsLastN: Int? = nil
  ) -> Pending<[Float?]> {
    let answer = sender.sendForAnswer(
      .samplingComputeLogprobs,
      ComputeLogprobsRequest(
        prompt: prompt.wire, promptLogprobsLastN: promptLogprobsLastN ?? 0, source: source),
      promptTokens: prompt.length)
    return Pending(from: answer) { answer in
      try ComputeLogprobsResponse.decode(answer.payload).logprobs.optionalFloats()
    }
  }

  /// Opens a sampling session; its number is taken when this is called.
  static func create(_ source: SamplingSource, session: Session) -> Pending<SamplingClient> {
    let number = session.nextSampler()
    return Pending { try await open(source, number: number, session: session) }
  }

  /// Opens the sampling session of a number that was taken before.
  static func open(
    _ source: SamplingSource, number: Int, session: Session
  ) async throws -> SamplingClient {
    let sender = try await session.established().value().sender("sample:\(number)")
    let response = try await sender.send(
      .samplingCreateSamplingSession, CreateSamplingSessionRequest(source: source),
      as: CreateSamplingSessionResponse.self
    ).value()
    return SamplingClient(sender, source: source, response)
  }
}
