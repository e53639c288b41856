import Engine
import Foundation
import Journal
import TestSupport
import Testing

/// After a power loss at any moment the journal can be read, and holds all that anybody was told of.
@Suite struct PowerCutTests {
  /// Moments: after how many operations each outcome was announced as durable.
  private struct Told {
    var outcomes: [(seq: UInt64, operations: Int)] = []
    /// From here on requests below 4 are in a snapshot.
    var snapshot = Int.max
  }

  @Test("Two owners, a hand-over and a retired segment: every cut, every loss, every tear")
  func everyCut() async throws {
    let live = try TemporaryFolder()
    let storage = RecordingStorage(root: live.path)
    let told = try await write(JournalFolder(path: "\(live.path)/m", storage: storage), storage)
    let operations = storage.operations
    let after = try TemporaryFolder()
    var cases = 0
    for count in 0...operations.count {
      let cut = PowerCut(operations, after: count)
      for loss in cut.losses {
        try cut.leave(at: after.path, losing: loss)
        try check(after.path, told, count, "\(count) operations, without \(loss.sorted())")
        cases += 1
      }
      for tear in cut.tears {
        try cut.leave(at: after.path, losing: [], tear: tear)
        try check(after.path, told, count, "\(count) operations, torn at \(tear)")
        cases += 1
      }
    }
    #expect(cases > 100)
  }

  private func write(_ journal: JournalFolder, _ storage: RecordingStorage) async throws -> Told {
    var told = Told()
    let writer = JournalWriter()
    defer { writer.stop() }
    var seal: JournalRecord.Seal?
    var seq: UInt64 = 0
    for name in [(1, 0), (1, 1), (4, 0)].map({ SegmentName(epoch: $0.0, index: $0.1) }) {
      let segment = try journal.begin(name, opening(name, firstSeq: seq, after: seal))
      for _ in 0..<2 {
        writer.add(request(seq), to: segment)
        try await writer.commitNow(outcome(seq), to: segment)
        told.outcomes.append((seq, storage.operations.count))
        seq += 1
      }
      seal = segment.seal
    }
    told.snapshot = storage.operations.count
    try journal.retire(before: SegmentName(epoch: 4, index: 0))
    return told
  }

  private func check(_ path: String, _ told: Told, _ count: Int, _ what: String) throws {
    let firstSeq: UInt64 = count > told.snapshot ? 4 : 0
    let history = try JournalFolder(path: "\(path)/m", storage: FileStorage())
      .history(from: firstSeq)
    let seqs = history.records.compactMap { record -> UInt64? in
      if case .outcome(let outcome) = record { outcome.seq } else { nil }
    }
    let start = seqs.first ?? 0
    #expect(seqs == Array(start..<start + UInt64(seqs.count)), "\(what)")
    for (seq, operations) in told.outcomes where operations <= count && seq >= firstSeq {
      #expect(seqs.contains(seq), "\(what): seq \(seq) is lost")
    }
  }
}
