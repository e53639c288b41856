import Checkpoints
import Dispatch
import Engine
import Logging
import RPC
import Tokenizers
import Wire

/// The service `Sampling`.
extension Handlers {
  func addSampling(to table: inout MethodTable) {
    handleInOrder(&table, .samplingSaveWeightsForSampler, SaveWeightsForSamplerRequest.self) {
      worker, request, context in
      let model = try worker.model(context.stream)
      return SaveWeightsForSamplerResponse(
        path: try worker.saveForSampler(
          model, request, seq: context.seq, tenant: context.tenant))
    }
    table.handle(
      .samplingCreateSamplingSession, CreateSamplingSessionRequest.self,
      CreateSamplingSessionResponse.self
    ) { request, context, reply in
      compute.submit { worker in
        let (records, log) = (worker.records, worker.log)
        Self.run(worker, context, reply) {
          try worker.createSamplingSession(request, context)
        } answer: { response, info in
          recordQueue.async {
            do {
              try records.write(SessionRecords.Sampler(response, request.source))
            } catch {
              // Sampling needs no record of it.
              log.info("\(context.stream) will not be listed: \(error)")
            }
            reply.finish(response, info: info)
          }
        }
      }
    }
    table.handle(.samplingSample, SampleRequest.self, SampleResponse.self) {
      request, context, reply in
      guard case .strings(let texts) = request.params.stop, !texts.isEmpty else {
        return decode(context, reply) { try $0.sample(request, nil, context, reply) }
      }
      // Beside the compute thread: there may be many.
      stopQueue.async {
        let stops = StopStrings(texts)
        decode(context, reply) { try $0.sample(request, stops, context, reply) }
      }
    }
    table.handle(
      .samplingComputeLogprobs, ComputeLogprobsRequest.self, ComputeLogprobsResponse.self
    ) { request, context, reply in
      decode(context, reply) { try $0.computeLogprobs(request, context, reply) }
    }
  }

  /// Queues a request on the compute thread; it ends when the decoder has its answer.
  private func decode<Response: WireMessage>(
    _ context: CallContext, _ reply: Reply<Response>,
    _ body: @escaping @Sendable (Worker) throws -> Void
  ) {
    compute.submit { worker in
      do {
        try Self.refuseIfUnwanted(context)
        try body(worker)
      } catch {
        reply.fail(.from(error))
      }
    }
  }
}

/// What a request samples from.
struct SamplingTarget {
  let base: LoadedBase
  let adapter: Adapter?
  /// Whose cached keys and values it may share.
  let cacheScope: String
}

extension SessionRecords.Sampler {
  fileprivate init(_ response: CreateSamplingSessionResponse, _ source: SamplingSource) {
    var path: String?
    if case .modelPath(let text) = source { path = text }
    self.init(response.samplingSessionID, baseModel: response.baseModel, modelPath: path)
  }
}

extension Worker {
  fileprivate func createSamplingSession(
    _ request: CreateSamplingSessionRequest, _ context: CallContext
  ) throws -> CreateSamplingSessionResponse {
    let base = try samplingTarget(request.source, tenant: String(context.tenant)).base
    samplingSessions[context.stream] = request.source
    return CreateSamplingSessionResponse(
      samplingSessionID: context.stream, baseModel: base.model.name,
      tokenizer: base.model.folder, maxContextLength: base.decoder.contextLength)
  }

  /// The base model and adapter that a source names; a snapshot is loaded on demand.
  fileprivate func samplingTarget(
    _ source: SamplingSource, tenant: String
  ) throws -> SamplingTarget {
    switch source {
    case .baseModel(let name):
      return SamplingTarget(base: try base(name), adapter: nil, cacheScope: "\(tenant)\u{0}base")
    case .modelPath(let text):
      let entry = try snapshot(text, tenant: tenant)
      return SamplingTarget(
        base: try base(entry.manifest.baseModel), adapter: entry.adapter,
        cacheScope: "\(tenant)\u{0}\(entry.number)")
    }
  }

  private func snapshot(_ text: String, tenant: String) throws -> SnapshotCache.Entry {
    let path = try CheckpointPath(text, field: "model_path")
    guard path.kind == .sampler else {
      throw RPCError(
        .invalidArgument,
        "\(text) is a training checkpoint; sample from a path of save_weights_for_sampler",
        field: "model_path")
    }
    if let identity = checkpoints.identity(path),
      let known = snapshots.current(text, identity: identity, now: CheckpointStore.now()),
      known.manifest.isReadable(by: tenant)
    {
      return known
    }
    let manifest = try checkpoints.verified(path, for: tenant, field: "model_path")
    let base = try base(manifest.baseModel)
    let adapter = try AdapterFiles.read(
      checkpoints.url(path), model: base.model, kernels: kernels, admit: admit("the snapshot"))
    return try keepSnapshot(adapter, manifest, path)
  }

