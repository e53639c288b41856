import Checkpoints
import Foundation
import GRDB
import Logging
import Wire

/// Brings the catalog up to date with the folders: what has the times that it had is not read again.
struct CatalogRefresh {
  private let db: Database
  private let store: CheckpointStore

  init(_ db: Database, _ store: CheckpointStore) {
    self.db = db
    self.store = store
  }

  /// - Parameter model: of this model only; nil for all.
  func run(model: String?) throws {
    let models = model.map { [$0] } ?? Self.names(in: store.root)
    var known: [String: String] = [:]
    let rows = try Row.fetchCursor(
      db, sql: "SELECT path, changed FROM folder WHERE ?1 IS NULL OR path GLOB ?1 || '/*'",
      arguments: [model])
    while let row = try rows.next() { known[row["path"]] = row["changed"] }
    for model in models {
      for kind in [CheckpointKind.training, .sampler] {
        let folder = CatalogFolder(model: model, kind: kind)
        // Looked at before the names are read, so that what comes in between is seen next time.
        guard let identity = FileIdentity("\(store.root)/\(folder.path)") else { continue }
        let last = known.removeValue(forKey: folder.path)
        guard last != identity.text else { continue }
        try read(folder)
        if identity.isRecent() {
          try Self.forget(folder, db)
        } else {
          try db.execute(
            sql: "INSERT OR REPLACE INTO folder (path, changed) VALUES (?, ?)",
            arguments: [folder.path, identity.text])
        }
      }
    }
    // Checkpoints of folders that are gone, also of those that were too new to be kept in mind.
    for gone in known.keys {
      try db.execute(sql: "DELETE FROM folder WHERE path = ?", arguments: [gone])
    }
    let folders = try String.fetchAll(
      db,
      sql: """
        SELECT DISTINCT folder FROM checkpoint
        WHERE ?1 IS NULL OR model = ?1
        """, arguments: [model])
    for folder in folders where FileIdentity("\(store.root)/\(folder)") == nil {
      try db.execute(sql: "DELETE FROM checkpoint WHERE folder = ?", arguments: [folder])
    }
  }

  /// A folder is read again next time.
  static func forget(_ folder: CatalogFolder, _ db: Database) throws {
    try db.execute(sql: "DELETE FROM folder WHERE path = ?", arguments: [folder.path])
  }

  private func read(_ folder: CatalogFolder) throws {
    var known: [String: String] = [:]
    let rows = try Row.fetchCursor(
      db, sql: "SELECT path, identity FROM checkpoint WHERE folder = ?", arguments: [folder.path])
    while let row = try rows.next() { known[row["path"]] = row["identity"] }
    for name in store.names(folder.model, folder.kind) {
      guard
        let path = try? CheckpointPath(
          model: folder.model, kind: folder.kind, name: name, field: "name"),
        let identity = store.identity(path)
      else { continue }
      if known[path.text] == identity.text {
        known[path.text] = nil
        continue
      }
      do {
        let manifest = try store.stored(path)
        try CatalogRow(manifest, path, identity: identity.isRecent() ? "" : identity.text)
          .insert(db)
        known[path.text] = nil
      } catch let error as DatabaseError {
        throw error
      } catch {
        // Whoever asks for it by its path is told what is wrong with it.
        Logger(label: "tinsmith.catalog").debug("\(path.text) is not listed: \(error)")
      }
    }
    for gone in known.keys {
      try db.execute(sql: "DELETE FROM checkpoint WHERE path = ?", arguments: [gone])
    }
  }

  private static func names(in folder: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
  }
}
