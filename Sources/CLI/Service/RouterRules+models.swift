import Foundation
import RPC

extension RouterRules {
  /// Models outlive their workers and this router: owners get epochs above those of any router
  /// before it.
  /// - Throws: `CommandError` if that cannot be recorded.
  mutating func keepModels(in folder: DataFolder) throws {
    recoversModels = true
    let file = EpochFile(path: "\(folder.path)/epoch")
    firstEpoch = try file.beginRun(now: UInt64(Date().timeIntervalSince1970 * 1000))
  }
}
