import Foundation
import RPC

extension RouterRules {
  /// Models outlive their workers and this router: owners get epochs above those of any router
  /// before it.
  /// - Throws: `CommandError` if that cannot be recorded.
  mutating func keepModels(in folder: DataFolder) throws {
    recoversModels = true
    firstEpoch = try folder.firstEpoch(now: UInt64(Date().timeIntervalSince1970 * 1000))
  }
}