  /// Holds the adapter of a checkpoint for sampling.
  @discardableResult
  func keepSnapshot(
    _ adapter: Adapter, _ manifest: CheckpointStore.Manifest, _ path: CheckpointPath
  ) throws -> SnapshotCache.Entry {
    guard let identity = checkpoints.identity(path) else {
      throw EngineError(.notFound, "the checkpoint \(path.text) was just removed", field: "path")
    }
    return snapshots.insert(
      path.text,
      SnapshotCache.Entry(adapter: adapter, manifest: manifest, identity: identity))
  }

  /// What a request samples from: what it says, or what its session was created with.
  private func samplingTarget(
    _ source: SamplingSource?, _ context: CallContext
  ) throws -> SamplingTarget {
    guard let source = source ?? samplingSessions[context.stream] else {
      throw RPCError(
        .notFound,
        "sampling session \(context.stream) is not known here and the request names no source")
    }
    return try samplingTarget(source, tenant: String(context.tenant))
  }

  fileprivate func sample(
    _ request: SampleRequest, _ stops: StopStrings?, _ context: CallContext,
    _ reply: Reply<SampleResponse>
  ) throws {
    let target = try samplingTarget(request.source, context)
    var generation = GenerationRequest(prompt: request.prompt.tokens, adapter: target.adapter)
    generation.cacheScope = target.cacheScope
    generation.sampleCount = request.numSamples
    generation.wantsPromptLogprobs = request.promptLogprobs
    if request.promptLogprobsLastN > 0 {
      generation.lastPromptLogprobs = request.promptLogprobsLastN
    }
    generation.promptTargets = try request.targetPromptLogprobs.map(PromptTargets.init)
    generation.topPromptLogprobs = request.topKPromptLogprobs
    generation.topSampleLogprobs = request.topKSampleLogprobs
    generation.wantsModelLogprobs = request.modelLogprobs
    let seed = request.params.seed ?? keyHash(context.stream, context.seq)
    generation.tenant = String(context.tenant)
    let room = target.base.decoder.contextLength - generation.prompt.count
    generation.parameters.maxTokens = request.params.maxTokens ?? max(room, 0)
    generation.parameters.seed = seed
    // What float32 cannot hold has the same meaning at its nearest: evenly, or the likeliest token.
    let temperature = min(Float(request.params.temperature), .greatestFiniteMagnitude)
    // The kernels know no subnormal numbers.
    generation.parameters.temperature =
      temperature < .leastNormalMagnitude ? 0 : temperature
    generation.parameters.topK = request.params.topK
    generation.parameters.topP = max(Float(request.params.topP), .leastNonzeroMagnitude)
    try target.base.setStops(request.params.stop, stops, &generation)
    generation.charge = try memory.admit(generation, extra: stops?.bytes ?? 0)
    let start = Monotonic.microseconds()
    var waiter = Decoder.Waiter(context: context) { result in
      let info = ReplyInfo.decoding(context, start, request.prompt.length, result)
      reply.complete(result.map { SampleResponse($0, request, seed: seed) }, info)
    }
    if context.flags.contains(.stream) {
      waiter.push = { pieces, offset in
        reply.partial(SampleResponse(pieces, seed: seed), offset: UInt64(offset))
      }
    }
    try target.base.decoder.add(generation, waiter)
  }

  fileprivate func computeLogprobs(
    _ request: ComputeLogprobsRequest, _ context: CallContext,
    _ reply: Reply<ComputeLogprobsResponse>
  ) throws {
    let target = try samplingTarget(request.source, context)
    var generation = GenerationRequest(prompt: request.prompt.tokens, adapter: target.adapter)
    generation.cacheScope = target.cacheScope
    generation.tenant = String(context.tenant)
    generation.wantsPromptLogprobs = true
    if request.promptLogprobsLastN > 0 {
      generation.lastPromptLogprobs = request.promptLogprobsLastN
    }
    generation.parameters.maxTokens = 0
    generation.charge = try memory.admit(generation)
    let start = Monotonic.microseconds()
    try target.base.decoder.add(
      generation,
      Decoder.Waiter(context: context) { result in
        let info = ReplyInfo.decoding(context, start, request.prompt.length, result)
        reply.complete(
          result.map { ComputeLogprobsResponse(logprobs: $0.promptTensor) }, info)
      })
  }
}

extension Reply {
  fileprivate func complete(_ result: Result<Response, RPCError>, _ info: ReplyInfo) {
    switch result {
    case .success(let response): finish(response, info: info)
    case .failure(let error): fail(error, info: info)
    }
  }
}

