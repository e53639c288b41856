import Checkpoints
import Engine
import RPC
import Wire

/// The requests of models on the compute thread: `BatchFormer` says what runs next, this runs it and
/// answers. Requests join and leave between micro-batches.
final class ModelQueue {
  /// A request that shares batches.
  struct Training {
    let pending: PendingTraining
    let accumulates: Bool
    let context: CallContext
    let reply: Reply<Payload>
  }

  private enum Body {
    case alone((Worker) -> Void)
    case training(Training)
  }

  private struct Work {
    let stream: String
    let body: Body
    /// Set when its first piece runs.
    var started: Started?
  }

  private struct Started {
    let base: LoadedBase
    let training: PreparedTraining
    /// Its number in the base's run.
    let number: Int
    let microseconds: UInt64
  }

  private var former = BatchFormer()
  private var work: [Int: Work] = [:]
  /// Requests under way, by base and number there.
  private var running: [String: [Int: Int]] = [:]
  private var quantum: [String: Quantum] = [:]

  var isIdle: Bool { former.isEmpty }
  var requestCount: Int { former.requestCount }
  var waitingRows: Int { former.waitingRows }

  // MARK: Coming in

  /// Something that runs by itself, at its turn in the stream.
  func append(_ stream: String, tenant: String, _ body: @escaping (Worker) -> Void) {
    add(.alone, Work(stream: stream, body: .alone(body)), tenant: tenant)
  }

  /// A forward or forward_backward.
  func append(_ training: Training) {
    // A refused one has no rows to share a batch with, only an answer.
    let kind: BatchFormer.Kind =
      training.pending.isRefused
      ? .alone : .training(accumulates: training.accumulates, rows: training.pending.rows)
    add(
      kind, Work(stream: training.context.stream, body: .training(training)),
      tenant: String(training.context.tenant))
  }

  private func add(_ kind: BatchFormer.Kind, _ item: Work, tenant: String) {
    let session = String(item.stream.prefix { $0 != ":" })
    let id = former.append(kind, stream: item.stream, tenant: tenant, session: session)
    work[id] = item
  }

  /// Whether requests of a model wait, and whether one of them was begun.
  func hasRequests(_ stream: String) -> Bool { former.hasRequests(stream) }
  func isUnderWay(_ stream: String) -> Bool {
    running.values.contains { $0.values.contains { work[$0]?.stream == stream } }
  }

  func open(_ model: TrainedModel) { former.open(model.id, base: model.base.model.name) }
  func close(_ stream: String) { former.close(stream) }

  /// Forgets what is queued and under way of a stream that is not owned here any more: another owner
  /// runs it, perhaps this worker, when it has recovered the model. Nobody waits for an answer.
  func drop(_ stream: String) {
    for id in former.requests(of: stream) {
      former.finished(id)
      guard let started = work.removeValue(forKey: id)?.started else { continue }
      started.base.run.cancel(started.number)
      running[started.base.model.name]?[started.number] = nil
    }
  }

  // MARK: A step

  /// Runs the next micro-batch, or the next request that runs by itself.
  /// - Parameter isContended: decoding waits, too.
  func step(_ worker: Worker, isContended: Bool) {
    dropUnwanted(worker)
    let isShared = isContended || former.activeTenants > 1
    let parked = worker.parked
    let next = former.next(isLoaded: { parked[$0] == nil }) { base in
      let rows = quantum[base, default: Quantum()].rows(
        isContended: isShared, now: Monotonic.microseconds())
      return min(rows, worker.bases[base]?.engine.rowLimit ?? 1)
    }
    switch next {
    case nil: break
    case .alone(let id):
      guard isReady(id, worker) else { return former.putBack(.init(request: id, datums: 0..<0)) }
      runAlone(id, worker)
    case .training(let base, let pieces):
      var ready: [BatchFormer.Piece] = []
      for piece in pieces {
        guard isReady(piece.request, worker) else {
          former.putBack(piece)
          continue
        }
        // Begun at once: the model of the next one must not take this one's memory.
        _ = start(piece.request, worker)
        ready.append(piece)
      }
      run(ready, base: base, worker)
    }
  }

  /// Whether the model of a request is in memory. One that others left no room for comes later; what
  /// else is wrong its request says.
  private func isReady(_ id: Int, _ worker: Worker) -> Bool {
    guard let stream = work[id]?.stream else { return true }
    return worker.makeReady(stream)
  }

  private func runAlone(_ id: Int, _ worker: Worker) {
    guard let item = work.removeValue(forKey: id) else { return former.finished(id) }
    former.finished(id)
    switch item.body {
    case .alone(let body): body(worker)
    case .training(let training):
      // Refused when it was prepared, or its model does not exist.
      refuse(training, worker) {
        let model = try worker.model(item.stream)
        _ = try training.pending.prepared(model.base.model.config)
        throw RPCError(.invalidArgument, "has no datum", field: "data")
      }
    }
  }

