import Checkpoints
import Foundation
import GRDB
import Wire

/// The folder of a model's checkpoints of one kind, `<model>/<kind>`, which changes with them.
struct CatalogFolder {
  let model: String
  let kind: CheckpointKind

  init(model: String, kind: CheckpointKind) {
    self.model = model
    self.kind = kind
  }

  init(of path: CheckpointPath) { self.init(model: path.model, kind: path.kind) }

  var path: String { "\(model)/\(CheckpointPath.folder(kind))" }
}

/// A checkpoint in the catalog: its manifest, and the parts of it that are looked for.
struct CatalogRow: Codable, FetchableRecord, PersistableRecord {
  static let databaseTableName = "checkpoint"
  /// A checkpoint that was written again takes the place of what was known of it.
  static let persistenceConflictPolicy = PersistenceConflictPolicy(insert: .replace)

  var path: String
  var folder: String
  /// Of the manifest's file, empty if it may change without showing it.
  var identity: String
  var model: String
  var tenant: String
  var published: Bool
  var created: Int64
  var expires: Int64
  /// Encoded as in the file.
  var manifest: Data

  init(
    _ manifest: CheckpointStore.Manifest, _ path: CheckpointPath, identity: String
  ) throws {
    self.path = path.text
    folder = CatalogFolder(of: path).path
    self.identity = identity
    model = path.model
    tenant = manifest.tenant
    published = manifest.isPublished
    created = Int64(clamping: manifest.createdUnixMilliseconds)
    expires = Int64(clamping: manifest.expiresUnixMilliseconds)
    self.manifest = try SealedManifest(manifest).encoded()
  }

  /// The manifest, whose seal tells damage, if the other columns are its parts.
  /// - Throws: `CatalogDamage`, or what the seal says.
  func checkedManifest() throws -> CheckpointStore.Manifest {
    let value = try SealedManifest<CheckpointStore.Manifest>(decoding: manifest).opened()
    guard value.path == path, value.tenant == tenant, value.isPublished == published,
      Int64(clamping: value.createdUnixMilliseconds) == created,
      Int64(clamping: value.expiresUnixMilliseconds) == expires
    else { throw CatalogDamage("the row of \(path) does not match its manifest") }
    return value
  }
}
