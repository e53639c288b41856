/// Trains over one base model: makes runs of requests of any adapters.
package final class TrainingEngine {
  package let model: BaseModel
  package let kernels: Kernels
  let arena: Arena

  /// Most rows of a micro-batch; a longer datum is one by itself.
  package var maxRows = 2048
  /// Bytes of activations to keep; beyond it blocks are recomputed in backward.
  package var activationBudget: Int

  package init(model: BaseModel, kernels: Kernels, arena: Arena) {
    self.model = model
    self.kernels = kernels
    self.arena = arena
    // The rest is for datums with many targets per token, which batches are not cut by.
    activationBudget = min(2 << 30, max(0, arena.capacity - Workspace(model.config).head) / 4 * 3)
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
  var bytesPerRow: Int { Workspace(model.config).keptRow }

  /// - Throws: `resourceExhausted` with the figures for a datum that the workspace cannot hold.
  func check(_ data: [TrainingDatum], accumulates: Bool) throws(EngineError) {
    let workspace = Workspace(model.config)
    let row = accumulates ? workspace.recomputedRow : workspace.inferenceRow
    let room = max(0, arena.capacity - workspace.head)
    for (i, datum) in data.enumerated() {
      let count = datum.tokens.count
      let targets = workspace.targets(rows: count, each: datum.targetsPerToken)
      guard count * row + targets > room || targets > room / 4 else { continue }
      throw EngineError(
        .resourceExhausted,
        "\(count) tokens with \(datum.targetsPerToken) targets each need "
          + "\(count * row + targets) bytes of workspace; this worker has \(room), \(room / 4) of "
          + "it for targets: enough for \(room / row) tokens (serve --memory)",
        field: "data[\(i)].model_input")
    }
  }
}
