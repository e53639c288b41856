import Crypto
package import Engine
import Foundation
import Glibc
import RPC
package import Wire

/// Models that were merged from base and adapter, on disk for a day after they were last asked for:
/// `exports/<id>` below the data folder. The id follows from the checkpoint's path and content.
package struct ModelExports: Sendable {
  /// What a folder says of itself.
  private struct Manifest: Codable {
    var checkpoint: String
    var files: [String: CheckpointStore.Manifest.File]
  }

  private static let manifestName = "export.json"
  private static let secondsKept = 86_400

  private let root: String
  private let storage: any Storage

  package init(dataFolder: String, storage: any Storage) {
    root = "\(dataFolder)/exports"
    self.storage = storage
  }

  /// The export of a checkpoint, which is made unless it is there.
  ///
  /// - Parameter write: writes the model's files into a folder.
  package func export(
    _ checkpoint: CheckpointStore.Manifest, _ write: (_ folder: String) throws -> Void
  ) throws -> ExportMergedResponse {
    let id = Self.id(of: checkpoint)
    let folder = "\(root)/\(id)"
    if let known = try? manifest(id) {
      touch(folder)
      return Self.response(id, known)
    }
    var manifest = Manifest(checkpoint: checkpoint.path, files: [:])
    try storage.makeDirectory(root)
    try storage.replaceDirectory(folder) { aside in
      try write(aside)
      manifest.files = try CheckpointStore.digests(in: aside)
      let sealed = try SealedManifest(manifest)
      try storage.writeFile("\(aside)/\(Self.manifestName)", sealed.write)
    }
    return Self.response(id, manifest)
  }

  /// A piece of a file.
  ///
  /// - Throws: NOT_FOUND for an export that is not there or whose checkpoint the tenant may not read,
  ///   or a file that it does not have; INVALID_ARGUMENT for an offset behind the end.
  package func read(
    _ request: ReadExportRequest, for tenant: some StringProtocol, _ store: CheckpointStore
  ) throws -> ReadExportResponse {
    let missing = RPCError(
      .notFound,
      "there is no export \(request.exportID); it goes after a day, or with its checkpoint",
      field: "export_id")
    guard let manifest = try? manifest(request.exportID) else { throw missing }
    let path = try CheckpointPath(manifest.checkpoint, field: "export_id")
    do throws(EngineError) {
      _ = try store.manifest(path, for: tenant, field: "export_id")
    } catch {
      // Whose it is, nobody else is told.
      throw error.code == .notFound ? missing : RPCError(error)
    }
    guard let file = manifest.files[request.file] else {
      throw RPCError(.notFound, "the export has no file \(request.file)", field: "file")
    }
    guard request.offset <= UInt64(file.bytes) else {
      throw RPCError(
        .invalidArgument, "\(request.offset), but the file has \(file.bytes) bytes",
        field: "offset")
    }
    let folder = "\(root)/\(request.exportID)"
    touch(folder)
    let handle = try FileHandle(
      forReadingFrom: URL(fileURLWithPath: "\(folder)/\(request.file)"))
    defer { try? handle.close() }
    try handle.seek(toOffset: request.offset)
    let wanted = min(request.length, file.bytes - Int(request.offset))
    let content = wanted == 0 ? Data() : try handle.read(upToCount: wanted) ?? Data()
    guard content.count == wanted else {
      throw RPCError(.dataLoss, "\(request.file) of export \(request.exportID) is too short")
    }
    return ReadExportResponse(content: content.withUnsafeBytes { Bytes(copying: $0) })
  }

  /// A folder for files on their way in, of a name that nobody else has; what a crash leaves of it is
  /// removed with the exports.
  package static func temporaryFolder(below dataFolder: String) -> String {
    "\(dataFolder)/exports/\(UUID().uuidString).\(getpid()).tmp"
  }

  /// Removes what nobody has asked for, and what crashes left.
  /// - Parameter now: in seconds since 1970.
  package func removeOld(now: Int = time(nil)) throws {
    try Leftover.removeAll(in: root, storage: storage, now: now) { _ in false }
    for id in (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
    where Leftover(id) == nil {
      let folder = "\(root)/\(id)"
      let used = FileIdentity(folder)?.seconds ?? now
      guard now - used > Self.secondsKept else { continue }
      try storage.remove(folder)
    }
  }

  private func manifest(_ id: String) throws -> Manifest {
    try SealedManifest.read("\(root)/\(id)/\(Self.manifestName)")
  }

  /// Notes in the folder's time that somebody wants it; without success it goes a little early.
  private func touch(_ folder: String) { utimes(folder, nil) }

  private static func id(of checkpoint: CheckpointStore.Manifest) -> String {
    let texts =
      [checkpoint.path] + checkpoint.files.sorted { $0.key < $1.key }.flatMap { [$0, $1.sha256] }
    return String(
      SHA256.hash(data: Data(texts.joined(separator: "\0").utf8)).hexadecimal.prefix(32))
  }

  private static func response(_ id: String, _ manifest: Manifest) -> ExportMergedResponse {
    ExportMergedResponse(
      exportID: id,
      files: manifest.files.sorted { $0.key < $1.key }.map {
        ExportedFile(name: $0, sizeBytes: UInt64(max($1.bytes, 0)), sha256: $1.sha256)
      })
  }
}
