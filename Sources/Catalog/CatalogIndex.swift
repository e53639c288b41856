import Checkpoints
import Engine
import Foundation
import GRDB
import Logging
import Wire

/// An index over the checkpoints of a data folder, in SQLite. The manifests are the truth: whatever is
/// wrong with the index (missing, damaged, of another version, not writable), it is made anew from
/// them, in memory if it must be, and no client hears of it.
///
/// Workers, also of other hosts, write checkpoints without telling it. Every use first looks at the
/// folders' times and reads again what changed, as git does with its index.
///
/// Used on one queue.
final class CatalogIndex {
  /// One page of a list.
  struct Page: Equatable {
    /// Newest first.
    var manifests: [CheckpointStore.Manifest] = []
    /// The last one, if there are more behind it.
    var end: Position?
  }

  /// A place in the list: of a checkpoint, which may be gone by now.
  struct Position: Equatable {
    var created: UInt64
    var path: String
  }

  /// Answers stay well below the limit of a frame, whatever users' metadata are.
  static let pageBytes = 4 << 20

  private let file: String
  private let store: CheckpointStore
  private let log = Logger(label: "tinsmith.catalog")
  private var database: DatabaseQueue?

  /// Nothing is opened before the first use.
  /// - Parameter file: where it is kept.
  init(file: String, store: CheckpointStore) {
    self.file = file
    self.store = store
  }

  /// Checkpoints that a tenant may read and that have not expired: its own, or with a model those of
  /// the model, also published by others.
  func page(
    tenant: String, model: String?, after start: Position?, limit: Int
  ) throws -> Page {
    try perform { db in
      try CatalogRefresh(db, store).run(model: model)
      var conditions = ["(expires = 0 OR expires > :now)"]
      var arguments: StatementArguments = [
        "now": Int64(clamping: CheckpointStore.now()), "tenant": tenant,
      ]
      if let model {
        conditions.append("model = :model AND (published OR tenant = :tenant)")
        arguments += ["model": model]
      } else {
        conditions.append("tenant = :tenant")
      }
      if let start {
        conditions.append("(created, path) < (:created, :path)")
        arguments += ["created": Int64(clamping: start.created), "path": start.path]
      }
      let rows = try CatalogRow.fetchCursor(
        db,
        sql: """
          SELECT * FROM checkpoint WHERE \(conditions.joined(separator: " AND "))
          ORDER BY created DESC, path DESC
          """, arguments: arguments)
      var (page, bytes): (Page, Int) = (Page(), 0)
      while let row = try rows.next() {
        let manifest = try row.checkedManifest()
        let isFull = page.manifests.count == limit || bytes + row.manifest.count > Self.pageBytes
        if isFull, let last = page.manifests.last {
          page.end = Position(created: last.createdUnixMilliseconds, path: last.path)
          break
        }
        page.manifests.append(manifest)
        bytes += row.manifest.count
      }
      return page
    }
  }

  /// The models of a tenant's checkpoints behind one of them (of all, if empty), in the order of
  /// their ids.
  func models(tenant: String, after start: String) throws -> [String] {
    try perform { db in
      try CatalogRefresh(db, store).run(model: nil)
      return try String.fetchAll(
        db,
        sql: """
          SELECT DISTINCT model FROM checkpoint
          WHERE tenant = :tenant AND model > :start AND (expires = 0 OR expires > :now)
          ORDER BY model
          """,
        arguments: [
          "tenant": tenant, "start": start, "now": Int64(clamping: CheckpointStore.now()),
        ])
    }
  }

  /// The newest checkpoint of a model of each kind that a tenant may read.
  func newest(
    of model: String, tenant: String
  ) throws -> (training: CheckpointStore.Manifest?, sampler: CheckpointStore.Manifest?) {
    try perform { db in
      try CatalogRefresh(db, store).run(model: model)
      func newest(_ kind: CheckpointKind) throws -> CheckpointStore.Manifest? {
        try CatalogRow.fetchOne(
          db,
          sql: """
            SELECT * FROM checkpoint
            WHERE model = :model AND folder = :folder AND (published OR tenant = :tenant)
              AND (expires = 0 OR expires > :now)
            ORDER BY created DESC, path DESC LIMIT 1
            """,
          arguments: [
            "model": model, "folder": CatalogFolder(model: model, kind: kind).path,
            "tenant": tenant, "now": Int64(clamping: CheckpointStore.now()),
          ])?.checkedManifest()
      }
      return (try newest(.training), try newest(.sampler))
    }
  }

  /// The checkpoints whose time is over.
  func expired() throws -> [CheckpointPath] {
    try perform { db in
      try CatalogRefresh(db, store).run(model: nil)
      let paths = try String.fetchAll(
        db, sql: "SELECT path FROM checkpoint WHERE expires > 0 AND expires <= ?",
        arguments: [Int64(clamping: CheckpointStore.now())])
      return paths.compactMap { try? CheckpointPath($0, field: "path") }
    }
  }

  /// A checkpoint is about to change in a way that its folder's time does not tell: to be called
  /// before, so that a crash in between leaves nothing stale.
  func willChange(_ path: CheckpointPath) throws {
    try perform { db in try CatalogRefresh.forget(CatalogFolder(of: path), db) }
  }

  // MARK: Staying usable

  /// Runs something in a transaction; with another index, if this one fails.
  private func perform<Result>(_ body: (Database) throws -> Result) throws -> Result {
    do {
      return try open().write(body)
    } catch let error as EngineError {
      throw error
    } catch {
      log.notice("the catalog is made anew: \(error)")
    }
    do {
      database = nil
      for suffix in ["", "-journal"] { unlink(file + suffix) }
      return try open().write(body)
    } catch {
      log.warning("the catalog is kept in memory: \(error)")
      let memory = try DatabaseQueue()
      try memory.write { db in try CatalogSchema.make(db) }
      database = memory
      return try memory.write(body)
    }
  }

  private func open() throws -> DatabaseQueue {
    if let database { return database }
    var configuration = Configuration()
    configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA cell_size_check = ON") }
    let opened = try DatabaseQueue(path: file, configuration: configuration)
    try opened.write { db in
      if try CatalogSchema.isEmpty(db) {
        try CatalogSchema.make(db)
      } else {
        try CatalogSchema.check(db)
      }
    }
    database = opened
    return opened
  }
}