extension LoadedBase {
  /// Stop tokens and stop strings of a request; absent means the model's own end tokens.
  fileprivate func setStops(
    _ stop: SamplingParams.Stop, _ strings: StopStrings?, _ generation: inout GenerationRequest
  ) throws {
    switch stop {
    case .modelDefault: generation.parameters.stopTokens = endTokens
    case .tokens(let ids):
      let range = 0..<Int32(model.config.vocabularySize)
      if let index = ids.firstIndex(where: { !range.contains($0) }) {
        throw RPCError(
          .invalidArgument, "\(ids[index]) is no token of the model: there are \(range.upperBound)",
          field: "sampling_params.stop_tokens.ids[\(index)]")
      }
      generation.parameters.stopTokens = Set(ids)
    case .strings:
      guard let strings else { return }
      let tokenizer: Tokenizer
      do throws(TokenizerError) {
        tokenizer = try self.tokenizer.get()
      } catch {
        throw RPCError(
          .failedPrecondition,
          "the tokenizer of \(model.name) cannot be read, so stop strings cannot be found: "
            + error.message, field: "sampling_params.stop_strings")
      }
      let finder = StopFinder(strings, samples: generation.sampleCount)
      generation.shouldStop = { sample, tokens in
        guard let last = tokens.last else { return false }
        return finder.append(
          tokenizer.decodeBytes([last], skipSpecialTokens: false), sample: sample)
      }
    }
  }
}

extension ReplyInfo {
  fileprivate static func decoding(
    _ context: CallContext, _ start: UInt64, _ promptTokens: Int,
    _ result: Result<GenerationResult, RPCError>
  ) -> ReplyInfo {
    var info = ReplyInfo()
    info.queueMicroseconds = start - context.received
    info.computeMicroseconds = Monotonic.microseconds() - start
    info.costPromptTokens = UInt64(promptTokens)
    if case .success(let result) = result {
      info.costNewTokens = UInt64(result.sequences.reduce(0) { $0 + $1.tokens.count })
      info.cacheHitTokens = UInt64(result.cachedPromptTokens)
    }
    return info
  }
}

extension PromptTargets {
  fileprivate init(_ tensor: Tensor) throws {
    do {
      self.init(rowStarts: tensor.rowStarts, tokens: try tensor.storedInt32s())
    } catch {
      throw RPCError(
        .invalidArgument, error.reason, field: "target_prompt_logprobs", cause: error)
    }
  }
}

extension GenerationResult {
  /// float32 [prompt], NaN where there is none.
  fileprivate var promptTensor: Tensor { Tensor(promptLogprobs.map { $0 ?? .nan }) }
}

extension SampleResponse {
  /// What one step added.
  fileprivate init(_ pieces: [Decoder.Piece], seed: UInt64) {
    self.init(
      sequences: pieces.map {
        SampledSequence(
          index: $0.sample, stopReason: .none, tokens: [$0.token], logprobs: [$0.logprob])
      }, seed: seed)
  }

  fileprivate init(_ result: GenerationResult, _ request: SampleRequest, seed: UInt64) {
    let sequences = result.sequences.enumerated().map { index, sequence in
      SampledSequence(
        index: index, stopReason: sequence.stopReason == .stop ? .stop : .length,
        tokens: sequence.tokens, logprobs: sequence.logprobs,
        topK: request.topKSampleLogprobs > 0
          ? TopKLogprobs(sequence.top, k: request.topKSampleLogprobs) : nil,
        modelLogprobs: request.modelLogprobs ? sequence.modelLogprobs : nil)
    }
    self.init(
      sequences: sequences, seed: seed,
      promptLogprobs: request.promptLogprobs ? result.promptTensor : nil,
      topKPromptLogprobs: request.topKPromptLogprobs > 0
        ? TopKLogprobs(result.topPromptLogprobs, k: request.topKPromptLogprobs) : nil,
      targetPromptLogprobs: request.targetPromptLogprobs.map { targets in
        let flat = Tensor(result.targetLogprobs)
        return targets.sparse == nil ? flat.reshaped(targets.shape) ?? flat : flat
      })
  }
}

extension TopKLogprobs {
  /// Empty cells hold id 0 and -99999, as `tinker-api.md` section 4 has them.
  fileprivate init(_ rows: [[TokenLogprob]], k: Int) {
    var ids: [Int32] = []
    var values: [Float] = []
    for row in rows {
      for j in 0..<k {
        ids.append(j < row.count ? row[j].token : 0)
        values.append(j < row.count ? row[j].logprob : -99999)
      }
    }
    let shape = [rows.count, k]
    let (flatIDs, flatValues) = (Tensor(ids), Tensor(values))
    self.init(
      tokenIDs: flatIDs.reshaped(shape) ?? flatIDs,
      logprobs: flatValues.reshaped(shape) ?? flatValues)
  }
}
