internal import CProto

/// What to sample from.
package enum SamplingSource: Sendable, Equatable {
  /// A base model by name.
  case baseModel(String)
  /// A saved adapter: `tinsmith://<model>/sampler_weights/<name>`.
  case modelPath(String)
}

/// `Sampling.Sample`.
package struct SampleRequest: Sendable, Equatable {
  /// What comes before the sampled tokens.
  package var prompt: ModelInput
  /// Number of sequences, at least 1.
  package var numSamples: Int
  /// How they are drawn.
  package var params: SamplingParams
  /// Return the log-prob of each prompt token.
  package var promptLogprobs: Bool
  /// Return the k most probable tokens at each prompt position; 0 for none.
  package var topKPromptLogprobs: Int
  /// Return the k most probable tokens at each sampled position; 0 for none.
  package var topKSampleLogprobs: Int
  /// With `promptLogprobs`: only of the last n tokens, the others are NaN; 0 for all.
  package var promptLogprobsLastN: Int
  /// Tokens to score in place of the prompt's: integers (prompt length - 1, k), -1 for none.
  package var targetPromptLogprobs: Tensor?
  /// Return the log-probs of sampled tokens in the model's own distribution, too.
  package var modelLogprobs: Bool
  /// What to sample from; nil for what the stream's session names.
  package var source: SamplingSource?

  /// A request.
  package init(
    prompt: ModelInput, numSamples: Int = 1, params: SamplingParams = SamplingParams(),
    promptLogprobs: Bool = false, topKPromptLogprobs: Int = 0, topKSampleLogprobs: Int = 0,
    promptLogprobsLastN: Int = 0, targetPromptLogprobs: Tensor? = nil,
    modelLogprobs: Bool = false, source: SamplingSource? = nil
  ) {
    self.prompt = prompt
    self.numSamples = numSamples
    self.params = params
    self.promptLogprobs = promptLogprobs
    self.topKPromptLogprobs = topKPromptLogprobs
    self.topKSampleLogprobs = topKSampleLogprobs
    self.promptLogprobsLastN = promptLogprobsLastN
    self.targetPromptLogprobs = targetPromptLogprobs
    self.modelLogprobs = modelLogprobs
    self.source = source
  }
}

extension SampleRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__SampleRequest>?) {
    tinsmith__v1__sample_request__init(c)
  }

  init(_ c: Tinsmith__V1__SampleRequest, _ reader: Reader) throws(WireError) {
    prompt = try reader.required(c.prompt, "prompt")
    numSamples = try Check.range(c.num_samples, 1...Limits.maxSamples, "num_samples")
    params = try reader.optional(c.sampling_params, "sampling_params") ?? SamplingParams()
    promptLogprobs = c.prompt_logprobs != 0
    topKPromptLogprobs = try Check.range(
      c.topk_prompt_logprobs, 0...Limits.maxTopK, "topk_prompt_logprobs")
    topKSampleLogprobs = try Check.range(
      c.topk_sample_logprobs, 0...Limits.maxTopK, "topk_sample_logprobs")
    // More than the prompt has are all of it.
    promptLogprobsLastN = Int(c.prompt_logprobs_last_n)
    guard promptLogprobs || promptLogprobsLastN == 0 else {
      throw WireError(.outOfRange, "needs prompt_logprobs", field: "prompt_logprobs_last_n")
    }
    targetPromptLogprobs = try reader.optional(
      c.target_prompt_logprobs, "target_prompt_logprobs")
    if let targets = targetPromptLogprobs {
      do throws(WireError) {
        try Self.checkTargets(targets, prompt: prompt.length)
      } catch {
        throw error.inside("target_prompt_logprobs")
      }
    }
    modelLogprobs = c.model_logprobs != 0
    switch c.source_case {
    case TINSMITH__V1__SAMPLE_REQUEST__SOURCE_BASE_MODEL:
      source = .baseModel(try Check.present(reader.text(c.base_model), "base_model"))
    case TINSMITH__V1__SAMPLE_REQUEST__SOURCE_MODEL_PATH:
      source = .modelPath(try Check.present(reader.text(c.model_path), "model_path"))
    default:
      source = nil
    }
  }

  private static func checkTargets(_ tensor: Tensor, prompt: Int) throws(WireError) {
    guard tensor.dtype == .int64 || tensor.dtype == .int32 else {
      throw WireError(.outOfRange, "\(tensor.dtype), not int64", field: "dtype")
    }
    guard tensor.shape.count == 2, tensor.shape[0] == prompt - 1 else {
      throw WireError(
        .outOfRange,
        "\(tensor.shape), not [\(prompt - 1), k]: a row for each prompt token but the first",
        field: "shape")
    }
    guard tensor.storedCount <= Limits.maxPromptTargets else {
      throw WireError(
        .tooLarge, "\(tensor.storedCount) cells, at most \(Limits.maxPromptTargets) allowed")
    }
  }

  func fill(_ c: inout Tinsmith__V1__SampleRequest, _ writer: Writer) {
    c.prompt = writer.message(prompt)
    c.num_samples = UInt32(clamping: numSamples)
    c.sampling_params = writer.message(params)
    c.prompt_logprobs = promptLogprobs ? 1 : 0
    c.topk_prompt_logprobs = UInt32(clamping: topKPromptLogprobs)
    c.topk_sample_logprobs = UInt32(clamping: topKSampleLogprobs)
    c.prompt_logprobs_last_n = UInt32(clamping: promptLogprobsLastN)
    c.target_prompt_logprobs = writer.message(targetPromptLogprobs)
    c.model_logprobs = modelLogprobs ? 1 : 0
    switch source {
    case .baseModel(let name):
      c.source_case = TINSMITH__V1__SAMPLE_REQUEST__SOURCE_BASE_MODEL
      c.base_model = writer.text(name)
    case .modelPath(let path):
      c.source_case = TINSMITH__V1__SAMPLE_REQUEST__SOURCE_MODEL_PATH
      c.model_path = writer.text(path)
    case nil: break
    }
  }
}

