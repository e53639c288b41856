import Engine
import Foundation
import Journal
import Synchronization
import TestSupport
import Testing
import Wire

@Suite struct CRC32CTests {
  @Test("Published values, whole and in pieces", arguments: [0, 1, 4, 9])
  func known(cut: Int) {
    let digits = Array("123456789".utf8)
    var crc = CRC32C()
    digits[..<cut].withUnsafeBytes { crc.add($0) }
    digits[cut...].withUnsafeBytes { crc.add($0) }
    #expect(crc.value == 0xe306_9283)
    // RFC 3720, B.4: 32 bytes of zeros, of ones, ascending.
    #expect([UInt8](repeating: 0, count: 32).withUnsafeBytes(CRC32C.of) == 0x8a91_36aa)
    #expect([UInt8](repeating: 255, count: 32).withUnsafeBytes(CRC32C.of) == 0x62a8_ab43)
    #expect([UInt8](0..<32).withUnsafeBytes(CRC32C.of) == 0x46dd_794e)
  }
}

func request(_ seq: UInt64, bytes: Int = 40) -> JournalRecord {
  var request = JournalRecord.Request()
  request.seq = seq
  request.method = 300
  request.flags = 5
  request.tenant = "acme"
  request.digest = [UInt8](repeating: UInt8(truncatingIfNeeded: seq), count: 32)
  request.payload = Payload(
    body: Bytes([UInt8](repeating: 7, count: bytes)),
    attachments: [Bytes([1, 2, 3]), .empty, Bytes([UInt8](0..<100))])
  return .request(request)
}

func outcome(_ seq: UInt64, code: UInt32 = 0) -> JournalRecord {
  var outcome = JournalRecord.Outcome()
  outcome.seq = seq
  outcome.code = code
  outcome.message = code == 0 ? "" : "später"
  outcome.field = code == 0 ? "" : "data[0]"
  outcome.ran = true
  outcome.payload = Payload(body: Bytes([9, 8, UInt8(truncatingIfNeeded: seq)]))
  outcome.info = [0, 17, .max - 1, 0, 3]
  return .outcome(outcome)
}

func opening(
  _ name: SegmentName, firstSeq: UInt64 = 0, after predecessor: JournalRecord.Seal? = nil
) -> JournalRecord.Opening {
  var opening = JournalRecord.Opening()
  opening.stream = "s:train:0"
  opening.epoch = name.epoch
  opening.firstSeq = firstSeq
  opening.numericsVersion = "1"
  opening.instructionSet = "v3"
  opening.predecessor = predecessor
  return opening
}

extension JournalWriter {
  /// Waits until a record is durable.
  func commitNow(_ record: JournalRecord, to segment: JournalSegment) async throws {
    try await withCheckedThrowingContinuation { done in
      commit(record, to: segment) { done.resume(with: $0.mapError { $0 as any Error }) }
    }
  }
}

@Suite struct JournalTests {
  private let first = SegmentName(epoch: 1, index: 0)

  @Test("What was committed is read again, in order")
  func roundTrip() async throws {
    let folder = try TemporaryFolder()
    let journal = JournalFolder(path: "\(folder.path)/a/b", storage: FileStorage())
    #expect(try journal.history(from: 0).chain.isEmpty)
    let writer = JournalWriter()
    let segment = try journal.begin(first, opening(first))
    writer.add(request(0), to: segment)
    try await writer.commitNow(outcome(0), to: segment)
    writer.add(request(1, bytes: 0), to: segment)
    try await writer.commitNow(outcome(1, code: 9), to: segment)
    writer.stop()
    let history = try journal.history(from: 0)
    #expect(history.records == [request(0), outcome(0), request(1, bytes: 0), outcome(1, code: 9)])
    #expect(history.lastOpening == opening(first))
    #expect(history.chain.map(\.name) == [first])
    #expect(history.nextEpoch == 2)
    #expect(!history.isTorn)
    #expect(history.seal == segment.seal)
  }

