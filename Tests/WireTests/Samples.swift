import Testing

@testable import Wire

/// A message kind with an example, its type erased, for tests that go over all messages.
struct Sample: Sendable, CustomTestStringConvertible {
  let name: String
  let encode: @Sendable (_ inlineLimit: Int) -> Payload
  /// Decodes; true if the result equals the example.
  let decode: @Sendable (Payload) throws(WireError) -> Bool

  init<Message: WireMessage & Equatable>(_ message: Message) {
    name = "\(Message.self)"
    encode = { message.encode(inlineLimit: $0) }
    decode = { payload throws(WireError) in try Message.decode(payload) == message }
  }

  var testDescription: String { name }
}

/// Examples of every message, each field away from its default, and the emptiest ones.
enum Samples {
  static let lora = LoraConfig(
    rank: 8, alpha: 16.5, seed: 0, trainAttention: true, trainMLP: false, trainUnembed: true)
  static let shownLora = LoraConfig(
    rank: 8, alpha: 16.5, trainAttention: true, trainMLP: false, trainUnembed: true)
  static let info = ModelInfo(
    modelID: "s:train:0", baseModel: "tinsmith/mini", architecture: "Qwen3ForCausalLM",
    lora: shownLora, tokenizer: "mini", maxSequenceLength: 2048, step: 7,
    userMetadata: ["purpose": "tést", "": "empty key"])
  static let checkpoint = Checkpoint(
    path: "tinsmith://s:train:0/weights/a", kind: .training, modelID: "s:train:0", name: "a",
    baseModel: "tinsmith/mini", lora: shownLora, step: 3, sizeBytes: 1 << 40,
    createdUnixMilliseconds: 1_790_000_000_000, expiresUnixMilliseconds: 1, isPublished: true,
    userMetadata: ["k": "v"], modelUserMetadata: ["purpose": "tést"])

  static let session = SessionInfo(
    sessionID: "s", createdUnixMilliseconds: 1_790_000_000_000, displayName: "näme",
    tags: ["a", ""], userMetadata: ["k": "v"], projectID: "p", modelIDs: ["s:train:0"],
    samplingSessionIDs: ["s:sample:0", "s:sample:1"])
  static let run = RunInfo(
    modelID: "s:train:0", baseModel: "tinsmith/mini", lora: shownLora, userMetadata: ["k": "v"],
    createdUnixMilliseconds: 1, changedUnixMilliseconds: 2, lastCheckpoint: checkpoint,
    lastSamplerCheckpoint: checkpoint)

  static func vector(_ count: Int) -> [Float] { (0..<count).map { Float($0) * 0.5 - 1 } }

  static let sparse = try? Tensor(
    unchecked: .float32, shape: [3, 5],
    storage: .sparse(
      SparseRows(
        rowStarts: [0, 2, 2, 3], columns: [1, 4, 0],
        values: Bytes(numbers: [Float(1), 2, 3].map(\.bitPattern)), dtype: .float32, shape: [3, 5]))
  )

  static func datum(_ tokens: Int) -> Datum {
    Datum(
      modelInput: ModelInput(chunks: [
        .encodedText((0..<Int32(tokens)).map { $0 * 3 }), .encodedText([]), .encodedText([-1]),
      ]),
      lossFnInputs: [
        "target_tokens": Tensor((0...Int64(tokens)).map { $0 * $0 }),
        "weights": Tensor(vector(tokens + 1)), "sparse": sparse ?? Tensor([Float]()),
        "scalar": Tensor([Float.nan]).reshaped([]) ?? Tensor([Float]()),
      ])
  }

  static let topK = TopKLogprobs(
    tokenIDs: Tensor([Int32](0..<6)).reshaped([3, 2]) ?? Tensor([Int32]()),
    logprobs: Tensor(vector(6)).reshaped([3, 2]) ?? Tensor([Float]()))

  static let files = [
    CheckpointFile(name: "adapter_config.json", content: Bytes([0, 1, 2])),
    CheckpointFile(name: "empty", content: .empty),
  ]

