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
    var records: StreamRecords
    /// To be called when the outcome of a seq is on disk.
    var durable: [UInt64: @Sendable () -> Void] = [:]
  }

  /// A segment this long is followed by another one at the next snapshot.
  private static let segmentBytes: UInt64 = 4 << 20
  /// A stream with so many bytes that are in no snapshot is due for one, which bounds its folder: a
  /// snapshot, these, and the answers that are kept.
  private static let unsavedBytes = 64 << 20

  private let root: String
  private let storage: any Storage
  private let failpoints: Failpoints
  private let submit: @Sendable (@escaping ComputeThread.Job) -> Void
  private let closeStream = Mutex<@Sendable (String, UInt64, RPCError) -> Void>({ _, _, _ in })
  private let writer = JournalWriter()
  /// Opens streams, so that neither the loop nor the compute thread waits for the disk.
  private let queue = DispatchQueue(label: "tinsmith.journal")
  private let owned = Mutex<[String: Owned]>([:])
  /// Streams that were closed here while the compute thread may still be at work on their models, and
  /// how often.
  private let leaving = Mutex<[String: Int]>([:])
  private static let log = Logger(label: "tinsmith.journal")

  /// - Parameter submit: runs something on the compute thread, behind what was said of the same
  ///   stream before.
  init(
    _ configuration: TrainerConfiguration,
    submit: @escaping @Sendable (@escaping ComputeThread.Job) -> Void
  ) {
    root = "\(configuration.dataFolder)/\(SessionFolders.name)"
    storage = configuration.storage
    failpoints = configuration.failpoints
    self.submit = submit
  }

  /// - Parameter close: called when a stream's records cannot be written any more, with the epoch of
  ///   the opening that ended.
  func onFailure(_ close: @escaping @Sendable (String, UInt64, RPCError) -> Void) {
    closeStream.withLock { $0 = close }
  }

  /// Writes what was handed over.
  func stop() { writer.stop() }

  /// A model's folder.
  func folder(of stream: String) -> String { "\(root)/\(stream)" }

  // MARK: StreamJournal

  func open(_ stream: String, epoch: UInt64, done: @escaping @Sendable (OpenedLog) -> Void) {
    let begin: @Sendable () -> Void = { [self] in
      queue.async { [self] in
        do {
          try take(stream, epoch: epoch, done: done)
        } catch {
          done(Self.refusal(stream, error))
        }
      }
    }
    // What is read must not change any more: a snapshot of the opening before may be on its way.
    guard leaving.withLock({ $0[stream] }) == nil else { return submit { _ in begin() } }
    begin()
  }

  func admitted(_ request: AdmittedRequest) {
    owned.withLock { owned in
      guard owned[request.stream]?.segment.name.epoch == request.epoch else { return }
      owned[request.stream]?.records.admitted(JournalRecord.Request(request), acked: request.acked)
    }
    failpoints.pass(.submit)
  }

  func finished(
    _ stream: String, epoch: UInt64, seq: UInt64, _ outcome: Outcome, ran: Bool,
    durable: @escaping @Sendable () -> Void
  ) {
    let record = JournalRecord.Outcome(seq: seq, outcome, ran: ran)
    owned.withLock { owned in
      // A stream that was closed has another owner, who decides; it may be here, too.
      guard let segment = owned[stream]?.segment, segment.name.epoch == epoch else { return }
      owned[stream]?.durable[seq] = durable
      for record in owned[stream]?.records.finished(record) ?? [] {
        guard case .outcome(let outcome) = record else {
          writer.add(record, to: segment)
          continue
        }
        let durable = owned[stream]?.durable.removeValue(forKey: outcome.seq)
        writer.commit(record, to: segment) { [self] result in
          switch result {
          case .success:
            failpoints.pass(.reply)
            durable?()
          case .failure(let error): queue.async { [self] in failed(stream, segment, error) }
          }
        }
      }
    }
  }

  func closed(_ stream: String) {
    owned.withLock { $0[stream] = nil }
    leaving.withLock { $0[stream, default: 0] += 1 }
    submit { [self] _ in
      leaving.withLock { leaving in
        let left = (leaving[stream] ?? 1) - 1
        leaving[stream] = left > 0 ? left : nil
      }
    }
  }

  func isCurrent(_ stream: String, epoch: UInt64) -> Bool {
    JournalFolder(path: folder(of: stream), storage: storage).isCurrent(epoch)
  }

  // MARK: Taking over

  /// Seals what is there, begins a segment, and has the model made as it was.
  private func take(
    _ stream: String, epoch: UInt64, done: @escaping @Sendable (OpenedLog) -> Void
  ) throws {
    // The name comes from a client: it must be one of a folder.
    try CheckpointPath.check(stream, field: "stream")
    let path = folder(of: stream)
    let journal = JournalFolder(path: path, storage: storage)
    guard journal.segments().last.map({ epoch > $0.epoch }) ?? true else {
      throw RPCError(
        .aborted, "epoch \(epoch) of \(stream) is not above that of an owner before")
    }
    // First, so that nothing is answered any more that is not read here.
    let name = SegmentName(epoch: epoch, index: 0)
    let claim = try journal.claim(name)
    let (snapshot, plan): (ModelSnapshot?, ReplayPlan)
    do {
      snapshot = try ModelSnapshot(newestIn: path)
      let history = try journal.history(from: snapshot?.manifest.firstSeq ?? 0)
      plan = try Self.plan(stream, snapshot, history)
      var opening = JournalRecord.Opening(of: stream, epoch: epoch, firstSeq: plan.nextSeq)
      opening.predecessor = history.seal
      let kept = StreamRecords(nextSeq: plan.nextSeq, answers: plan.answers)
      let segment = try journal.begin(claim, opening, carrying: kept.carried)
      owned.withLock {
        $0[stream] = Owned(
          folder: journal, segment: segment,
          chain: history.chain + [(name: name, firstSeq: plan.nextSeq)], records: kept)
      }
    } catch {
      journal.withdraw(claim)
      throw error
    }
    guard snapshot != nil || plan.nextSeq > 0 else { return done(.log(StreamLog())) }
    Self.log.notice(
      "taking over \(stream) before seq \(plan.nextSeq): \(plan.steps.count) requests to replay")
    submit { worker in
      do {
        try worker.recover(stream, snapshot, plan)
        done(.log(StreamLog(plan)))
      } catch {
        worker.close(stream)
        done(Self.refusal(stream, error))
      }
    }
  }

  private static func plan(
    _ stream: String, _ snapshot: ModelSnapshot?, _ history: JournalFolder.History
  ) throws -> ReplayPlan {
    let records = history.records + [snapshot?.lastOutcome].compactMap(\.self)
    let plan = try ReplayPlan(
      records, from: snapshot?.manifest.firstSeq ?? 0, keeping: StreamLog.maximumAnswers)
    if history.isTorn {
      log.warning("a commit of \(stream) behind seq \(plan.nextSeq) was cut; nobody was told of it")
    }
    if !plan.steps.isEmpty { try checkReplays(history) }
    return plan
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
      [.resourceExhausted, .diskFull].contains(error.code) ? .resourceExhausted : .unavailable,
      error.message, cause: error)
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
    Self.log.error("the journal of \(stream) cannot be written: \(error)")
    closeStream.withLock { $0 }(stream, segment.name.epoch, Self.unavailability(error))
  }

  // MARK: Snapshots, on the compute thread

  /// Waits until all outcomes so far are durable: a snapshot must not be ahead of them.
  ///
  /// - Parameter seq: every request below it is in the snapshot that is about to be written.
  /// - Throws: UNAVAILABLE where the stream is not this worker's any more. A snapshot of what its next
  ///   owner does not know of would be in that one's way.
  func flush(_ stream: String, below seq: UInt64) throws {
    let segment = owned.withLock { owned -> JournalSegment? in
      guard let segment = owned[stream]?.segment else { return nil }
      for record in owned[stream]?.records.contained(below: seq) ?? [] {
        writer.add(record, to: segment)
      }
      return segment
    }
    guard let segment, isCurrent(stream, epoch: segment.name.epoch) else {
      throw RPCError(.unavailable, "\(stream) is not at this worker any more")
    }
    try writer.flush(segment)
  }

  /// A stream whose snapshot is due by the bytes that are in none.
  func dueStream() -> String? {
    owned.withLock { $0.first { $1.records.unsavedBytes >= Self.unsavedBytes }?.key }
  }

  /// Every request of a stream below it has had its outcome.
  func firstOpenSeq(of stream: String) -> UInt64? {
    owned.withLock { $0[stream]?.records.firstOpen }
  }

  /// No snapshot could be written: asked for again after as many bytes.
  func snapshotFailed(_ stream: String) { owned.withLock { $0[stream]?.records.saved() } }

  /// A snapshot that contains everything below `firstSeq` is durable: begins a new segment if this
  /// one is long, and removes what nobody needs any more.
  ///
  /// A failure is the next owner's to mend: whether the new segment is there is not known then, and
  /// nothing may be written behind the seal that it may hold.
  /// - Parameter isLast: nothing may come for long, so that the old segment is given up at any length.
  func snapshotTaken(_ stream: String, firstSeq: UInt64, isLast: Bool = false) {
    do {
      try owned.withLock { owned in
        guard var model = owned[stream] else { return }
        model.records.saved()
        if isLast || model.segment.durableBytes >= Self.segmentBytes {
          try beginSegment(stream, &model)
        }
        owned[stream] = model
      }
    } catch {
      return abandon(stream, error)
    }
    do {
      // Answers were carried along, so what a snapshot contains is needed no more.
      try owned.withLock { owned in
        guard var model = owned[stream],
          let first = model.chain.lastIndex(where: { $0.firstSeq <= firstSeq }), first > 0
        else { return }
        try model.folder.retire(before: model.chain[first].name)
        model.chain.removeFirst(first)
        owned[stream] = model
      }
      try ModelSnapshot.removeOld(in: folder(of: stream), storage: storage)
    } catch {
      Self.log.warning("old records of \(stream) stay for now: \(error)")
    }
  }

  /// Nothing can be added meanwhile: whoever adds needs the lock that this is called with.
  private func beginSegment(_ stream: String, _ model: inout Owned) throws {
    try writer.flush(model.segment)
    let last = model.segment.name
    let name = SegmentName(epoch: last.epoch, index: last.index + 1)
    let firstSeq = model.records.firstUnwritten
    var opening = JournalRecord.Opening(of: stream, epoch: last.epoch, firstSeq: firstSeq)
    opening.predecessor = model.segment.seal
    model.segment = try model.folder.begin(name, opening, carrying: model.records.carried)
    model.chain.append((name: name, firstSeq: firstSeq))
  }

  /// What is on disk is not what this owner believes, or cannot be known: the stream is given up, and
  /// its next owner goes by what it finds.
  func abandon(_ stream: String, _ error: any Error) {
    let segment = owned.withLock { $0[stream]?.segment }
    guard let segment else { return }
    let cause =
      error as? EngineError ?? EngineError(.internal, "the journal cannot be written", cause: error)
    failed(stream, segment, cause)
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
