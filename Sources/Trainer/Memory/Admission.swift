import Checkpoints
import Engine
import RPC
import Wire

/// What requests are predicted to take, before any of it is allocated.
extension MemoryAccount {
  /// - Throws: RESOURCE_EXHAUSTED or, for what can never be had, FAILED_PRECONDITION.
  func admit(_ request: GenerationRequest, extra: Int = 0) throws -> MemoryCharge {
    do {
      return try reserve(request.footprint + extra, .sampling)
    } catch {
      throw RPCError(error, "the sampling with its answer")
    }
  }

  /// Waits until the memory of a request of a model is there.
  /// - Throws: FAILED_PRECONDITION for what can never be had.
  func waitAndAdmit(_ bytes: Int) throws -> MemoryCharge {
    do {
      return try waitAndReserve(bytes, .training)
    } catch {
      throw RPCError(error, "the request, written out, with its answer,")
    }
  }

  /// Says whether an adapter may be made.
  func admit(_ bytes: Int, _ what: String) throws(EngineError) -> MemoryCharge {
    do {
      return try reserve(bytes, .adapters)
    } catch {
      throw EngineError(
        .resourceExhausted, error.message(what), cause: RPCError(error, what))
    }
  }
}

extension GenerationRequest {
  /// Bytes of the tokens and of the answer, twice: as they come, and written out.
  var footprint: Int {
    // A row of k cells is an array of its own until the answer is written.
    func rows(_ count: Int, _ k: Int) -> Int { k == 0 ? 0 : count * (48 + 8 * k) }
    let (prompt, new) = (prompt.count, sampleCount * max(parameters.maxTokens, 0))
    let perToken = wantsModelLogprobs ? 12 : 8
    // The cells of `promptTargets` with their places.
    let targets = promptTargets.map { 8 * $0.tokens.count + 8 * $0.rowStarts.count } ?? 0
    let scores = wantsPromptLogprobs || topPromptLogprobs > 0 ? 8 * prompt : 0
    return 2
      * (4 * prompt + scores + targets + rows(prompt, topPromptLogprobs) + perToken * new
        + rows(new, topSampleLogprobs)) + 512 * sampleCount
  }
}

extension ForwardBackwardRequest {
  /// Bytes of the data as the engine has them, of writing out the largest input, and of the answer.
  var footprint: Int {
    var (values, largest, cells) = (0, 0, 0)
    for datum in data {
      let tokens = datum.modelInput.length
      values += 16 * tokens + 512
      for (name, tensor) in datum.lossFnInputs {
        values += 4 * tensor.count
        largest = max(largest, tensor.count)
        if name == "target_tokens" { cells += tensor.count }
      }
    }
    return values + 16 * largest + 12 * cells
  }
}
