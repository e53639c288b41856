import Foundation

/// A folder that is removed at the end.
package final class TemporaryFolder: Sendable {
  package let path = NSTemporaryDirectory() + "tinsmith-" + UUID().uuidString

  package init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
