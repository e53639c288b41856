import Engine
import Foundation
import RPC
import Synchronization
import TestSupport
import Testing
import Wire

@testable import Trainer

/// A stream that is closed and opened again at one worker while its compute thread is still at work on
/// the model of the opening before: what the new opening reads does not change any more.
@Suite(.timeLimit(.minutes(30))) struct StaleOpeningTests {
  private static let stream = "s:train:0"

  /// The jobs of a compute thread that runs them when the test says so.
  private final class Jobs: Sendable {
    private let waiting = Mutex<[ComputeThread.Job]>([])

    func add(_ job: @escaping ComputeThread.Job) { waiting.withLock { $0.append(job) } }

    func run(_ worker: Worker) {
      let jobs = waiting.withLock { waiting in
        defer { waiting = [] }
        return waiting
      }
      for job in jobs { job(worker) }
    }
  }

  private static func open(
    _ journal: ModelJournal, _ stream: String = stream, epoch: UInt64
  ) async -> OpenedLog {
    await withCheckedContinuation { done in
      journal.open(stream, epoch: epoch) { done.resume(returning: $0) }
    }
  }

  @Test func aModelThatIsNotOursAnyMoreIsNotWritten() async throws {
    let (folder, jobs) = (try TemporaryFolder(), Jobs())
    let configuration = RecordedModel.configuration("w", "inproc://nowhere", folder.path)
    let journal = ModelJournal(configuration) { jobs.add($0) }
    defer { journal.stop() }
    let worker = try Worker(
      configuration, preparation: Preparation(), journal: journal, statistics: WorkerStatistics(),
      progress: {})
    guard case .log = await Self.open(journal, epoch: 1) else {
      Issue.record("not opened")
      return
    }
    let request = CreateModelRequest(
      baseModel: RecordedModel.base, lora: LoraConfig(rank: 2, seed: 3))
    let model = try worker.createModel(Self.stream, request, tenant: "t")
    worker.open(model)
    model.nextSeq = 1
    try worker.saveSnapshot(model)
    let records = journal.folder(of: Self.stream)
    #expect(ModelSnapshot.seqs(in: records) == [1])

    // The router has given it a new epoch; the compute thread does not know yet.
    journal.closed(Self.stream)
    model.nextSeq = 2
    let error = #expect(throws: RPCError.self) { try worker.saveSnapshot(model) }
    #expect(error?.code == .unavailable)
    #expect(ModelSnapshot.seqs(in: records) == [1])

    // Nothing is read before it has let go of the model.
    let isOpen = Mutex(false)
    async let opened = withCheckedContinuation { done in
      journal.open(Self.stream, epoch: 2) { result in
        isOpen.withLock { $0 = true }
        done.resume(returning: result)
      }
    }
    // Another one passes on the same queue; this one's owner is told when its jobs have run.
    _ = await Self.open(journal, "s:train:1", epoch: 1)
    #expect(!isOpen.withLock { $0 })
    while !isOpen.withLock({ $0 }) {
      jobs.run(worker)
      await Task.yield()
    }
    guard case .log = await opened else {
      Issue.record("not opened again")
      return
    }
    #expect(worker.models[Self.stream]?.nextSeq == 1)
    // Elsewhere a newer owner has begun: that is seen, too.
    let other = ModelJournal(configuration) { _ in }
    defer { other.stop() }
    other.open(Self.stream, epoch: 3) { _ in }
    while journal.isCurrent(Self.stream, epoch: 2) { await Task.yield() }
    let recovered = try #require(worker.models[Self.stream])
    recovered.nextSeq = 5
    #expect(throws: RPCError.self) { try worker.saveSnapshot(recovered) }
  }
}
