import Foundation
import RPC

extension RouterRules {
  /// Models outlive their workers and this router: owners get epochs above those of any router
  /// before it, which began earlier.
  mutating func keepModels() {
    recoversModels = true
    firstEpoch = UInt64(Date().timeIntervalSince1970 * 1000)
  }
}
