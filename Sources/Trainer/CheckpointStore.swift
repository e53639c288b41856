import Crypto
import Engine
import Foundation
import Wire

/// Checkpoints on disk. A folder each, written aside and renamed into place, with a manifest that
/// holds a SHA-256 of every file, checked on load.
struct CheckpointStore {
  static let manifestName = "checkpoint.json"

  /// What the manifest says of a checkpoint.
  struct Manifest: Codable {
    var path: String
    var baseModel: String
    var rank: Int
    var alpha: Float
    var trainAttention: Bool
    var trainMLP: Bool
    var trainUnembed: Bool
    var step: Int
    var createdUnixMilliseconds: UInt64
    var expiresUnixMilliseconds: UInt64
    var userMetadata: [String: String]
    /// File name → bytes and lower-case hex SHA-256.
    var files: [String: File]

    struct File: Codable, Equatable {
      var bytes: Int
      var sha256: String
    }
  }

  let folder: String
  let storage: any Storage

  func url(_ path: CheckpointPath) -> String { "\(folder)/\(path.relativeFolder)" }

  func exists(_ path: CheckpointPath) -> Bool {
    FileManager.default.fileExists(atPath: "\(url(path))/\(Self.manifestName)")
  }

  /// Which version of a checkpoint is there; nil if there is none.
  func identity(_ path: CheckpointPath) -> SnapshotCache.FileIdentity? {
    SnapshotCache.FileIdentity("\(url(path))/\(Self.manifestName)")
  }

  // MARK: Writing

  /// Writes a checkpoint whose files `body` makes in the folder it is given.
  ///
  /// - Throws: ALREADY_EXISTS as `CheckpointExists` unless `overwrite`.
  func write(
    _ path: CheckpointPath, overwrite: Bool, manifest: Manifest, _ body: (String) throws -> Void
  ) throws {
    if !overwrite, exists(path) { throw CheckpointExists(path: path.text) }
    let target = url(path)
    try storage.makeDirectory((target as NSString).deletingLastPathComponent)
    try storage.replaceDirectory(target) { aside in
      try body(aside)
      var manifest = manifest
      manifest.files = try Self.digests(in: aside)
      try writeManifest(manifest, in: aside)
    }
  }

  private func writeManifest(_ manifest: Manifest, in folder: String) throws {
    let json = try Self.encode(manifest)
    try storage.writeFile("\(folder)/\(Self.manifestName)") { file in
      try json.withUnsafeBytes { try file.append($0) }
    }
  }

  /// Changes a checkpoint's manifest in place.
  func update(_ path: CheckpointPath, _ change: (inout Manifest) -> Void) throws {
    var manifest = try manifest(path)
    change(&manifest)
    let json = try Self.encode(manifest)
    try storage.replaceFile("\(url(path))/\(Self.manifestName)") { file in
      try json.withUnsafeBytes { try file.append($0) }
    }
  }

  /// A manifest as it is stored: the same value gives the same bytes.
  static func encode(_ manifest: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(manifest)
  }

  func remove(_ path: CheckpointPath) throws {
    _ = try manifest(path)
    try storage.remove(url(path))
    try storage.syncDirectory((url(path) as NSString).deletingLastPathComponent)
  }

  // MARK: Reading

  /// - Throws: `notFound` when there is no such checkpoint or it expired, `dataLoss` when its
  ///   manifest cannot be read.
  func manifest(_ path: CheckpointPath) throws(EngineError) -> Manifest {
    guard exists(path) else {
      throw EngineError(.notFound, "there is no checkpoint \(path.text)", field: "path")
    }
    let manifest: Manifest
    do {
      let file = URL(fileURLWithPath: "\(url(path))/\(Self.manifestName)")
      manifest = try JSONDecoder().decode(Manifest.self, from: Data(contentsOf: file))
    } catch {
      throw EngineError(.dataLoss, "the manifest of \(path.text) is damaged", cause: error)
    }
    if manifest.expiresUnixMilliseconds != 0, manifest.expiresUnixMilliseconds <= Self.now() {
      throw EngineError(.notFound, "the checkpoint \(path.text) has expired", field: "path")
    }
    return manifest
  }

  /// The manifest, after the files were compared with it.
  ///
  /// - Throws: also `dataLoss` naming the file that differs.
  func verified(_ path: CheckpointPath) throws(EngineError) -> Manifest {
    let manifest = try manifest(path)
    try Self.check(manifest.files, in: url(path), of: path.text)
    return manifest
  }

  /// Compares files with what a manifest says of them.
  /// - Throws: `dataLoss` naming the file and whose it is.
  static func check(
    _ files: [String: Manifest.File], in folder: String, of owner: String
  ) throws(EngineError) {
    for (name, expected) in files {
      guard let actual = try? digest("\(folder)/\(name)"), actual == expected else {
        throw EngineError(.dataLoss, "\(name) of \(owner) does not match its manifest")
      }
    }
  }

  /// What a manifest says of the files in a folder.
  static func digests(in folder: String) throws -> [String: Manifest.File] {
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    return try Dictionary(
      uniqueKeysWithValues: names.map { ($0, try digest("\(folder)/\($0)")) })
  }

  /// All checkpoints, newest first; those of one model if asked for.
  func list(model: String?) -> [Manifest] {
    let root = "\(folder)/checkpoints"
    let manager = FileManager.default
    let models = model.map { [$0] } ?? (try? manager.contentsOfDirectory(atPath: root)) ?? []
    var found: [Manifest] = []
    for model in models {
      for kind in [CheckpointKind.training, .sampler] {
        let kindFolder = CheckpointPath.folder(kind)
        let names = try? manager.contentsOfDirectory(atPath: "\(root)/\(model)/\(kindFolder)")
        for name in names ?? [] {
          guard let path = try? CheckpointPath(model: model, kind: kind, name: name, field: ""),
            let manifest = try? manifest(path)
          else { continue }
          found.append(manifest)
        }
      }
    }
    return found.sorted { $0.createdUnixMilliseconds > $1.createdUnixMilliseconds }
  }

  private static func digest(_ path: String) throws -> Manifest.File {
    let data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    let hex = SHA256.hash(data: data).map { String(format: "%02x", $0) }.joined()
    return Manifest.File(bytes: data.count, sha256: hex)
  }

  static func now() -> UInt64 { UInt64(Date().timeIntervalSince1970 * 1000) }
}

/// A checkpoint of that name is there already.
struct CheckpointExists: Error {
  let path: String
}
