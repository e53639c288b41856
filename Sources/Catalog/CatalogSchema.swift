import GRDB

/// The tables of the catalog.
enum CatalogSchema {
  /// To be raised with every change of the tables or of what is in them.
  private static let version = 1

  /// The indices serve the queries, and damage: what a changed bit says of a checkpoint in the table
  /// is not what an index says of it.
  private static let statements = [
    """
    CREATE TABLE checkpoint (
      path TEXT NOT NULL UNIQUE, folder TEXT NOT NULL, identity TEXT NOT NULL,
      model TEXT NOT NULL, tenant TEXT NOT NULL, published INTEGER NOT NULL,
      created INTEGER NOT NULL, expires INTEGER NOT NULL, manifest BLOB NOT NULL)
    """,
    "CREATE INDEX by_tenant ON checkpoint (tenant, created, path)",
    "CREATE INDEX by_model ON checkpoint (model, created, path, published)",
    "CREATE INDEX by_folder ON checkpoint (folder, path, identity)",
    "CREATE INDEX by_expiry ON checkpoint (expires)",
    "CREATE TABLE folder (path TEXT NOT NULL UNIQUE, changed TEXT NOT NULL)",
    "CREATE INDEX by_change ON folder (changed, path)",
  ]

  static func isEmpty(_ db: Database) throws -> Bool {
    try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") == 0
  }

  static func make(_ db: Database) throws {
    for statement in statements { try db.execute(sql: statement) }
    try db.execute(sql: "PRAGMA user_version = \(version)")
  }

  /// - Throws: `CatalogDamage`, or what SQLite says of the file.
  static func check(_ db: Database) throws {
    guard try Int.fetchOne(db, sql: "PRAGMA user_version") == version else {
      throw CatalogDamage("it is of another version")
    }
    let tables = try String.fetchAll(
      db, sql: "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    guard tables == statements else { throw CatalogDamage("it has other tables") }
    let problems = try String.fetchAll(db, sql: "PRAGMA integrity_check")
    guard problems == ["ok"] else {
      throw CatalogDamage(problems.first ?? "it cannot be checked")
    }
  }
}

/// The catalog cannot be used as it is.
struct CatalogDamage: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
