import Checkpoints
import Engine
import Foundation
import Journal
import Wire

/// A model on disk as it was between two requests: adapter, Adam's moments, unapplied gradients and
/// counters, in a folder `snapshot-<first seq>` of the model's folder, with a manifest that has a
/// SHA-256 of every file.
struct ModelSnapshot {
  private static let manifestName = "snapshot.json"
  private static let prefix = "snapshot-"

  struct Manifest: Codable {
    var model: String
    var baseModel: String
    /// The first request that it does not contain.
    var firstSeq: UInt64
    /// A forward_backward since the last optim_step failed.
    var isAccumulationBroken: Bool
    var userMetadata: [String: String]
    /// The outcome of the request before `firstSeq`, encoded, where the snapshot came before its
    /// record in the journal.
    var lastOutcome: Data?
    /// There is no model: it was unloaded, or never made. Absent for one.
    var isVacant: Bool?
    var files: [String: CheckpointStore.Manifest.File]
  }

  let folder: String
  let manifest: Manifest

  /// The outcome that the journal may lack.
  var lastOutcome: JournalRecord? {
    manifest.lastOutcome.flatMap { JournalRecord(decoding: [UInt8]($0)) }
  }

  /// Writes a snapshot of a model; after a crash it is there whole or not at all.
  static func write(
    _ model: TrainedModel, lastOutcome: JournalRecord?, in folder: String, storage: any Storage
  ) throws {
    var manifest = Manifest(
      model: model.id, baseModel: model.base.model.name, firstSeq: model.nextSeq,
      isAccumulationBroken: model.isAccumulationBroken, userMetadata: model.userMetadata,
      lastOutcome: lastOutcome.map { Data($0.encoded()) }, files: [:])
    try storage.makeDirectory(folder)
    try storage.replaceDirectory("\(folder)/\(prefix)\(model.nextSeq)") { aside in
      try AdapterFiles.write(
        model.adapter, base: model.base.model.name, to: aside, storage: storage)
      try TrainingStateFiles.write(
        model.adapter, includesGradient: true, to: aside, storage: storage)
      manifest.files = try CheckpointStore.digests(in: aside)
      let sealed = try SealedManifest(manifest)
      try storage.writeFile("\(aside)/\(manifestName)", sealed.write)
    }
  }

  /// Writes that a stream has no model; after a crash that is there whole or not at all.
  static func writeVacant(
    _ model: String, firstSeq: UInt64, lastOutcome: JournalRecord?, in folder: String,
    storage: any Storage
  ) throws {
    let manifest = Manifest(
      model: model, baseModel: "", firstSeq: firstSeq, isAccumulationBroken: false,
      userMetadata: [:], lastOutcome: lastOutcome.map { Data($0.encoded()) }, isVacant: true,
      files: [:])
    let sealed = try SealedManifest(manifest)
    try storage.makeDirectory(folder)
    try storage.replaceDirectory("\(folder)/\(prefix)\(firstSeq)") { aside in
      try storage.writeFile("\(aside)/\(manifestName)", sealed.write)
    }
  }

  /// Whether the snapshot before a seq can be seen, durable or not.
  static func exists(before seq: UInt64, in folder: String) -> Bool {
    seqs(in: folder).contains(seq)
  }

  /// The seqs of the snapshots in a model's folder, oldest first.
  static func seqs(in folder: String) -> [UInt64] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.compactMap { name in
      name.hasPrefix(prefix) ? UInt64(name.dropFirst(prefix.count)) : nil
    }.sorted()
  }

  /// Removes the snapshots before the newest one, and what a crash left of one being written.
  static func removeOld(in folder: String, storage: any Storage) throws {
    for seq in seqs(in: folder).dropLast() { try storage.remove("\(folder)/\(prefix)\(seq)") }
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    where name.hasPrefix(prefix) && name.hasSuffix(".tmp") {
      try storage.remove("\(folder)/\(name)")
    }
  }

  /// The newest snapshot in a model's folder, its files compared with the manifest; nil if there
  /// is none.
  ///
  /// - Throws: `dataLoss` naming what is damaged.
  init?(newestIn modelFolder: String) throws(EngineError) {
    guard let seq = Self.seqs(in: modelFolder).last else { return nil }
    folder = "\(modelFolder)/\(Self.prefix)\(seq)"
    do {
      manifest = try SealedManifest.read("\(folder)/\(Self.manifestName)")
    } catch {
      throw EngineError(.dataLoss, "the manifest of \(folder) is damaged", cause: error)
    }
    guard manifest.firstSeq == seq else {
      throw EngineError(.dataLoss, "\(folder) holds the state before seq \(manifest.firstSeq)")
    }
    try CheckpointStore.check(manifest.files, in: folder, of: folder)
  }
}