  static let training: [Sample] = [
    Sample(
      CreateModelRequest(
        baseModel: "tinsmith/mini", lora: lora, userMetadata: ["a": "b"],
        fromPath: "tinsmith://m/weights/a", fromOptimizer: true)),
    Sample(CreateModelRequest(fromPath: "tinsmith://m/weights/a")),
    Sample(CreateModelResponse(modelID: "s:train:0", info: info)),
    Sample(info), Sample(GetInfoRequest()), Sample(UnloadRequest()), Sample(UnloadResponse()),
    Sample(
      ForwardBackwardRequest(
        data: [datum(300), datum(1), datum(40)], lossFn: "ppo",
        lossFnConfig: ["clip_low_threshold": .number(0.8), "kind": .text("x"), "zero": .number(0)])),
    Sample(
      ForwardBackwardResponse(
        lossFnOutputs: [["logprobs": Tensor(vector(300))], [:]],
        metrics: ["loss:sum": -1.25, "kl:mean": .infinity])),
    Sample(
      OptimStepRequest(
        adam: AdamParams(
          learningRate: 0, beta1: 0, beta2: 0.5, eps: 0, weightDecay: 0.1, gradClipNorm: 1))),
    Sample(OptimStepResponse(metrics: ["unclipped_grad_l2:mean": 3])),
    Sample(
      SaveStateRequest(
        name: "step-1.a_B", ttlSeconds: 60, overwrite: true, userMetadata: ["a": ""],
        includeGradients: true, keepLast: 3)),
    Sample(SaveStateResponse(path: "tinsmith://m/weights/a")),
    Sample(LoadStateRequest(path: "tinsmith://m/weights/a", optimizer: true)),
    Sample(LoadStateResponse()),
  ]

  static let sampling: [Sample] = [
    Sample(
      SaveWeightsForSamplerRequest(
        name: "a", ttlSeconds: 5, userMetadata: ["a": "b"], overwrite: true, keepLast: 1)),
    Sample(SaveWeightsForSamplerRequest()),
    Sample(SaveWeightsForSamplerResponse(path: "tinsmith://m/sampler_weights/a")),
    Sample(CreateSamplingSessionRequest(source: .baseModel("tinsmith/mini"))),
    Sample(CreateSamplingSessionRequest(source: .modelPath("tinsmith://m/sampler_weights/a"))),
    Sample(
      CreateSamplingSessionResponse(
        samplingSessionID: "s:sample:1", baseModel: "b", tokenizer: "t", maxContextLength: 9)),
    Sample(
      SampleRequest(
        prompt: ModelInput(tokens: [1, 2, 3]), numSamples: 4,
        params: SamplingParams(
          maxTokens: 17, seed: 0, stop: .strings(["\n", "ende"]), temperature: 0, topK: 5,
          topP: 0.5),
        promptLogprobs: true, topKPromptLogprobs: 2, topKSampleLogprobs: 3,
        promptLogprobsLastN: 1,
        targetPromptLogprobs: Tensor([Int64(5), -1, 7, 8]).reshaped([2, 2]),
        modelLogprobs: true, source: .modelPath("p"))),
    Sample(
      SampleRequest(
        prompt: ModelInput(tokens: [1]), params: SamplingParams(stop: .tokens([3, -1])),
        source: .baseModel("b"))),
    Sample(
      SampleRequest(prompt: ModelInput(tokens: [1]), params: SamplingParams(stop: .tokens([])))),
    Sample(
      SampleRequest(prompt: ModelInput(tokens: [1]), params: SamplingParams(stop: .strings([])))),
    Sample(
      SampleResponse(
        sequences: [
          SampledSequence(
            index: 0, stopReason: .length, tokens: [4, 5, 6], logprobs: [-1, -2, -3], topK: topK,
            modelLogprobs: [-0.5, -1, -2]),
          SampledSequence(index: 1, stopReason: .none, tokens: [], logprobs: []),
        ],
        seed: .max, promptLogprobs: Tensor([.nan, -0.5]), topKPromptLogprobs: topK,
        targetPromptLogprobs: Tensor([Float(-1), 0, -2, -3]).reshaped([2, 2]))),
    Sample(
      ComputeLogprobsRequest(
        prompt: ModelInput(tokens: [9]), promptLogprobsLastN: 3, source: .baseModel("b"))),
    Sample(ComputeLogprobsResponse(logprobs: Tensor([.nan, -0.25]))),
  ]

