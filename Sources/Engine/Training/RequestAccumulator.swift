import CKernels

/// A request on its way through the micro-batches: what it has answered so far.
struct RequestAccumulator {
  let request: TrainingRequest
  /// Log-probs of all datums one after another.
  var logprobs: [Float] = []
  var sums = ck_loss_sums()
  /// Of the log-probs, the first whose loss or derivative is not finite.
  private var firstBad: Int?

  init(_ request: TrainingRequest) {
    self.request = request
    logprobs.reserveCapacity(
      request.data.reduce(0) { $0 + $1.tokens.count * $1.targetsPerToken })
  }

  /// Checks the request and readies the adapter's working gradient.
  func begin(others: [TrainingRequest]) throws(EngineError) {
    guard !request.data.isEmpty else { throw .invalid("data", "has no datum") }
    guard request.accumulates else { return }
    guard let adapter = request.adapter, let training = adapter.training else {
      throw EngineError(.failedPrecondition, "forward_backward needs a trainable adapter")
    }
    guard !others.contains(where: { $0.accumulates && $0.adapter === adapter }) else {
      throw EngineError(.failedPrecondition, "one forward_backward per adapter and batch")
    }
    training.begin()
  }

  /// Keeps what the last call of the loss, over so many log-probs, said.
  mutating func noteBad(cells: Int) {
    guard sums.bad > 0, firstBad == nil else { return }
    firstBad = logprobs.count - cells + Int(sums.bad) - 1
  }

  /// - Throws: `failedPrecondition` naming the first datum and token whose log-prob or loss is not
  ///   finite.
  private func checkFinite() throws(EngineError) {
    let bad = logprobs.firstIndex { !$0.isFinite }
    guard let first = [bad, firstBad].compactMap(\.self).min() else {
      guard sums.loss.isFinite else {
        throw EngineError(.failedPrecondition, "the sum of the losses is not finite", field: "data")
      }
      return
    }
    var cell = first
    for (i, datum) in request.data.enumerated() {
      let count = datum.tokens.count * datum.targetsPerToken
      guard cell >= count else {
        let token = cell / datum.targetsPerToken
        let what = logprobs[first].isFinite ? "loss or its gradient" : "log-prob"
        let ratio =
          logprobs[first].isFinite && request.loss.isPolicy
          ? " (log-prob \(logprobs[first]), behaviour \(datum.reference[token]), advantage "
            + "\(datum.weights[token]))" : ""
        throw EngineError(
          .failedPrecondition, "the \(what) of token \(token) is not finite\(ratio)",
          field: "data[\(i)]")
      }
      cell -= count
    }
  }

  /// Commits the gradient and makes the answer.
  func finish(kernels: Kernels) -> Result<TrainingResult, EngineError> {
    do throws(EngineError) {
      try checkFinite()
      if request.accumulates { try request.adapter?.commitGradient(kernels: kernels) }
      return .success(TrainingResult(logprobs: perDatum(), metrics: metrics()))
    } catch {
      return .failure(error)
    }
  }

  private func perDatum() -> [[Float]] {
    var start = 0
    return request.data.map { datum in
      let count = datum.tokens.count * datum.targetsPerToken
      defer { start += count }
      return Array(logprobs[start..<start + count])
    }
  }

  /// Keys have exactly one colon: `name:reduction`, the way results of several chunks combine.
  private func metrics() -> [String: Double] {
    let tokens = request.data.reduce(0) { $0 + $1.tokens.count }
    var metrics: [String: Double] = [
      "loss:sum": sums.loss, "num_tokens:sum": Double(tokens),
      "num_loss_tokens:sum": Double(sums.tokens),
    ]
    if request.loss.isPolicy {
      let count = Double(max(sums.tokens, 1))
      metrics["clip_fraction:mean"] = Double(sums.clipped) / count
      metrics["kl_sample_train:mean"] = sums.kl / count
    }
    return metrics
  }
}
