import Checkpoints
import Engine
import Journal
import Logging
import RPC
import Wire

/// Models that outlive their worker: snapshots, and running a journal again.
extension Worker {
  /// Microseconds of computing that are in no snapshot, summed over the models; beyond it one is
  /// written, so that a recovery replays no more (or one request, if that takes longer).
  static let maximumUnsaved: UInt64 = 20_000_000

  // MARK: Snapshots

  /// Writes what a model is now; everything before may be forgotten then.
  /// - Parameter answer: of a request that has had its effect and is not answered yet.
  /// - Throws: UNAVAILABLE where it is not known whether the snapshot is there; the model is given up
  ///   then, and its next owner goes by what it finds. Everything else has left no trace.
  func saveSnapshot(_ model: TrainedModel, answer: Payload? = nil) throws {
    guard let journal else { return }
    try journal.flush(model.id, below: model.nextSeq)
    let folder = journal.folder(of: model.id)
    do {
      try ModelSnapshot.write(
        model, lastOutcome: answer.map { Self.outcome($0, before: model.nextSeq) }, in: folder,
        storage: storage)
    } catch {
      guard answer != nil, ModelSnapshot.exists(before: model.nextSeq, in: folder) else {
        throw error
      }
      journal.abandon(model.id, error)
      throw RPCError(
        .unavailable, "it is not known whether the state of \(model.id) is on disk", cause: error)
    }
    model.unsavedMicroseconds = 0
    journal.snapshotTaken(model.id, firstSeq: model.nextSeq)
  }

  /// Writes that a stream has no model; everything before may be forgotten then.
  func saveVacancy(_ stream: String, firstSeq: UInt64, answer: Payload? = nil) {
    guard let journal else { return }
    do {
      try journal.flush(stream, below: firstSeq)
      try ModelSnapshot.writeVacant(
        stream, firstSeq: firstSeq, lastOutcome: answer.map { Self.outcome($0, before: firstSeq) },
        in: journal.folder(of: stream), storage: storage)
      journal.snapshotTaken(stream, firstSeq: firstSeq, isLast: true)
    } catch {
      // The journal says the same, at greater length.
      log.warning("the records of \(stream) stay: \(error)")
      journal.snapshotFailed(stream)
    }
  }

  private static func outcome(_ answer: Payload, before seq: UInt64) -> JournalRecord {
    .outcome(JournalRecord.Outcome(seq: seq - 1, Outcome(payload: answer), ran: true))
  }

  /// Writes a snapshot of the model with the most to lose, if all have too much together, or of one
  /// whose records are long.
  func saveDueSnapshot() {
    guard let journal else { return }
    if let stream = journal.dueStream() {
      if let model = models[stream] {
        saveDueSnapshot(model)
      } else if parked[stream] != nil {
        // Its snapshot is there, and nothing was computed with it since: asked again later.
        journal.snapshotFailed(stream)
      } else if let seq = journal.firstOpenSeq(of: stream) {
        saveVacancy(stream, firstSeq: seq)
      }
    }
    let unsaved = models.values.reduce(0) { $0 + $1.unsavedMicroseconds }
    guard unsaved > Self.maximumUnsaved,
      let model = models.values.max(by: { $0.unsavedMicroseconds < $1.unsavedMicroseconds })
    else { return }
    saveDueSnapshot(model)
  }

  private func saveDueSnapshot(_ model: TrainedModel) {
    do {
      try saveSnapshot(model)
    } catch {
      log.error("no snapshot of \(model.id): \(error); a recovery replays more")
      // Asked again after as much computing, or as many bytes, as before.
      model.unsavedMicroseconds = 0
      journal?.snapshotFailed(model.id)
    }
  }

  /// Writes snapshots of all models that computed something since their last one.
  func saveAllSnapshots() {
    guard journal != nil else { return }
    for model in models.values where model.unsavedMicroseconds > 0 { saveDueSnapshot(model) }
  }

  /// A request of a model has had its effect.
  func passed(_ context: CallContext, _ microseconds: UInt64) {
    parked[context.stream]?.nextSeq = context.seq + 1
    guard let model = models[context.stream] else { return }
    model.nextSeq = context.seq + 1
    model.unsavedMicroseconds += microseconds
    configuration.failpoints.pass(.run)
  }

