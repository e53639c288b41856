import Checkpoints
import Engine
import Foundation
import Journal
import Logging
import RPC
import Synchronization
import Wire

/// The journals of a worker's models: a folder each, `models/<model>` below the data folder, with
/// segments and snapshots. Every owner of a model writes segments of its own epoch.
final class ModelJournal: StreamJournal {
  /// A model that this worker owns.
  private struct Owned {
    let folder: JournalFolder
    var segment: JournalSegment
    /// The segments that may be needed, oldest first, with the first seq that each may hold.
    var chain: [(name: SegmentName, firstSeq: UInt64)]
    /// The first seq that was not admitted.
    var nextSeq: UInt64
    /// Everything up to here has reached the client; 0 for nothing.
    var acked: UInt64 = 0
  }

  /// A segment this long is followed by another one at the next snapshot.
  private static let segmentBytes: UInt64 = 4 << 20

  private let root: String
  private let storage: any Storage
  private let failpoints: Failpoints
  private let submit: @Sendable (@escaping ComputeThread.Job) -> Void
  private let closeStream = Mutex<@Sendable (String, RPCError) -> Void>({ _, _ in })
  private let writer = JournalWriter()
  /// Opens streams, so that neither the loop nor the compute thread waits for the disk.
  private let queue = DispatchQueue(label: "tinsmith.journal")
  private let owned = Mutex<[String: Owned]>([:])
  private let log = Logger(label: "tinsmith.journal")

  /// - Parameter submit: runs something on the compute thread, behind what was said of the same
  ///   stream before.
  init(
    _ configuration: TrainerConfiguration,
    submit: @escaping @Sendable (@escaping ComputeThread.Job) -> Void
  ) {
    root = "\(configuration.dataFolder)/models"
    storage = configuration.storage
    failpoints = configuration.failpoints
    self.submit = submit
  }

  /// - Parameter close: called when a stream's records cannot be written any more.
  func onFailure(_ close: @escaping @Sendable (String, RPCError) -> Void) {
    closeStream.withLock { $0 = close }
  }

  /// Writes what was handed over.
  func stop() { writer.stop() }

  /// A model's folder.
  func folder(of stream: String) -> String { "\(root)/\(stream)" }

  // MARK: StreamJournal

  func open(_ stream: String, epoch: UInt64, done: @escaping @Sendable (OpenedLog) -> Void) {
    queue.async { [self] in
      do {
        try take(stream, epoch: epoch, done: done)
      } catch {
        done(Self.refusal(stream, error))
      }
    }
  }

  func admitted(_ request: AdmittedRequest) {
    let record = JournalRecord(request)
    owned.withLock { owned in
      guard let segment = owned[request.stream]?.segment else { return }
      owned[request.stream]?.nextSeq = request.seq + 1
      owned[request.stream]?.acked = request.acked
      writer.add(record, to: segment)
    }
    failpoints.pass(.submit)
  }

  func finished(
    _ stream: String, seq: UInt64, _ outcome: Outcome, ran: Bool,
    durable: @escaping @Sendable () -> Void
  ) {
    let record = JournalRecord(seq: seq, outcome, ran: ran)
    owned.withLock { owned in
      // A stream that was closed has another owner, who decides.
      guard let segment = owned[stream]?.segment else { return }
      writer.commit(record, to: segment) { [self] result in
        switch result {
        case .success:
          failpoints.pass(.reply)
          durable()
        case .failure(let error): queue.async { [self] in failed(stream, segment, error) }
        }
      }
    }
  }

  func closed(_ stream: String) { owned.withLock { $0[stream] = nil } }

  // MARK: Taking over

  /// Seals what is there, begins a segment, and has the model made as it was.
  private func take(
    _ stream: String, epoch: UInt64, done: @escaping @Sendable (OpenedLog) -> Void
  ) throws {
    // The name comes from a client: it must be one of a folder.
    _ = try CheckpointPath(model: stream, kind: .training, name: "x", field: "stream")
    let path = folder(of: stream)
    let journal = JournalFolder(path: path, storage: storage)
    let snapshot = try ModelSnapshot(newestIn: path)
    let firstSeq = snapshot?.manifest.firstSeq ?? 0
    let history = try journal.history(from: firstSeq)
    guard epoch >= history.nextEpoch else {
      throw RPCError(
        .aborted, "epoch \(epoch) of \(stream) is not above that of an owner before")
    }
    let records = history.records + [snapshot?.lastOutcome].compactMap(\.self)
    let plan = try ReplayPlan(records, from: firstSeq, keeping: StreamLog.maximumAnswers)
    if history.isTorn {
      log.warning("a commit of \(stream) behind seq \(plan.nextSeq) was cut; nobody was told of it")
    }
    if !plan.steps.isEmpty { try Self.checkReplays(history) }
    let name = SegmentName(epoch: epoch, index: 0)
    var opening = JournalRecord.Opening(of: stream, epoch: epoch, firstSeq: plan.nextSeq)
    opening.predecessor = history.seal
    let segment = try journal.begin(name, opening)
    owned.withLock {
      $0[stream] = Owned(
        folder: journal, segment: segment,
        chain: history.chain + [(name: name, firstSeq: plan.nextSeq)], nextSeq: plan.nextSeq)
    }
    guard snapshot != nil || plan.nextSeq > 0 else { return done(.log(StreamLog())) }
    log.notice(
      "taking over \(stream) before seq \(plan.nextSeq): \(plan.steps.count) requests to replay")
    submit { worker in
      do {
        try worker.recover(stream, snapshot, plan)
        done(.log(Self.log(plan)))
      } catch {
        worker.close(stream)
        done(Self.refusal(stream, error))
      }
    }
  }

