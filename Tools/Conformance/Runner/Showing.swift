import Wire

/// Prints what `show` of a `final` step lists.
extension Runner {
  func show(_ item: String, _ request: Request, _ reply: Connection.Reply) throws {
    let parts = item.split(separator: ":", maxSplits: 1).map(String.init)
    let (what, detail) = (parts[0], parts.count > 1 ? parts[1] : "")
    let (name, payload) = (request.name, reply.payload)
    switch what {
    case "status":
      let field = reply.header.field
      lines.line("status", name, reply.header.code.description, field.isEmpty ? "-" : field)
    case "same":
      lines.line("same", name, detail, remembered[detail] == payload ? "yes" : "no")
    case "loss":
      lines.line("loss", name, Lines.bits(try metric("loss:sum", request, payload)))
    case "metric":
      lines.line("metric", name, detail, Lines.bits(try metric(detail, request, payload)))
    case "logprobs":
      lines.line("logprobs", name, Lines.sha256(try logprobs(request, payload).map(bytes)))
    case "value":
      lines.line("value", name, detail, hidden(try value(detail, request, payload)))
    case "payload":
      lines.line("payload", name, Lines.hex(try PingResponse.decode(payload).payload.array))
    case "numerics":
      let models = try CapabilitiesResponse.decode(payload).models
      guard let base = models.first(where: { $0.name == detail }) else {
        throw Failure("\(detail) is not served")
      }
      lines.line("numerics", name, detail, base.numericsVersion, base.precision)
    case "list":
      for checkpoint in try ListCheckpointsResponse.decode(payload).checkpoints {
        lines.line("checkpoint", name, hidden(checkpoint.path))
      }
    case "file":
      let files = try ExportCheckpointResponse.decode(payload).files
      guard let file = files.first(where: { $0.name == detail }) else {
        throw Failure("\(detail) was not exported")
      }
      lines.line("file", name, detail, Lines.sha256([file.content]))
    default: try showSample(what, request, try SampleResponse.decode(payload))
    }
  }

  private func showSample(_ what: String, _ request: Request, _ answer: SampleResponse) throws {
    let name = request.name
    switch what {
    case "samples":
      for sequence in answer.sequences {
        let tokens = sequence.tokens.map(String.init).joined(separator: ",")
        let reason = sequence.stopReason == .stop ? "stop" : "length"
        lines.line("sample", name, "\(sequence.index)", reason, tokens.isEmpty ? "-" : tokens)
        let hash = Lines.sha256([try bytes(Tensor(sequence.logprobs))])
        lines.line("sample_logprobs", name, "\(sequence.index)", hash)
      }
    case "model_logprobs":
      let tensors = answer.sequences.compactMap(\.modelLogprobs).map { Tensor($0) }
      lines.line(what, name, Lines.sha256(try tensors.map(bytes)))
    case "seed": lines.line("seed", name, "\(answer.seed)")
    case "prompt_logprobs":
      let tensors = [answer.promptLogprobs].compactMap(\.self)
      lines.line(what, name, Lines.sha256(try tensors.map(bytes)))
    case "target_logprobs":
      let tensors = [answer.targetPromptLogprobs].compactMap(\.self)
      lines.line(what, name, Lines.sha256(try tensors.map(bytes)))
    case "topk":
      let tables = [answer.topKPromptLogprobs] + answer.sequences.map(\.topK)
      let tensors = tables.compactMap(\.self).flatMap { [$0.tokenIDs, $0.logprobs] }
      lines.line("topk", name, Lines.sha256(try tensors.map(bytes)))
    case "pieces":
      lines.line("pieces", name, try piecesFit(request, answer) ? "yes" : "no")
    default: throw Failure("cannot show \(what)")
    }
  }

  private func piecesFit(_ request: Request, _ answer: SampleResponse) throws -> Bool {
    let pieces = partials[request.key] ?? []
    for piece in pieces {
      let offset = Int(piece.header.partialOffset)
      for part in try SampleResponse.decode(piece.payload).sequences {
        let whole = answer.sequences.first { $0.index == part.index }?.tokens ?? []
        guard !part.tokens.isEmpty, whole.dropFirst(offset).starts(with: part.tokens) else {
          return false
        }
      }
    }
    return !pieces.isEmpty
  }

  // MARK: Parts of answers

  private func metric(_ name: String, _ request: Request, _ payload: Payload) throws -> Double {
    let metrics =
      request.method == .trainingOptimStep
      ? try OptimStepResponse.decode(payload).metrics
      : try ForwardBackwardResponse.decode(payload).metrics
    guard let value = metrics[name] else { throw Failure("\(request.name) has no metric \(name)") }
    return value
  }

  private func logprobs(_ request: Request, _ payload: Payload) throws -> [Tensor] {
    if request.method == .samplingComputeLogprobs {
      return [try ComputeLogprobsResponse.decode(payload).logprobs]
    }
    return try ForwardBackwardResponse.decode(payload).lossFnOutputs.compactMap { $0["logprobs"] }
  }

  private func bytes(_ tensor: Tensor) throws -> Bytes {
    guard case .dense(let bytes) = tensor.storage else { throw Failure("an answer is sparse") }
    return bytes
  }

  private func value(_ field: String, _ request: Request, _ payload: Payload) throws -> String {
    let values: [String: Any]
    switch request.method {
    case .trainingCreateModel:
      values = ["model_id": try CreateModelResponse.decode(payload).modelID]
    case .trainingGetInfo:
      let info = try ModelInfo.decode(payload)
      values = [
        "model_id": info.modelID, "base_model": info.baseModel, "rank": info.lora.rank,
        "step": info.step,
      ]
    case .trainingSaveState: values = ["path": try SaveStateResponse.decode(payload).path]
    case .samplingSaveWeightsForSampler:
      values = ["path": try SaveWeightsForSamplerResponse.decode(payload).path]
    case .samplingCreateSamplingSession:
      let answer = try CreateSamplingSessionResponse.decode(payload)
      values = [
        "sampling_session_id": answer.samplingSessionID, "base_model": answer.baseModel,
        "max_context_length": answer.maxContextLength,
      ]
    default:
      let answer = try Checkpoint.decode(payload)
      values = [
        "path": answer.path, "name": answer.name, "base_model": answer.baseModel,
        "rank": answer.lora.rank, "step": answer.step,
        "expires_unix_ms": answer.expiresUnixMilliseconds,
      ]
    }
    guard let value = values[field] else { throw Failure("\(request.name) has no \(field)") }
    return "\(value)"
  }
}