  @Test("Records of many threads: each is durable when its completion says so, none twice")
  func groupCommit() async throws {
    let folder = try TemporaryFolder()
    let storage = RecordingStorage(root: folder.path)
    let writer = JournalWriter()
    let segments = try (0..<3).map { model in
      try JournalFolder(path: "\(folder.path)/\(model)", storage: storage)
        .begin(first, opening(first))
    }
    try await withThrowingTaskGroup { group in
      for i in 0..<300 {
        group.addTask { try await writer.commitNow(outcome(UInt64(i)), to: segments[i % 3]) }
      }
      try await group.waitForAll()
    }
    writer.stop()
    for model in 0..<3 {
      let history = try JournalFolder(path: "\(folder.path)/\(model)", storage: storage)
        .history(from: 0)
      let seqs = history.records.compactMap { record in
        if case .outcome(let outcome) = record { outcome.seq } else { nil }
      }
      #expect(seqs.sorted() == (0..<300).filter { $0 % 3 == model }.map(UInt64.init))
    }
    let syncs = storage.operations.filter { if case .sync = $0 { true } else { false } }
    #expect(syncs.count < 303, "commits share syncs")
  }

  @Test("A segment cut at any byte is read up to its last whole block")
  func torn() async throws {
    let (folder, file, lengths) = try await threeBlocks()
    let whole = try Data(contentsOf: file)
    let journal = JournalFolder(path: folder.path, storage: FileStorage())
    for cut in 0..<whole.count {
      try whole[..<cut].write(to: file)
      let history = try journal.history(from: 0)
      let blocks = lengths.count { $0 <= cut }
      #expect(history.records.count == max(0, blocks - 1), "cut at \(cut)")
      #expect(history.isTorn == (blocks > 0 && !lengths.contains(cut)), "cut at \(cut)")
    }
  }

  @Test("A flipped bit is damage that is named, or in the last block a commit that never was")
  func flipped() async throws {
    let (folder, file, lengths) = try await threeBlocks()
    let whole = try Data(contentsOf: file)
    let journal = JournalFolder(path: folder.path, storage: FileStorage())
    for byte in 0..<whole.count {
      var bytes = whole
      bytes[byte] ^= UInt8(1 << (byte % 8))
      try bytes.write(to: file)
      if byte >= lengths[lengths.count - 2] {
        let history = try journal.history(from: 0)
        #expect(history.isTorn && history.records.count == lengths.count - 2, "byte \(byte)")
      } else {
        let error = #expect(throws: EngineError.self) { try journal.history(from: 0) }
        #expect(error?.code == .dataLoss)
        #expect(error?.message.contains("1-0.log") == true, "byte \(byte)")
      }
    }
  }

  /// A segment of an opening and three blocks, and where each block ends.
  private func threeBlocks() async throws -> (TemporaryFolder, URL, [Int]) {
    let folder = try TemporaryFolder()
    let writer = JournalWriter()
    let segment = try JournalFolder(path: folder.path, storage: FileStorage())
      .begin(first, opening(first))
    var ends = [Int(segment.durableBytes)]
    for seq in 0..<3 {
      try await writer.commitNow(outcome(UInt64(seq)), to: segment)
      ends.append(Int(segment.durableBytes))
    }
    writer.stop()
    return (folder, URL(fileURLWithPath: "\(folder.path)/1-0.log"), ends)
  }