/// `Sampling.ComputeLogprobs`.
package struct ComputeLogprobsRequest: Sendable, Equatable {
  /// The tokens to score.
  package var prompt: ModelInput
  /// Only of the last n tokens, the others are NaN; 0 for all.
  package var promptLogprobsLastN: Int
  /// What to score with; nil for what the stream's session names.
  package var source: SamplingSource?

  /// A request.
  package init(
    prompt: ModelInput, promptLogprobsLastN: Int = 0, source: SamplingSource? = nil
  ) {
    self.prompt = prompt
    self.promptLogprobsLastN = promptLogprobsLastN
    self.source = source
  }
}

extension ComputeLogprobsRequest: RequestRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ComputeLogprobsRequest>?) {
    tinsmith__v1__compute_logprobs_request__init(c)
  }

  init(_ c: Tinsmith__V1__ComputeLogprobsRequest, _ reader: Reader) throws(WireError) {
    prompt = try reader.required(c.prompt, "prompt")
    promptLogprobsLastN = try Check.range(
      c.prompt_logprobs_last_n, 0...Limits.maxInputTokens, "prompt_logprobs_last_n")
    switch c.source_case {
    case TINSMITH__V1__COMPUTE_LOGPROBS_REQUEST__SOURCE_BASE_MODEL:
      source = .baseModel(try Check.present(reader.text(c.base_model), "base_model"))
    case TINSMITH__V1__COMPUTE_LOGPROBS_REQUEST__SOURCE_MODEL_PATH:
      source = .modelPath(try Check.present(reader.text(c.model_path), "model_path"))
    default:
      source = nil
    }
  }

  func fill(_ c: inout Tinsmith__V1__ComputeLogprobsRequest, _ writer: Writer) {
    c.prompt = writer.message(prompt)
    c.prompt_logprobs_last_n = UInt32(clamping: promptLogprobsLastN)
    switch source {
    case .baseModel(let name):
      c.source_case = TINSMITH__V1__COMPUTE_LOGPROBS_REQUEST__SOURCE_BASE_MODEL
      c.base_model = writer.text(name)
    case .modelPath(let path):
      c.source_case = TINSMITH__V1__COMPUTE_LOGPROBS_REQUEST__SOURCE_MODEL_PATH
      c.model_path = writer.text(path)
    case nil: break
    }
  }
}

/// Answer of `Sampling.ComputeLogprobs`.
package struct ComputeLogprobsResponse: Sendable, Equatable {
  /// float32 (prompt length); the first is NaN.
  package var logprobs: Tensor

  /// An answer.
  package init(logprobs: Tensor) { self.logprobs = logprobs }
}

extension ComputeLogprobsResponse: ResponseRoot {
  static func initialise(_ c: UnsafeMutablePointer<Tinsmith__V1__ComputeLogprobsResponse>?) {
    tinsmith__v1__compute_logprobs_response__init(c)
  }

  init(_ c: Tinsmith__V1__ComputeLogprobsResponse, _ reader: Reader) throws(WireError) {
    logprobs = try reader.required(c.logprobs, "logprobs")
  }

  func fill(_ c: inout Tinsmith__V1__ComputeLogprobsResponse, _ writer: Writer) {
    c.logprobs = writer.message(logprobs)
  }
}
