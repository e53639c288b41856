/// Trains over one base model: makes runs of requests of any adapters.
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

  /// Rows that one micro-batch may have.
  package var rowLimit: Int { max(1, min(maxRows, activationBudget / max(1, bytesPerRow))) }

  /// Runs `requests` to their end, each adapter at most once among those that accumulate.
  package func run(
    _ requests: [TrainingRequest]
  ) -> [Result<TrainingResult, EngineError>] {
    let run = TrainingRun(engine: self)
    var ids: [Int: Int] = [:]
    var results: [Int: Result<TrainingResult, EngineError>] = [:]
    for (i, request) in requests.enumerated() {
      do throws(EngineError) {
        ids[i] = try run.add(request)
      } catch {
        results[i] = .failure(error)
      }
    }
    let indices = Dictionary(uniqueKeysWithValues: ids.map { ($1, $0) })
    for batch in microBatches(requests, ids) {
      for (id, result) in run.step(batch) { results[indices[id] ?? 0] = result }
    }
    return requests.indices.map { i in
      results[i] ?? .failure(EngineError(.internal, "the request had no result"))
    }
  }

  /// Cuts the datums, in order, into batches of rows.
  private func microBatches(
    _ requests: [TrainingRequest], _ ids: [Int: Int]
  ) -> [[TrainingRun.Piece]] {
    var batches: [[TrainingRun.Piece]] = []
    var rows = 0
    var accumulates: Bool?
    for (i, request) in requests.enumerated() {
      guard let id = ids[i] else { continue }
      var start = 0
      for (d, datum) in request.data.enumerated() {
        if accumulates != request.accumulates || rows + datum.tokens.count > rowLimit {
          if d > start { batches[batches.count - 1].append(.init(request: id, datums: start..<d)) }
          start = d
          batches.append([])
          rows = 0
          accumulates = request.accumulates
        }
        rows += datum.tokens.count
      }
      batches[batches.count - 1].append(.init(request: id, datums: start..<request.data.count))
    }
    return batches
  }

  /// Bytes of activations that a recorded row keeps.
  var bytesPerRow: Int {
    let config = model.config
    let attention = config.heads * config.headDimension * 3
    let keys = config.kvHeads * config.headDimension * 3
    let perLayer = 6 * config.hiddenSize + attention + keys + 4 * config.intermediateSize
    return 4 * (config.layers * perLayer + 8 * config.hiddenSize)
  }
}
