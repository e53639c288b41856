package import Engine
internal import Synchronization

/// A segment that is being written. Records are handed over from any thread; `JournalWriter` writes
/// them on its own.
package final class JournalSegment: Sendable {
  package typealias Completion = @Sendable (Result<Void, EngineError>) -> Void

  /// What was handed over and not written yet.
  struct Pending {
    var body: [UInt8] = []
    var completions: [Completion] = []
  }

  private struct State: ~Copyable {
    var pending = Pending()
    /// Bytes written and synced, and their checksum.
    var length: UInt64 = 0
    var checksum = CRC32C()
    /// Why nothing more can be written.
    var failure: EngineError?
  }

  package let name: SegmentName
  private let state: Mutex<State>
  /// Touched by the writer's thread only.
  private let file: WriterOwned

  /// Whether nobody has taken over, as far as the folder says now.
  private let isCurrent: @Sendable () -> Bool

  private struct WriterOwned: @unchecked Sendable {
    let file: any StorageFile
  }

  init(name: SegmentName, file: any StorageFile, isCurrent: @escaping @Sendable () -> Bool) {
    self.name = name
    self.file = WriterOwned(file: file)
    self.isCurrent = isCurrent
    state = Mutex(State())
  }

  /// Bytes that are durable.
  package var durableBytes: UInt64 { state.withLock { $0.length } }

  /// The segment as far as it is durable, for its successor's opening.
  package var seal: JournalRecord.Seal {
    state.withLock {
      JournalRecord.Seal(segment: name, length: $0.length, checksum: $0.checksum.value)
    }
  }

  /// Why the segment takes nothing more; nil while it does.
  package var failure: EngineError? { state.withLock { $0.failure } }

  /// Adds a record (or none) to the next block.
  /// - Returns: whether the segment waits for the writer now.
  func add(_ record: JournalRecord?, _ completion: Completion?) -> Bool {
    let encoded = record?.encoded() ?? []
    let (failure, isDue) = state.withLock { state -> (EngineError?, Bool) in
      if let failure = state.failure { return (failure, false) }
      state.pending.body += encoded
      if let completion { state.pending.completions.append(completion) }
      return (nil, !state.pending.completions.isEmpty)
    }
    if let failure { completion?(.failure(failure)) }
    return isDue
  }

  /// Writes and syncs what was handed over, as one block. On the writer's thread.
  func commit() {
    let (pending, offset) = state.withLock { state in
      defer { state.pending = Pending() }
      return (state.pending, state.length)
    }
    guard !pending.body.isEmpty else {
      for completion in pending.completions { completion(.success(())) }
      return
    }
    do {
      guard pending.body.count <= JournalBlock.maximumBody else {
        throw EngineError(.resourceExhausted, "a commit of \(pending.body.count) bytes")
      }
      let block = JournalBlock.encode(pending.body, at: offset)
      try block.withUnsafeBytes { try file.file.append($0) }
      try file.file.sync()
      // Whoever takes over may have read the segment before this was in it.
      guard isCurrent() else {
        throw EngineError(.failedPrecondition, "another owner has taken over")
      }
      state.withLock { state in
        state.length += UInt64(block.count)
        block.withUnsafeBytes { state.checksum.add($0) }
      }
      for completion in pending.completions { completion(.success(())) }
    } catch {
      fail(pending, error)
    }
  }

  /// What was written of the block may or may not be there: nothing can follow it.
  private func fail(_ pending: Pending, _ error: any Error) {
    let failure =
      error as? EngineError
      ?? EngineError(.internal, "the journal cannot be written", cause: error)
    let late = state.withLock { state in
      state.failure = failure
      defer { state.pending = Pending() }
      return state.pending.completions
    }
    for completion in pending.completions + late { completion(.failure(failure)) }
  }

  func close() throws { try file.file.close() }
}
