import Crypto
package import Engine
import Foundation
import RPC
package import Wire

/// Checkpoints on disk. A folder each, written aside and renamed into place, with a manifest that
/// holds a SHA-256 of every file, checked on load.
package struct CheckpointStore: Sendable {
  package static let manifestName = "checkpoint.json"

  let folder: String
  let storage: any Storage

  /// - Parameter folder: the data folder.
  package init(folder: String, storage: any Storage) {
    self.folder = folder
    self.storage = storage
  }

  /// The folder of all checkpoints: `<model>/<kind>/<name>` below it.
  package var root: String { "\(folder)/checkpoints" }

  /// The folder of a checkpoint.
  package func url(_ path: CheckpointPath) -> String { "\(folder)/\(path.relativeFolder)" }

  package func exists(_ path: CheckpointPath) -> Bool {
    FileManager.default.fileExists(atPath: manifestFile(path))
  }

  /// Which version of a checkpoint is there; nil if there is none.
  package func identity(_ path: CheckpointPath) -> FileIdentity? {
    FileIdentity(manifestFile(path))
  }

  private func manifestFile(_ path: CheckpointPath) -> String {
    "\(url(path))/\(Self.manifestName)"
  }

  // MARK: Writing

  /// Writes a checkpoint whose files `body` makes in the folder it is given.
  ///
  /// - Returns: the manifest as it was stored.
  /// - Throws: ALREADY_EXISTS unless `overwrite`.
  @discardableResult
  package func write(
    _ path: CheckpointPath, overwrite: Bool, manifest: Manifest, _ body: (String) throws -> Void
  ) throws -> Manifest {
    if !overwrite, exists(path) {
      throw RPCError(
        .alreadyExists, "\(path.text) exists already; say overwrite to replace it", field: "name")
    }
    var manifest = manifest
    let target = url(path)
    try storage.makeDirectory((target as NSString).deletingLastPathComponent)
    try storage.replaceDirectory(target) { aside in
      try body(aside)
      manifest.files = try Self.digests(in: aside)
      let sealed = try SealedManifest(manifest)
      try storage.writeFile("\(aside)/\(Self.manifestName)", sealed.write)
    }
    return manifest
  }

  /// Changes a checkpoint's manifest in place.
  /// - Returns: what it is now.
  package func update(
    _ path: CheckpointPath, _ change: (inout Manifest) -> Void
  ) throws -> Manifest {
    var manifest = try manifest(path)
    change(&manifest)
    let sealed = try SealedManifest(manifest)
    do {
      try storage.replaceFile(manifestFile(path), sealed.write)
    } catch {
      // A worker may have removed it meanwhile (`keep_last`).
      guard exists(path) else { throw Self.missing(path) }
      throw error
    }
    return manifest
  }

  /// Removes a checkpoint: gone for readers at once, and never there in part.
  package func remove(_ path: CheckpointPath) throws {
    let target = url(path)
    let aside = "\(target).\(getpid())\(Leftover.goneSuffix)"
    try storage.remove(aside)
    do {
      try storage.rename(target, to: aside)
    } catch {
      guard exists(path) else { throw Self.missing(path) }
      throw error
    }
    try storage.syncDirectory((target as NSString).deletingLastPathComponent)
    try storage.remove(aside)
  }

  // MARK: Reading

  /// - Throws: `notFound` when there is no such checkpoint or it expired, `dataLoss` when its
  ///   manifest is damaged.
  package func manifest(
    _ path: CheckpointPath, field: String = "path"
  ) throws(EngineError) -> Manifest {
    let manifest = try stored(path, field: field)
    guard !manifest.isExpired(at: Self.now()) else {
      throw EngineError(.notFound, "the checkpoint \(path.text) has expired", field: field)
    }
    return manifest
  }

  /// The manifest of a checkpoint that a tenant may read.
  ///
  /// - Throws: as `manifest`; those of others are `notFound` unless they are published.
  package func manifest(
    _ path: CheckpointPath, for tenant: some StringProtocol, field: String = "path"
  ) throws(EngineError) -> Manifest {
    let manifest = try manifest(path, field: field)
    guard manifest.isReadable(by: tenant) else { throw Self.missing(path, field: field) }
    return manifest
  }

  /// The manifest for a tenant, after the files were compared with it.
  ///
  /// - Throws: also `dataLoss` naming the file that differs.
  package func verified(
    _ path: CheckpointPath, for tenant: some StringProtocol, field: String = "path"
  ) throws(EngineError) -> Manifest {
    let manifest = try manifest(path, for: tenant, field: field)
    do {
      try Self.check(manifest.files, in: url(path), of: path.text)
    } catch {
      // Removed while it was being read.
      guard exists(path) else { throw Self.missing(path, field: field) }
      throw error
    }
    return manifest
  }

  /// The manifest, expired or not.
  package func stored(
    _ path: CheckpointPath, field: String = "path"
  ) throws(EngineError) -> Manifest {
    guard exists(path) else { throw Self.missing(path, field: field) }
    let manifest: Manifest
    do {
      manifest = try SealedManifest.read(manifestFile(path))
    } catch {
      throw EngineError(
        .dataLoss, "\(Self.manifestName) of \(path.text) is damaged", cause: error)
    }
    // What a crash left beside a checkpoint says that it is that checkpoint.
    guard manifest.path == path.text else { throw Self.missing(path, field: field) }
    return manifest
  }

  private static func missing(_ path: CheckpointPath, field: String = "path") -> EngineError {
    EngineError(.notFound, "there is no checkpoint \(path.text)", field: field)
  }

  /// The names in the folder of a model's checkpoints of one kind; not all need be checkpoints.
  package func names(_ model: String, _ kind: CheckpointKind) -> [String] {
    let folder = "\(root)/\(model)/\(CheckpointPath.folder(kind))"
    return (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
  }

  /// The checkpoints of the same model and kind, with it: named ones or those without.
  func siblings(of path: CheckpointPath) -> [CheckpointPath] {
    let parent = "\(folder)/\(path.relativeParent)"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? []
    return names.compactMap { name in
      let text = "tinsmith://\(path.model)/\(CheckpointPath.folder(path.kind))/\(name)"
      guard let sibling = try? CheckpointPath(text, field: "name"),
        sibling.isUnnamed == path.isUnnamed
      else { return nil }
      return sibling
    }
  }

  // MARK: Digests

  /// Compares files with what a manifest says of them.
  /// - Throws: `dataLoss` naming the file and whose it is.
  package static func check(
    _ files: [String: Manifest.File], in folder: String, of owner: String
  ) throws(EngineError) {
    for (name, expected) in files {
      guard let actual = try? digest("\(folder)/\(name)"), actual == expected else {
        throw EngineError(.dataLoss, "\(name) of \(owner) does not match its manifest")
      }
    }
  }

  /// What a manifest says of the files in a folder.
  package static func digests(in folder: String) throws -> [String: Manifest.File] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    return try Dictionary(
      uniqueKeysWithValues: names.map { ($0, try digest("\(folder)/\($0)")) })
  }

  private static func digest(_ path: String) throws -> Manifest.File {
    let data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    return Manifest.File(bytes: data.count, sha256: SHA256.hash(data: data).hexadecimal)
  }

  /// Milliseconds since 1970.
  package static func now() -> UInt64 { UInt64(Date().timeIntervalSince1970 * 1000) }
}

extension SHA256.Digest {
  /// Lower-case hex digits.
  var hexadecimal: String { map { String(format: "%02x", $0) }.joined() }
}
