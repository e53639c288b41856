package import Engine
internal import Foundation

/// A model's folder of segments: which of them count, and how a new owner takes over.
///
/// Segments form a chain: each opens with the seal of the one before it. The newest segment with a
/// good opening is its end; what is not on the chain was written by an owner that had been replaced.
package struct JournalFolder: Sendable {
  package let path: String
  private let storage: any Storage

  package init(path: String, storage: any Storage) {
    self.path = path
    self.storage = storage
  }

  /// What a journal says of a model.
  package struct History: Sendable {
    /// Requests and outcomes in the order in which they were written.
    package var records: [JournalRecord] = []
    /// The segments of the chain, oldest first, with the first seq that each may hold.
    package var chain: [(name: SegmentName, firstSeq: UInt64)] = []
    /// The end of the chain; nil for a model without a journal.
    package var seal: JournalRecord.Seal?
    package var lastOpening: JournalRecord.Opening?
    /// A commit at the end that a crash cut; nobody was told of it.
    package var isTorn = false
    /// Above every epoch that was ever begun here.
    package var nextEpoch: UInt64 = 1
  }

  /// All segments in the folder, oldest first.
  package func segments() -> [SegmentName] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.compactMap(SegmentName.init(fileName:)).sorted()
  }

  /// Whether nobody has claimed the journal at a higher epoch, as far as the folder says now.
  package func isCurrent(_ epoch: UInt64) -> Bool {
    segments().last.map { $0.epoch <= epoch } ?? true
  }

  // MARK: Reading

  /// Reads the chain.
  /// - Parameter firstSeq: requests below it are in a snapshot; segments that only hold such need
  ///   not be there.
  /// - Throws: `dataLoss` naming the segment that is missing or damaged.
  package func history(from firstSeq: UInt64) throws(EngineError) -> History {
    var history = History()
    let names = segments()
    history.nextEpoch = (names.last?.epoch ?? 0) + 1
    guard var (name, contents) = try newest(names) else { return history }
    history.isTorn = contents.isTorn
    var parts: [[JournalRecord]] = []
    var sealed: UInt64?
    while true {
      guard case .opening(let opening)? = contents.records.first else {
        throw JournalBlock.damage(file(name), 0, "no opening")
      }
      if history.lastOpening == nil {
        history.lastOpening = opening
        history.seal = JournalRecord.Seal(
          segment: name, length: contents.length, checksum: contents.checksum)
      }
      history.chain.append((name, opening.firstSeq))
      parts.append(Array(contents.records.dropFirst()))
      guard let before = opening.predecessor else { break }
      name = before.segment
      // What is only kept for its answers may be gone.
      let isNeeded = opening.firstSeq > firstSeq
      guard isNeeded || FileManager.default.fileExists(atPath: file(name)) else { break }
      sealed = before.length
      contents = try read(name, sealed: sealed, checksum: before.checksum)
    }
    history.chain.reverse()
    history.records = parts.reversed().flatMap(\.self)
    return history
  }

  /// The newest segment whose opening is there: one without was created by an owner that ended
  /// before it had taken over.
  private func newest(
    _ names: [SegmentName]
  ) throws(EngineError) -> (SegmentName, JournalBlock.Contents)? {
    for name in names.reversed() {
      let contents = try read(name)
      if !contents.records.isEmpty { return (name, contents) }
    }
    return nil
  }

  private func file(_ name: SegmentName) -> String { "\(path)/\(name)" }

  private func bytes(_ name: SegmentName) throws(EngineError) -> Data {
    do {
      return try Data(contentsOf: URL(fileURLWithPath: file(name)))
    } catch {
      throw EngineError(.dataLoss, "the journal \(file(name)) cannot be read", cause: error)
    }
  }

  private func read(
    _ name: SegmentName, sealed: UInt64? = nil, checksum: UInt32? = nil
  ) throws(EngineError) -> JournalBlock.Contents {
    let data = try bytes(name)
    let result = data.withUnsafeBytes { bytes in
      Result { () throws(EngineError) in
        try JournalBlock.read(bytes, file: file(name), sealed: sealed)
      }
    }
    let contents = try result.get()
    if let checksum, contents.checksum != checksum {
      throw JournalBlock.damage(file(name), 0, "its successor sealed other bytes")
    }
    return contents
  }

  // MARK: Writing

  /// A segment's file without an opening: it counts for nothing yet, but says that somebody takes
  /// over.
  package struct Claim {
    fileprivate let name: SegmentName
    fileprivate let file: any StorageFile
  }

  /// Takes the name of a segment, which must be new.
  ///
  /// A new owner does so before it reads the history, and every owner looks for claims after each
  /// write and before anybody is told of it (`JournalSegment`). So of two owners at least one sees the
  /// other: either an answer is in the history that the new owner reads, or it is never given.
  /// - Throws: `failedPrecondition` when somebody else took the name: this owner was replaced.
  package func claim(_ name: SegmentName) throws -> Claim {
    try storage.makeDirectory(path)
    let claim = Claim(name: name, file: try storage.createNew(file(name)))
    try storage.syncDirectory(path)
    return claim
  }

  /// Nobody takes over after all.
  package func withdraw(_ claim: Claim) {
    try? claim.file.close()
    try? storage.remove(file(claim.name))
  }

  /// Makes a segment's opening durable.
  /// - Parameter carried: records of the segments before it that go on in this one, as part of its
  ///   first block.
  package func begin(
    _ claim: Claim, _ opening: JournalRecord.Opening, carrying carried: [JournalRecord] = []
  ) throws -> JournalSegment {
    let epoch = claim.name.epoch
    let segment = JournalSegment(name: claim.name, file: claim.file) { [self] in isCurrent(epoch) }
    for record in [.opening(opening)] + carried { _ = segment.add(record, nil) }
    segment.commit()
    if let failure = segment.failure { throw failure }
    return segment
  }

  /// Takes the name of a segment and makes its opening durable.
  package func begin(
    _ name: SegmentName, _ opening: JournalRecord.Opening, carrying carried: [JournalRecord] = []
  ) throws -> JournalSegment {
    try begin(claim(name), opening, carrying: carried)
  }

  /// Removes the segments before `first`: nothing in them is needed any more.
  package func retire(before first: SegmentName) throws {
    for name in segments() where name < first { try storage.remove(file(name)) }
    try storage.syncDirectory(path)
  }
}
