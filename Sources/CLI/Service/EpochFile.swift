import Engine
import Foundation
import Glibc

/// The file of the data folder that says up to which epoch routers may have made owners of models.
///
/// Each start of a router writes it, and a full disk must not keep a router from coming back: so it
/// has one size and is written in place, 20 digits that lie in one sector.
struct EpochFile {
  let path: String

  /// Epochs that one run of a router may give to owners.
  private static let perRun: UInt64 = 1 << 24
  private static let size = 20

  /// Owners of models get epochs above this one; no router before had given such, whatever the
  /// clock says.
  ///
  /// - Parameter now: milliseconds since 1970, for a file that was lost.
  /// - Throws: `CommandError` if that cannot be recorded.
  func beginRun(now: UInt64) throws -> UInt64 {
    let content = (try? Data(contentsOf: URL(fileURLWithPath: path))) ?? Data()
    let recorded = UInt64(String(decoding: content, as: UTF8.self)) ?? 0
    // No clock and no number of starts leads there: a file that was damaged.
    let first = max(recorded < 1 << 62 ? recorded : 0, now)
    let digits = String(first + Self.perRun)
    let text = Array((String(repeating: "0", count: Self.size - digits.count) + digits).utf8)
    do {
      if content.count == Self.size {
        try overwrite(text)
      } else {
        try FileStorage().replaceFile(path) { file in
          try text.withUnsafeBytes { try file.append($0) }
        }
      }
    } catch {
      throw CommandError("cannot write \(path): \(error)")
    }
    return first
  }

  private func overwrite(_ text: [UInt8]) throws {
    let descriptor = open(path, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw CommandError(DataFolder.lastError) }
    defer { close(descriptor) }
    guard pwrite(descriptor, text, text.count, 0) == text.count, fdatasync(descriptor) == 0 else {
      throw CommandError(DataFolder.lastError)
    }
  }
}
