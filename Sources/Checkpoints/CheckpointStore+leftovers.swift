import Engine
import Foundation
import Glibc
import Wire

extension CheckpointStore {
  private static let secondsOfEmptyFolders = 86_400

  /// Removes what crashed writes left, and the folders of models that have had no checkpoint for a
  /// day.
  /// - Parameter now: in seconds since 1970.
  package func removeLeftovers(now: Int = time(nil)) throws {
    let manager = FileManager.default
    for model in (try? manager.contentsOfDirectory(atPath: root)) ?? [] {
      for kind in [CheckpointKind.training, .sampler] {
        let folder = "\(root)/\(model)/\(CheckpointPath.folder(kind))"
        try Leftover.removeAll(in: folder, storage: storage, now: now) { name in
          isCheckpoint(model, kind, name)
        }
        for name in names(model, kind) {
          try Leftover.removeAll(in: "\(folder)/\(name)", storage: storage, now: now) { _ in false }
        }
        removeIfEmpty(folder, now)
      }
      removeIfEmpty("\(root)/\(model)", now)
    }
  }

  /// A checkpoint may be called as leftovers are. What stands beside the name that it has in its
  /// manifest is none; what has a damaged manifest is for people to look at.
  private func isCheckpoint(_ model: String, _ kind: CheckpointKind, _ name: String) -> Bool {
    guard let path = try? CheckpointPath(model: model, kind: kind, name: name, field: "name") else {
      return false
    }
    do throws(EngineError) {
      _ = try stored(path)
      return true
    } catch {
      return error.code == .dataLoss
    }
  }

  /// A folder that is not empty stays, as `rmdir` has it; whoever writes makes it again.
  private func removeIfEmpty(_ folder: String, _ now: Int) {
    guard let changed = FileIdentity(folder)?.seconds, now - changed > Self.secondsOfEmptyFolders
    else { return }
    rmdir(folder)
  }
}