  /// Bits are the same only where arithmetic is.
  private static func checkReplays(_ history: JournalFolder.History) throws {
    guard let opening = history.lastOpening else { return }
    let here = JournalRecord.Opening(of: opening.stream, epoch: 0, firstSeq: 0)
    guard
      (opening.numericsVersion, opening.instructionSet)
        == (here.numericsVersion, here.instructionSet)
    else {
      throw EngineError(
        .failedPrecondition,
        "the journal is of numerics \(opening.numericsVersion) on \(opening.instructionSet), this "
          + "is \(here.numericsVersion) on \(here.instructionSet)")
    }
  }

  private static func log(_ plan: ReplayPlan) -> StreamLog {
    var log = StreamLog(nextSeq: plan.nextSeq)
    for step in plan.answers {
      guard let outcome = step.outcome else { continue }
      log.restore(
        seq: step.request.seq, digest: PayloadDigest(bytes: step.request.digest),
        outcome: Outcome(outcome))
    }
    return log
  }

  /// Lost records are lost for good; everything else may be better next time.
  private static func refusal(_ stream: String, _ error: any Error) -> OpenedLog {
    if let error = error as? EngineError, error.code != .dataLoss {
      return .unavailable(unavailability(error))
    }
    let error = RPCError.from(error)
    guard error.code == .dataLoss else { return .unavailable(error) }
    return .log(StreamLog(refusing: RPCError(.dataLoss, "\(stream): \(error.message)")))
  }

  /// What the clients of a model are told while its records cannot be written.
  private static func unavailability(_ error: EngineError) -> RPCError {
    RPCError(
      error.code == .resourceExhausted ? .resourceExhausted : .unavailable, error.message,
      cause: error)
  }

  /// The records of a model cannot be written: what it computed since is forgotten, and its next
  /// owner goes on from what is on disk.
  private func failed(_ stream: String, _ segment: JournalSegment, _ error: EngineError) {
    let isOurs = owned.withLock { owned in
      guard owned[stream]?.segment === segment else { return false }
      owned[stream] = nil
      return true
    }
    guard isOurs else { return }
    log.error("the journal of \(stream) cannot be written: \(error)")
    closeStream.withLock { $0 }(stream, Self.unavailability(error))
  }

  // MARK: Snapshots, on the compute thread

  /// Waits until all outcomes so far are durable: a snapshot must not be ahead of them.
  func flush(_ stream: String) throws {
    guard let segment = owned.withLock({ $0[stream]?.segment }) else { return }
    try writer.flush(segment)
  }

  /// A snapshot that contains everything below `firstSeq` is durable: begins a new segment if this
  /// one is long, and removes what nobody needs any more.
  func snapshotTaken(_ stream: String, firstSeq: UInt64) throws {
    try owned.withLock { owned in
      guard var model = owned[stream] else { return }
      if model.segment.durableBytes >= Self.segmentBytes {
        // Nothing can be added meanwhile: whoever adds needs this lock.
        try writer.flush(model.segment)
        let last = model.segment.name
        let name = SegmentName(epoch: last.epoch, index: last.index + 1)
        var opening = JournalRecord.Opening(
          of: stream, epoch: last.epoch, firstSeq: model.nextSeq)
        opening.predecessor = model.segment.seal
        model.segment = try model.folder.begin(name, opening)
        model.chain.append((name: name, firstSeq: model.nextSeq))
      }
      let answers = UInt64(StreamLog.maximumAnswers)
      // 0 says that no answer was acknowledged, that of seq 0 neither.
      let unacknowledged = model.acked == 0 ? 0 : model.acked + 1
      let needed = min(
        firstSeq, max(unacknowledged, model.nextSeq - min(model.nextSeq, answers)))
      if let first = model.chain.lastIndex(where: { $0.firstSeq <= needed }), first > 0 {
        try model.folder.retire(before: model.chain[first].name)
        model.chain.removeFirst(first)
      }
      owned[stream] = model
    }
    try ModelSnapshot.removeOld(in: folder(of: stream), storage: storage)
  }
}

extension JournalRecord.Opening {
  /// An opening by this program on this CPU.
  fileprivate init(of stream: String, epoch: UInt64, firstSeq: UInt64) {
    self.init()
    numericsVersion = "\(Numerics.version) \(Numerics.precision)"
    instructionSet = Numerics.instructionSet
    self.stream = stream
    self.epoch = epoch
    self.firstSeq = firstSeq
  }
}
