/// A forward or forward_backward of one adapter.
package struct TrainingRequest {
  package let adapter: Adapter?
  package let data: [TrainingDatum]
  package let loss: LossFunction
  /// False for `forward`: no gradient is accumulated.
  package let accumulates: Bool

  package init(
    adapter: Adapter?, data: [TrainingDatum], loss: LossFunction, accumulates: Bool
  ) {
    self.adapter = adapter
    self.data = data
    self.loss = loss
    self.accumulates = accumulates
  }
}

/// What a forward or forward_backward answers.
package struct TrainingResult: Sendable {
  /// Per datum, [tokens] or [tokens, targets per token], of the unscaled distribution.
  package let logprobs: [[Float]]
  /// `name:reduction` → value.
  package let metrics: [String: Double]
}

/// Runs training requests of any adapters together over one base model.
///
/// Rows of different requests never meet in a sum: results are those of each request alone
/// (numerics contract 1 and 2). A request that fails leaves no trace.
package final class TrainingEngine {
  package let model: BaseModel
  package let kernels: Kernels
  let arena: Arena

  /// Most rows of a micro-batch; a longer datum is one by itself.
  package var maxRows = 2048
  /// Bytes of activations to keep; beyond it blocks are recomputed in backward.
  package var activationBudget = 2 << 30

  package init(model: BaseModel, kernels: Kernels, arena: Arena) {
    self.model = model
    self.kernels = kernels
    self.arena = arena
  }

  /// Runs `requests`, each adapter at most once among those that accumulate.
  package func run(
    _ requests: [TrainingRequest]
  ) -> [Result<TrainingResult, EngineError>] {
    var accumulators = requests.map { RequestAccumulator($0) }
    for i in accumulators.indices {
      do throws(EngineError) {
        try accumulators[i].begin(others: requests[..<i])
      } catch {
        accumulators[i].failure = error
      }
    }
    for batch in microBatches(accumulators) {
      do throws(EngineError) {
        try runMicroBatch(batch, &accumulators)
      } catch {
        for item in batch { accumulators[item.request].failure = error }
      }
    }
    return accumulators.indices.map { i in accumulators[i].finish(kernels: kernels) }
  }

  /// A datum of a request.
  struct Item {
    let request: Int
    let datum: Int
  }

  /// Cuts the datums, in order, into batches of rows. Requests that accumulate never share a batch
  /// with those that do not.
  private func microBatches(_ accumulators: [RequestAccumulator]) -> [[Item]] {
    let limit = max(1, min(maxRows, activationBudget / max(1, bytesPerRow)))
    var batches: [[Item]] = []
    var rows = 0
    var accumulates: Bool?
    for (r, accumulator) in accumulators.enumerated() where accumulator.failure == nil {
      let request = accumulator.request
      for (d, datum) in request.data.enumerated() {
        let count = datum.tokens.count
        if accumulates != request.accumulates || rows + count > limit {
          batches.append([])
          rows = 0
          accumulates = request.accumulates
        }
        batches[batches.count - 1].append(Item(request: r, datum: d))
        rows += count
      }
    }
    return batches
  }

  /// Bytes of activations that a recorded row keeps.
  private var bytesPerRow: Int {
    let config = model.config
    let attention = config.heads * config.headDimension * 3
    let keys = config.kvHeads * config.headDimension * 3
    let perLayer = 6 * config.hiddenSize + attention + keys + 4 * config.intermediateSize
    return 4 * (config.layers * perLayer + 8 * config.hiddenSize)
  }

  private func runMicroBatch(
    _ items: [Item], _ accumulators: inout [RequestAccumulator]
  ) throws(EngineError) {
    arena.clear(keep: activationBudget)
    var batch = RowBatch()
    for item in items {
      let request = accumulators[item.request].request
      batch.append(request.data[item.datum].tokens, adapter: request.adapter)
    }
    guard let first = items.first else { return }
    let accumulates = accumulators[first.request].request.accumulates
    let fits = batch.rows * bytesPerRow <= activationBudget
    let pass = try Pass(
      kernels: kernels, arena: arena,
      policy: accumulates ? (fits ? .keepAll : .recompute) : .inference, batch: batch,
      store: .scratch)
    let hidden = try model.transformer.hidden(pass)
    let head = HeadRun(
      head: model.transformer.head, hidden: pass.tape[hidden].value, segments: batch.segments,
      kernels: kernels, arena: arena)
    let gradient = accumulates ? try arena.rows(batch.rows, model.config.hiddenSize) : nil
    try runHead(head, items, &accumulators, gradient: gradient)
    if let gradient {
      try pass.backward(from: hidden, gradient: gradient, model: model.transformer)
    }
  }

  /// Log-probs, losses and the gradient of the hidden states, in runs of datums that have the same
  /// number of targets per token and the same need for whole sequences.
  private func runHead(
    _ head: HeadRun, _ items: [Item], _ accumulators: inout [RequestAccumulator], gradient: Rows?
  ) throws(EngineError) {
    var row = 0
    var start = 0
    while start < items.count {
      let request = accumulators[items[start].request].request
      let k = request.data[items[start].datum].targetsPerToken
      var end = start
      var pieces: [LossPiece] = []
      var rows = 0
      while end < items.count {
        let other = accumulators[items[end].request].request
        let datum = other.data[items[end].datum]
        guard datum.targetsPerToken == k,
          other.loss.needsWholeSequence == request.loss.needsWholeSequence
        else { break }
        pieces.append(
          LossPiece(request: items[end].request, datum: datum, loss: other.loss, row: row + rows))
        rows += datum.tokens.count
        end += 1
      }
      let run = row..<row + rows
      if request.loss.needsWholeSequence {
        try head.wholeSequences(run, pieces, &accumulators, gradient: gradient)
      } else {
        try head.blocks(run, pieces, k, &accumulators, gradient: gradient)
      }
      row += rows
      start = end
    }
  }
}