  @Test("A replaced owner cannot take a name, and what it still writes does not count")
  func takeover() async throws {
    let folder = try TemporaryFolder()
    let journal = JournalFolder(path: folder.path, storage: FileStorage())
    let writer = JournalWriter()
    let old = try journal.begin(first, opening(first))
    try await writer.commitNow(outcome(0), to: old)
    let before = try journal.history(from: 0)
    let second = SegmentName(epoch: before.nextEpoch, index: 0)
    let new = try journal.begin(second, opening(second, firstSeq: 1, after: before.seal))
    let refused = #expect(throws: EngineError.self) {
      try journal.begin(second, opening(second, firstSeq: 1, after: before.seal))
    }
    #expect(refused?.code == .failedPrecondition)
    let late = await #expect(throws: EngineError.self) {
      try await writer.commitNow(outcome(1), to: old)
    }
    #expect(late?.code == .failedPrecondition)
    try await writer.commitNow(outcome(1, code: 9), to: new)
    writer.stop()
    let history = try journal.history(from: 0)
    #expect(history.records == [outcome(0), outcome(1, code: 9)])
    #expect(history.chain.map(\.name) == [first, second])
    // With a snapshot up to seq 1 the first segment is not needed.
    try journal.retire(before: second)
    #expect(try journal.history(from: 1).records == [outcome(1, code: 9)])
    let lost = #expect(throws: EngineError.self) { try journal.history(from: 0) }
    #expect(lost?.code == .dataLoss)
  }

  @Test("What is written after somebody has claimed the journal is told to nobody")
  func claimed() async throws {
    let folder = try TemporaryFolder()
    let journal = JournalFolder(path: folder.path, storage: FileStorage())
    let writer = JournalWriter()
    let old = try journal.begin(first, opening(first))
    try await writer.commitNow(outcome(0), to: old)
    // The new owner has read nothing yet.
    let claim = try journal.claim(SegmentName(epoch: first.epoch + 1, index: 0))
    #expect(try journal.history(from: 0).records == [outcome(0)])
    let late = await #expect(throws: EngineError.self) {
      try await writer.commitNow(outcome(1), to: old)
    }
    #expect(late?.code == .failedPrecondition)
    writer.stop()
    // It may find the record or not: its client is answered by the new owner.
    #expect(try journal.history(from: 0).records == [outcome(0), outcome(1)])
    journal.withdraw(claim)
    #expect(journal.segments() == [first])
  }

  @Test("A disk that refuses a write fails what waits, and everything after it")
  func failing() async throws {
    let folder = try TemporaryFolder()
    let storage = FailingStorage()
    let writer = JournalWriter()
    let journal = JournalFolder(path: folder.path, storage: storage)
    let segment = try journal.begin(first, opening(first))
    try await writer.commitNow(outcome(0), to: segment)
    storage.isFull.store(true, ordering: .relaxed)
    for seq in 1...2 as ClosedRange<UInt64> {
      let error = await #expect(throws: EngineError.self) {
        try await writer.commitNow(outcome(seq), to: segment)
      }
      #expect(error?.code == .resourceExhausted)
      // Also when there would be room again: half of the block may be there.
      storage.isFull.store(false, ordering: .relaxed)
    }
    writer.stop()
    #expect(try journal.history(from: 0).records == [outcome(0)])
  }
}

/// A disk that can be full.
private final class FailingStorage: Storage {
  let isFull = Atomic(false)
  private let local = FileStorage()

  func makeDirectory(_ path: String) throws { try local.makeDirectory(path) }
  func create(_ path: String) throws -> any StorageFile { try local.create(path) }
  func createNew(_ path: String) throws -> any StorageFile {
    File(file: try local.createNew(path), storage: self)
  }
  func rename(_ source: String, to destination: String) throws {
    try local.rename(source, to: destination)
  }
  func exchange(_ source: String, with destination: String) throws {
    try local.exchange(source, with: destination)
  }
  func syncDirectory(_ path: String) throws { try local.syncDirectory(path) }
  func remove(_ path: String) throws { try local.remove(path) }

  private final class File: StorageFile {
    let file: any StorageFile
    let storage: FailingStorage

    init(file: any StorageFile, storage: FailingStorage) {
      (self.file, self.storage) = (file, storage)
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
      guard storage.isFull.load(ordering: .relaxed) else { return try file.append(bytes) }
      try file.append(UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)]))
      throw EngineError(.resourceExhausted, "no space")
    }

    func sync() throws { try file.sync() }
    func close() throws { try file.close() }
  }
}
