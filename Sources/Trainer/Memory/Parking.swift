import Checkpoints
import Engine
import Logging
import RPC
import Wire

/// A recorded model that is on disk only, because others needed its memory; its next request brings it
/// back as it was.
struct ParkedModel {
  /// Things that happen to a model without its being computed with.
  var isAccumulationBroken: Bool
  var nextSeq: UInt64
}

extension Worker {
  /// Asks for the memory of an adapter, for which others give way.
  func admit(_ what: String) -> AdapterAdmission {
    { [self] (bytes) throws(EngineError) in
      makeRoom(bytes)
      return try memory.admit(bytes, what)
    }
  }

  /// Gives up what nobody uses now until so many bytes are free for adapters, or nothing is left: idle
  /// snapshots, idle models, and models whose requests wait for their turn, in which they come back.
  /// (Were those spared, models that always have a request waiting would keep all others out.)
  func makeRoom(_ bytes: Int) {
    guard bytes <= memory.limit(.adapters) else { return }
    while memory.free(.adapters) < bytes {
      guard snapshots.removeOldestIdle() || parkOne() else { return }
    }
  }

  /// Parks the model that was used longest ago of those with the least to do.
  private func parkOne() -> Bool {
    guard journal != nil else { return false }
    let candidates = models.values.compactMap {
      model -> (id: String, isQueued: Bool, use: UInt64)? in
      guard !queue.isUnderWay(model.id) else { return nil }
      return (model.id, queue.hasRequests(model.id), model.lastUse)
    }.sorted { ($0.isQueued ? 1 : 0, $0.use) < ($1.isQueued ? 1 : 0, $1.use) }
    return candidates.contains { park($0.id) }
  }

  private func park(_ id: String) -> Bool {
    guard let model = models[id] else { return false }
    do {
      try saveSnapshot(model)
    } catch {
      log.error("no snapshot of \(id): \(error); it stays in memory")
      return false
    }
    models[id] = nil
    parked[id] = ParkedModel(
      isAccumulationBroken: model.isAccumulationBroken, nextSeq: model.nextSeq)
    statistics.add([("models_parked_total", 1)])
    return true
  }

  /// Brings a model back if it is parked.
  /// - Returns: false if others that are being computed with leave no room for it: later, then.
  ///   Whatever else is wrong with it, its request says.
  func makeReady(_ id: String) -> Bool {
    do {
      _ = try model(id)
      return true
    } catch {
      return error.code != .resourceExhausted
    }
  }

  func restore(_ id: String, _ record: ParkedModel) throws {
    guard let journal, let snapshot = try ModelSnapshot(newestIn: journal.folder(of: id)) else {
      throw EngineError(.dataLoss, "the snapshot of \(id) is gone")
    }
    let model = try read(snapshot) { [self] (bytes) throws(EngineError) in
      makeRoom(bytes)
      return try memory.admit(bytes, "the model")
    }
    model.isAccumulationBroken = record.isAccumulationBroken
    model.nextSeq = record.nextSeq
    parked[id] = nil
    models[id] = model
  }

  /// A forward_backward of the model failed, or was refused.
  func breakAccumulation(of id: String) {
    models[id]?.isAccumulationBroken = true
    parked[id]?.isAccumulationBroken = true
  }
}
