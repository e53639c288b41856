/// Training requests of any adapters on their way through one base model: they join and leave
/// between micro-batches, like sequences of a `Generator`.
///
/// Rows of different requests never meet in a sum: results are those of each request alone
/// (numerics contract 1 and 2). A request that fails or is cancelled leaves no trace. Between two
/// steps the arena is free for others.
package final class TrainingRun {
  /// Some datums of a request.
  package struct Piece: Sendable, Equatable {
    package let request: Int
    package let datums: Range<Int>

    package init(request: Int, datums: Range<Int>) {
      self.request = request
      self.datums = datums
    }
  }

  package typealias Completion = (request: Int, result: Result<TrainingResult, EngineError>)

  /// A datum of a request of the batch (by its place there).
  private struct Item {
    let request: Int
    let datum: TrainingDatum
  }

  private let engine: TrainingEngine
  private var requests: [Int: RequestAccumulator] = [:]
  private var nextID = 0

  package init(engine: TrainingEngine) { self.engine = engine }

  /// Takes a request in.
  ///
  /// - Returns: the number by which pieces name it.
  /// - Throws: `failedPrecondition` when its adapter cannot be trained or has another request that
  ///   accumulates under way.
  package func add(_ request: TrainingRequest) throws(EngineError) -> Int {
    let accumulator = RequestAccumulator(request)
    try engine.check(request.data, accumulates: request.accumulates)
    try accumulator.begin(others: requests.values.map(\.request))
    defer { nextID += 1 }
    requests[nextID] = accumulator
    return nextID
  }

  /// Drops a request; what it computed is forgotten.
  package func cancel(_ request: Int) { requests[request] = nil }

  /// Runs one micro-batch.
  ///
  /// - Parameter pieces: each continues its request where the last piece of it ended; either all
  ///   requests accumulate or none. Pieces of requests that are not here are passed over.
  /// - Returns: the requests that ended: their last datum was run, or they failed.
  package func step(_ pieces: [Piece]) -> [Completion] {
    let pieces = pieces.filter { requests[$0.request] != nil }
    var accumulators = pieces.compactMap { requests.removeValue(forKey: $0.request) }
    var failure: EngineError?
    do throws(EngineError) {
      try run(pieces, &accumulators)
    } catch {
      failure = error
    }
    var completions: [Completion] = []
    for (i, piece) in pieces.enumerated() {
      if let failure {
        completions.append((piece.request, .failure(failure)))
      } else if piece.datums.upperBound >= accumulators[i].request.data.count {
        completions.append((piece.request, accumulators[i].finish(kernels: engine.kernels)))
      } else {
        requests[piece.request] = accumulators[i]
      }
    }
    return completions
  }

  private func run(
    _ pieces: [Piece], _ accumulators: inout [RequestAccumulator]
  ) throws(EngineError) {
    let (model, kernels, arena) = (engine.model, engine.kernels, engine.arena)
    guard let accumulates = accumulators.first?.request.accumulates else { return }
    arena.clear(keep: engine.activationBudget)
    var batch = RowBatch()
    var items: [Item] = []
    for (i, piece) in pieces.enumerated() {
      let request = accumulators[i].request
      for datum in request.data[piece.datums.clamped(to: request.data.indices)] {
        batch.append(datum.tokens, adapter: request.adapter)
        items.append(Item(request: i, datum: datum))
      }
    }
    let fits = batch.rows * engine.bytesPerRow <= engine.activationBudget
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
      let loss = accumulators[items[start].request].request.loss
      let k = items[start].datum.targetsPerToken
      var end = start
      var pieces: [LossPiece] = []
      var rows = 0
      while end < items.count {
        let other = accumulators[items[end].request].request
        let datum = items[end].datum
        guard datum.targetsPerToken == k,
          other.loss.needsWholeSequence == loss.needsWholeSequence
        else { break }
        pieces.append(
          LossPiece(request: items[end].request, datum: datum, loss: other.loss, row: row + rows))
        rows += datum.tokens.count
        end += 1
      }
      let run = row..<row + rows
      if loss.needsWholeSequence {
        try head.wholeSequences(run, pieces, &accumulators, gradient: gradient)
      } else {
        try head.blocks(run, pieces, k, &accumulators, gradient: gradient)
      }
      row += rows
      start = end
    }
  }
}