  // MARK: Recovery

  /// Makes a model as it was when its last answered request had run.
  ///
  /// - Throws: `dataLoss` if a request leads to something else than it did.
  func recover(_ stream: String, _ snapshot: ModelSnapshot?, _ plan: ReplayPlan) throws {
    close(stream)
    if let snapshot, snapshot.manifest.isVacant != true {
      open(try read(snapshot, admit("the model")))
    }
    for step in plan.steps {
      try replay(step, stream)
      models[stream]?.nextSeq = step.request.seq + 1
      progress()
    }
    // So that whoever comes next starts from here.
    guard !plan.steps.isEmpty else { return }
    if let model = models[stream] {
      try saveSnapshot(model)
    } else {
      saveVacancy(stream, firstSeq: plan.nextSeq)
    }
  }

  func read(_ snapshot: ModelSnapshot, _ admit: AdapterAdmission) throws -> TrainedModel {
    let base = try base(snapshot.manifest.baseModel)
    let adapter = try TrainingStateFiles.read(
      snapshot.folder, optimizer: true, model: base.model, kernels: kernels, admit: admit)
    let model = TrainedModel(
      id: snapshot.manifest.model, base: base, adapter: adapter,
      userMetadata: snapshot.manifest.userMetadata)
    model.isAccumulationBroken = snapshot.manifest.isAccumulationBroken
    model.nextSeq = snapshot.manifest.firstSeq
    return model
  }

  /// Has the effect of a request again. Outcomes are reproduced, never decided anew: what a clock or
  /// a client ended is not run.
  private func replay(_ step: ReplayPlan.Step, _ stream: String) throws {
    let ran = step.outcome?.ran ?? false
    let isOK = ran && step.outcome?.code == 0
    switch Method(rawValue: step.request.method) {
    case .trainingCreateModel where isOK:
      let request = try CreateModelRequest.decode(step.request.payload)
      guard request.fromPath.isEmpty else { throw Self.needsSnapshot(step) }
      open(try createModel(stream, request, tenant: Substring(step.request.tenant)))
    case .trainingForwardBackward:
      guard isOK else {
        breakAccumulation(of: stream)
        return
      }
      try check(step, forwardBackward(step.request, try model(stream)))
    case .trainingOptimStep where ReplayPlan.runsOptimStep(step.outcome):
      let allowsPartial = RequestHeader.Flags(rawValue: step.request.flags).contains(.applyPartial)
      do {
        let model = try model(stream)
        let request = try OptimStepRequest.decode(step.request.payload)
        try check(
          step, model.optimStep(request, allowsPartial: allowsPartial, kernels).encode())
      } catch {
        let code = UInt32(RPCError.from(error).code.rawValue)
        guard !isOK, code == step.outcome?.code else { throw error }
      }
    case .trainingLoadState where isOK: throw Self.needsSnapshot(step)
    case .trainingUnload where isOK: close(stream)
    // The others leave a model as it is, and finished saves are on disk.
    default: break
    }
  }

  private func forwardBackward(
    _ request: JournalRecord.Request, _ model: TrainedModel
  ) throws -> Payload {
    let prepared = try PreparedTraining(
      ForwardBackwardRequest.decode(request.payload), model.base.model.config)
    let result = model.base.engine.run([
      TrainingRequest(
        adapter: model.adapter, data: prepared.data, loss: prepared.loss, accumulates: true)
    ])
    return prepared.response(try result[0].get()).encode()
  }

  private func check(_ step: ReplayPlan.Step, _ answer: Payload) throws {
    guard answer == step.outcome?.payload else {
      throw EngineError(
        .dataLoss, "replaying seq \(step.request.seq) gave another answer than it had been given")
    }
  }

  /// Reading a checkpoint again could give something else; a snapshot follows it at once.
  private static func needsSnapshot(_ step: ReplayPlan.Step) -> EngineError {
    EngineError(
      .dataLoss, "there is no snapshot behind seq \(step.request.seq), which read a checkpoint")
  }
}
