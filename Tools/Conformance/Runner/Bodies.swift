import Wire

/// Request messages from their readable form.
enum Bodies {
  /// The message of a method.
  ///
  /// - Throws: `Failure` for what this runner cannot write.
  static func message(_ method: Method, _ body: JSON) throws -> any WireMessage {
    switch method {
    case .sessionsCreate: CreateSessionRequest(sdkVersion: body["sdk_version"]?.text ?? "")
    case .sessionsHeartbeat: HeartbeatRequest()
    case .sessionsFinish: FinishSessionRequest(reason: try reason(body["reason"]))
    case .adminCapabilities: CapabilitiesRequest()
    case .adminPing, .adminWorkerPing:
      PingRequest(payload: Bytes(try hexBytes(body["payload"]?.text ?? "")))
    case .trainingCreateModel:
      CreateModelRequest(
        baseModel: body["base_model"]?.text ?? "", lora: body["lora"].map(lora),
        userMetadata: texts(body["user_metadata"]), fromPath: body["from_path"]?.text ?? "",
        fromOptimizer: body["from_optimizer"]?.truth ?? false)
    case .trainingForward, .trainingForwardBackward:
      ForwardBackwardRequest(
        data: try (body["data"]?.list ?? []).map(datum), lossFn: body["loss_fn"]?.text ?? "",
        lossFnConfig: (body["loss_fn_config"]?.members ?? [:]).mapValues {
          .number($0.number ?? .nan)
        })
    case .trainingOptimStep: OptimStepRequest(adam: adam(body["adam"]))
    case .trainingSaveState:
      SaveStateRequest(
        name: body["name"]?.text ?? "", overwrite: body["overwrite"]?.truth ?? false,
        userMetadata: texts(body["user_metadata"]))
    case .trainingLoadState:
      LoadStateRequest(
        path: body["path"]?.text ?? "", optimizer: body["optimizer"]?.truth ?? false)
    case .trainingUnload: UnloadRequest()
    case .trainingGetInfo: GetInfoRequest()
    case .samplingSaveWeightsForSampler:
      SaveWeightsForSamplerRequest(
        name: body["name"]?.text ?? "", ttlSeconds: body["ttl_seconds"]?.number.map { UInt64($0) })
    case .samplingCreateSamplingSession:
      CreateSamplingSessionRequest(source: try given(source(body), "source"))
    case .samplingSample:
      SampleRequest(
        prompt: try input(body["prompt"]), numSamples: integer(body["num_samples"]),
        params: params(body["sampling_params"]),
        promptLogprobs: body["prompt_logprobs"]?.truth ?? false,
        topKPromptLogprobs: integer(body["topk_prompt_logprobs"]),
        topKSampleLogprobs: integer(body["topk_sample_logprobs"]),
        targetPromptLogprobs: try body["target_prompt_logprobs"].map(tensor),
        modelLogprobs: body["model_logprobs"]?.truth ?? false, source: source(body))
    case .samplingComputeLogprobs:
      ComputeLogprobsRequest(
        prompt: try input(body["prompt"]),
        promptLogprobsLastN: integer(body["prompt_logprobs_last_n"]), source: source(body))
    case .checkpointsList: ListCheckpointsRequest(modelID: body["model_id"]?.text ?? "")
    case .checkpointsInfo, .checkpointsDelete, .checkpointsExport:
      CheckpointRequest(path: body["path"]?.text ?? "")
    case .checkpointsSetTTL:
      SetCheckpointTTLRequest(
        path: body["path"]?.text ?? "", ttlSeconds: body["ttl_seconds"]?.number.map { UInt64($0) })
    default: throw Failure("no body for \(method.fullName)")
    }
  }

  /// Bytes written as hex digits.
  static func hexBytes(_ text: String) throws -> [UInt8] {
    let digits = Array(text.utf8)
    return try stride(from: 0, to: digits.count, by: 2).map { at in
      let pair = String(decoding: digits[at..<min(at + 2, digits.count)], as: UTF8.self)
      return try given(UInt8(pair, radix: 16), "hex digits \(pair)")
    }
  }

  // MARK: Parts

  private static func given<Value>(_ value: Value?, _ what: String) throws -> Value {
    guard let value else { throw Failure("the scenario lacks \(what)") }
    return value
  }