  /// Answers a request that was not computed with the error that `body` throws.
  private func refuse(
    _ training: Training, _ worker: Worker, _ started: Started? = nil, _ body: () throws -> Void
  ) {
    do {
      try Handlers.refuseIfUnwanted(training.context)
      try body()
    } catch {
      fail(training, worker, started, .from(error))
    }
  }

  private func fail(
    _ training: Training, _ worker: Worker, _ started: Started?, _ error: RPCError
  ) {
    // A forward_backward that failed, for whatever reason, is a hole in the accumulation.
    if training.accumulates { worker.breakAccumulation(of: training.context.stream) }
    worker.passed(training.context, 0)
    training.reply.fail(error, info: info(training, started))
  }

  private func info(_ training: Training, _ started: Started?) -> ReplyInfo {
    var info = ReplyInfo()
    let now = Monotonic.microseconds()
    let start = started?.microseconds ?? now
    info.queueMicroseconds = start - min(start, training.context.received)
    info.computeMicroseconds = now - start
    return info
  }

  // MARK: Batches

  private func run(_ pieces: [BatchFormer.Piece], base name: String, _ worker: Worker) {
    let start = Monotonic.microseconds()
    var parts: [TrainingRun.Piece] = []
    var base: LoadedBase?
    var rows = 0
    // Which request takes part with how many rows.
    var shares: [(request: Int, rows: Int)] = []
    for piece in pieces {
      guard let started = self.start(piece.request, worker) else { continue }
      base = started.base
      parts.append(TrainingRun.Piece(request: started.number, datums: piece.datums))
      let count = started.training.data[piece.datums].reduce(0) { $0 + $1.tokens.count }
      shares.append((piece.request, count))
      rows += count
    }
    guard let base else { return }
    let results = base.run.step(parts)
    let time = Monotonic.microseconds() - start
    for (piece, count) in shares {
      guard let stream = work[piece]?.stream else { continue }
      worker.models[stream]?.unsavedMicroseconds += time * UInt64(count) / UInt64(max(rows, 1))
    }
    for (number, result) in results {
      guard let id = running[name]?.removeValue(forKey: number) else { continue }
      finish(id, result, worker)
    }
    quantum[name, default: Quantum()].ran(rows: rows, microseconds: time)
    worker.statistics.add([
      ("training_tokens_total", rows), ("training_batches_total", 1),
      ("training_batch_microseconds_total", Int(time)),
    ])
  }

  /// Puts a request into its base's run if it is not there. One that cannot be is answered.
  private func start(_ id: Int, _ worker: Worker) -> Started? {
    guard let item = work[id], case .training(let training) = item.body else { return nil }
    if let started = item.started { return started }
    do {
      try Handlers.refuseIfUnwanted(training.context)
      let model = try worker.model(item.stream)
      let prepared = try training.pending.prepared(model.base.model.config)
      let number = try model.base.run.add(
        TrainingRequest(
          adapter: model.adapter, data: prepared.data, loss: prepared.loss,
          accumulates: training.accumulates))
      let started = Started(
        base: model.base, training: prepared, number: number,
        microseconds: Monotonic.microseconds())
      work[id]?.started = started
      running[model.base.model.name, default: [:]][number] = id
      return started
    } catch {
      work[id] = nil
      former.finished(id)
      fail(training, worker, nil, .from(error))
      return nil
    }
  }

  private func finish(_ id: Int, _ result: Result<TrainingResult, EngineError>, _ worker: Worker) {
    former.finished(id)
    guard let item = work.removeValue(forKey: id), case .training(let training) = item.body,
      let started = item.started
    else { return }
    switch result {
    case .success(let result):
      var info = info(training, started)
      info.costPromptTokens = UInt64(training.pending.rows.reduce(0, +))
      worker.passed(training.context, 0)
      training.reply.finish(started.training.response(result).encode(), info: info)
    case .failure(let error): fail(training, worker, started, RPCError(error))
    }
  }

  /// Answers what its client gave up or what is late among the requests under way; what they had
  /// computed is forgotten. Those that have not begun are looked at when they do: a request ends in
  /// its turn only.
  private func dropUnwanted(_ worker: Worker) {
    for id in running.values.flatMap(\.values) {
      guard let item = work[id], case .training(let training) = item.body,
        let started = item.started, training.context.isCancelled || training.context.isExpired
      else { continue }
      started.base.run.cancel(started.number)
      running[started.base.model.name]?[started.number] = nil
      work[id] = nil
      former.finished(id)
      refuse(training, worker, started) {}
    }
  }
}
