internal import Wire

/// Samples from a base model or a saved adapter.
///
/// The weights are those of the moment they were saved, whatever is trained meanwhile.
public final class SamplingClient: Sendable {
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
  public func sample(
    _ prompt: ModelInput, numSamples: Int = 1, params: SamplingParams = SamplingParams(),
    includePromptLogprobs: Bool = false, topKPromptLogprobs: Int = 0, topKSampleLogprobs: Int = 0,
    promptLogprobsLastN: Int? = nil
  ) -> Pending<SampleResponse> {
    let request = SampleRequest(
      prompt: prompt.wire, numSamples: numSamples, params: params.wire,
      promptLogprobs: includePromptLogprobs, topKPromptLogprobs: topKPromptLogprobs,
      topKSampleLogprobs: topKSampleLogprobs, promptLogprobsLastN: promptLogprobsLastN ?? 0,
      source: source)
    let longest = params.maxTokens ?? max(0, maxContextLength - prompt.length)
    let answer = sender.sendForAnswer(
      .samplingSample, request, promptTokens: prompt.length,
      newTokens: max(0, numSamples).multipliedReportingOverflow(by: longest).partialValue)
    return Pending(from: answer) { answer in
      try SampleResponse(
        Wire.SampleResponse.decode(answer.payload), cacheHits: answer.cacheHitTokens)
    }
  }

  /// The log-prob of each token of a text; nil for the first, which follows nothing.
  public func computeLogprobs(_ prompt: ModelInput) -> Pending<[Float?]> {
    let answer = sender.sendForAnswer(
      .samplingComputeLogprobs,
      ComputeLogprobsRequest(prompt: prompt.wire, source: source), promptTokens: prompt.length)
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
