import Crypto
import Foundation
import Tinsmith

/// A folder that receives files of a service.
struct ExportFolder {
  private let folder: URL

  /// Makes the folder.
  init(_ path: String) throws {
    folder = URL(fileURLWithPath: path)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// Writes one file.
  func write(_ content: [UInt8], to name: String) throws {
    try Data(content).write(to: try file(name))
  }

  /// Fetches a merged model piece by piece and compares it with its digests.
  func write(_ model: ExportedModel, from service: ServiceClient) async throws {
    for file in model.files {
      let target = try self.file(file.name)
      try Data().write(to: target)
      let handle = try FileHandle(forWritingTo: target)
      defer { try? handle.close() }
      var (offset, digest): (UInt64, SHA256) = (0, SHA256())
      while offset < file.sizeBytes {
        let piece = try await service.readExport(model, file: file.name, offset: offset).value()
        guard !piece.isEmpty else { throw CommandError("\(file.name) ends too early") }
        digest.update(data: piece)
        try handle.write(contentsOf: piece)
        offset += UInt64(piece.count)
      }
      let hex = digest.finalize().map { String(format: "%02x", $0) }.joined()
      guard hex == file.sha256 else { throw CommandError("\(file.name) was damaged on the way") }
    }
  }

  /// The service names the files, so they must not lead elsewhere.
  private func file(_ name: String) throws -> URL {
    guard !name.isEmpty, !name.hasPrefix("."), !name.contains("/") else {
      throw CommandError("the service sent a file called \"\(name)\"")
    }
    return folder.appendingPathComponent(name)
  }
}
