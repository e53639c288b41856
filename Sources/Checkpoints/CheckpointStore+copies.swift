import Engine
import Foundation
import Logging
import RPC
import Wire

/// Checkpoints made from others, and removed for newer ones.
extension CheckpointStore {
  /// A copy of a checkpoint that belongs to a tenant, or what an earlier attempt made.
  ///
  /// - Parameter expires: in milliseconds since 1970; 0 for never.
  /// - Throws: `notFound`, also for a checkpoint that the tenant may not read; `dataLoss` when its
  ///   files are damaged; ALREADY_EXISTS where something else was copied to.
  package func copy(
    _ source: CheckpointPath, to target: CheckpointPath, tenant: some StringProtocol,
    expires: UInt64
  ) throws -> Manifest {
    if exists(target) {
      let made = try manifest(target, for: tenant)
      if let original = try? manifest(source, for: tenant), original.files != made.files {
        throw RPCError(
          .alreadyExists, "\(target.text) was made of something else", field: "name")
      }
      return made
    }
    let original = try verified(source, for: tenant)
    var manifest = original
    manifest.path = target.text
    manifest.tenant = String(tenant)
    manifest.isPublished = false
    manifest.modelUserMetadata = nil
    manifest.seq = nil
    manifest.createdUnixMilliseconds = Self.now()
    manifest.expiresUnixMilliseconds = expires
    return try write(target, overwrite: false, manifest: manifest) { folder in
      for name in original.files.keys {
        try copyFile("\(url(source))/\(name)", to: "\(folder)/\(name)")
      }
    }
  }

  private func copyFile(_ source: String, to target: String) throws {
    let content = try Data(contentsOf: URL(fileURLWithPath: source), options: .alwaysMapped)
    try storage.writeFile(target) { file in
      try content.withUnsafeBytes { try file.append($0) }
    }
  }

  /// Removes the oldest checkpoints of a model and kind, so that the newest `count` are left.
  /// Published ones neither count nor go.
  ///
  /// - Parameter newest: just written, so it stays whatever the clock says.
  package func removeOldest(keeping count: Int, newest: CheckpointPath) {
    let all = siblings(of: newest).compactMap { path -> (CheckpointPath, Manifest)? in
      guard path != newest, let manifest = try? stored(path), !manifest.isPublished else {
        return nil
      }
      return (path, manifest)
    }
    let byAge = all.sorted {
      ($0.1.createdUnixMilliseconds, $0.1.step) > ($1.1.createdUnixMilliseconds, $1.1.step)
    }
    for (path, _) in byAge.dropFirst(max(count - 1, 0)) {
      do {
        try remove(path)
      } catch {
        Logger(label: "tinsmith.checkpoints").warning("\(path.text) stays: \(error)")
      }
    }
  }
}