  private static func integer(_ json: JSON?) -> Int { Int(json?.number ?? 0) }

  private static func texts(_ json: JSON?) -> [String: String] {
    (json?.members ?? [:]).mapValues { $0.text ?? "" }
  }

  private static func reason(_ json: JSON?) throws -> FinishReason {
    let reasons: [String: FinishReason] = [
      "SUCCESS": .success, "ERRORED": .errored, "INTERRUPTED": .interrupted,
    ]
    return try given(reasons[json?.text ?? ""], "a reason")
  }

  private static func lora(_ json: JSON) -> LoraConfig {
    LoraConfig(
      rank: integer(json["rank"]), alpha: json["alpha"]?.number ?? 32,
      seed: json["seed"]?.number.map { UInt64($0) })
  }

  private static func adam(_ json: JSON?) -> AdamParams {
    var adam = AdamParams()
    adam.learningRate = json?["learning_rate"]?.number ?? adam.learningRate
    adam.beta1 = json?["beta1"]?.number ?? adam.beta1
    adam.beta2 = json?["beta2"]?.number ?? adam.beta2
    adam.eps = json?["eps"]?.number ?? adam.eps
    adam.weightDecay = json?["weight_decay"]?.number ?? adam.weightDecay
    adam.gradClipNorm = json?["grad_clip_norm"]?.number ?? adam.gradClipNorm
    return adam
  }

  private static func source(_ body: JSON) -> SamplingSource? {
    if let name = body["base_model"]?.text { return .baseModel(name) }
    return body["model_path"]?.text.map { .modelPath($0) }
  }

  private static func params(_ json: JSON?) -> SamplingParams {
    var params = SamplingParams()
    params.maxTokens = json?["max_tokens"]?.number.map { Int($0) }
    params.seed = json?["seed"]?.number.map { UInt64($0) }
    params.temperature = json?["temperature"]?.number ?? params.temperature
    params.topK = json?["top_k"]?.number.map { Int($0) } ?? params.topK
    params.topP = json?["top_p"]?.number ?? params.topP
    if let texts = json?["stop_strings"]?.list { params.stop = .strings(texts.compactMap(\.text)) }
    if let tokens = json?["stop_tokens"]?.list {
      params.stop = .tokens(tokens.compactMap { $0.number.map { Int32($0) } })
    }
    return params
  }

  private static func input(_ json: JSON?) throws -> ModelInput {
    ModelInput(tokens: try given(json?.list, "tokens").map { Int32(integer($0)) })
  }

  private static func datum(_ json: JSON) throws -> Datum {
    Datum(
      modelInput: try input(json["model_input"]),
      lossFnInputs: try (json["loss_fn_inputs"]?.members ?? [:]).mapValues(tensor))
  }

  private static func tensor(_ json: JSON) throws -> Tensor {
    let shape = try given(json["shape"]?.list, "shape").map { integer($0) }
    let values = try given(json["values"]?.list, "values").map { $0.number ?? .nan }
    let dtype = try given(
      DType.allCases.first { $0.description == json["dtype"]?.text }, "dtype")
    let bytes = bytes(values, dtype)
    guard let rows = json["crow_indices"]?.list, let columns = json["col_indices"]?.list else {
      return try Tensor(dtype: dtype, shape: shape, bytes: bytes)
    }
    return try Tensor(
      dtype: dtype, shape: shape, rowStarts: rows.map { Int64(integer($0)) },
      columns: columns.map { Int64(integer($0)) }, cells: bytes)
  }

  private static func bytes(_ values: [Double], _ dtype: DType) -> Bytes {
    switch dtype {
    case .float32: little(values.map { Float($0).bitPattern })
    case .bfloat16: little(values.map { UInt16(truncatingIfNeeded: Float($0).bitPattern >> 16) })
    case .int32: little(values.map { Int32($0) })
    case .int64: little(values.map { Int64($0) })
    }
  }

  private static func little<Number: FixedWidthInteger & BitwiseCopyable>(
    _ numbers: [Number]
  ) -> Bytes {
    numbers.map(\.littleEndian).withUnsafeBytes { Bytes(copying: $0) }
  }
}