  static let service: [Sample] = [
    Sample(
      CreateSessionRequest(
        apiKey: "key", displayName: "näme", tags: ["a", ""], userMetadata: ["k": "v"],
        sdkVersion: "1", projectID: "p")),
    Sample(
      CreateSessionResponse(
        sessionID: "s", token: "t", leaseSeconds: 60, heartbeatSeconds: 10, infoMessage: "i",
        warningMessage: "w")),
    Sample(HeartbeatRequest()), Sample(HeartbeatResponse(leaseSeconds: 60)),
    Sample(FinishSessionRequest(reason: .errored, detail: "d")), Sample(FinishSessionResponse()),
    Sample(ListSessionsRequest(limit: 5, pageToken: "x")), Sample(session),
    Sample(ListSessionsResponse(sessions: [session, session], nextPageToken: "n")),
    Sample(SessionInfoRequest(sessionID: "s")),
    Sample(SamplerRequest(samplingSessionID: "s:sample:0")),
    Sample(
      SamplerInfo(
        samplingSessionID: "s:sample:0", baseModel: "b", modelPath: "p",
        createdUnixMilliseconds: 1)),
    Sample(ListRunsRequest(limit: 5, pageToken: "x")), Sample(run),
    Sample(ListRunsResponse(runs: [run, run], nextPageToken: "n")),
    Sample(RunRequest(modelID: "s:train:0")),
    Sample(checkpoint), Sample(CheckpointRequest(path: "p")), Sample(DeleteCheckpointResponse()),
    Sample(SetCheckpointTTLRequest(path: "p", ttlSeconds: 9)),
    Sample(SetCheckpointTTLRequest(path: "p", ttlSeconds: nil)),
    Sample(ListCheckpointsRequest(modelID: "m", limit: 5, pageToken: "x")),
    Sample(ListCheckpointsResponse(checkpoints: [checkpoint, checkpoint], nextPageToken: "n")),
    Sample(ExportCheckpointResponse(files: files)),
    Sample(
      ImportCheckpointRequest(
        name: "a", kind: .sampler, baseModel: "b", files: files, userMetadata: ["k": "v"])),
    Sample(CopyCheckpointRequest(path: "p", name: "n", ttlSeconds: 5)),
    Sample(CopyCheckpointRequest(path: "p")),
    Sample(
      ExportMergedResponse(
        exportID: "e", files: [ExportedFile(name: "f", sizeBytes: 1 << 40, sha256: "00ff")])),
    Sample(ReadExportRequest(exportID: "e", file: "f", offset: 1 << 40, length: 8 << 20)),
    Sample(ReadExportResponse(content: Bytes([UInt8](repeating: 7, count: 2000)))),
    Sample(AwaitFutureRequest()), Sample(CancelFutureRequest()),
    Sample(CancelFutureResponse(isCancelled: true)),
    Sample(CapabilitiesRequest()),
    Sample(
      CapabilitiesResponse(
        serviceVersion: "1", protocolVersions: [1, 300],
        models: [
          BaseModel(
            name: "n", maxContextLength: 1, tokenizer: "t", architecture: "a", parameters: 1 << 33,
            precision: "f32", numericsVersion: "1", vocabularySize: 4096, isTrainable: false,
            warnings: ["w"])
        ], lossFns: ["ppo"], refusedModels: ["m": "why"])),
    Sample(HealthRequest()),
    Sample(
      HealthResponse(
        status: .degraded, workersAlive: 1, workersExpected: 2, uptimeMilliseconds: 3,
        refusedModels: ["m": "why"])),
    Sample(StatsRequest()), Sample(StatsResponse(values: ["requests": 1e9, "": 0])),
    Sample(PingRequest()), Sample(PingRequest(payload: Bytes([UInt8](repeating: 7, count: 2000)))),
    Sample(PingResponse(payload: Bytes([0]))),
  ]

  static let all = training + sampling + service
}
