import Crypto
import Foundation
import Tinsmith

/// A folder that receives files of a service. A file has its name when it is whole; what an export that
/// was interrupted has left, the next one of the same replaces.
struct ExportFolder {
  private let folder: URL

  /// Makes the folder.
  init(_ path: String) throws {
    folder = URL(fileURLWithPath: path)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  /// Two exports in one folder would be a mixture that nobody meant.
  ///
  /// - Parameter files: names and digests of what will be written.
  /// - Throws: `CommandError` if the folder holds anything else.
  func check(_ files: [(String, String)]) throws {
    let digests = Dictionary(files) { _, last in last }
    let parts = Set(files.map { Self.part(of: $0.0) })
    for name in try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    where !parts.contains(name) && (digests[name] == nil || digests[name] != digest(of: name)) {
      throw CommandError(
        "\(folder.path) holds \(name), which is not of this export: name a folder that is empty, or "
          + "that there is not")
    }
  }

  /// Nil for what is no file.
  private func digest(of name: String) -> String? {
    let file = folder.appendingPathComponent(name)
    guard let handle = try? FileHandle(forReadingFrom: file) else { return nil }
    defer { try? handle.close() }
    var digest = SHA256()
    while let piece = try? handle.read(upToCount: 1 << 22), !piece.isEmpty {
      digest.update(data: piece)
    }
    return digest.finalize().hex
  }

  /// SHA-256 in lower-case hex.
  static func digest(of content: [UInt8]) -> String { SHA256.hash(data: content).hex }

  /// Writes one file.
  func write(_ content: [UInt8], to name: String) async throws {
    try await replace(name) { part in try Data(content).write(to: part) }
  }

  private static func part(of name: String) -> String { ".\(name).part" }

  /// Has a file written beside its place, and puts it there.
  private func replace(_ name: String, _ body: (URL) async throws -> Void) async throws {
    let (file, part) = try (self.file(name), folder.appendingPathComponent(Self.part(of: name)))
    try await body(part)
    guard rename(part.path, file.path) == 0 else {
      throw CommandError("cannot write \(file.path): \(String(cString: strerror(errno)))")
    }
  }

  /// Fetches a merged model piece by piece and compares it with its digests.
  func write(_ model: ExportedModel, from service: ServiceClient) async throws {
    for file in model.files {
      try await replace(file.name) { try await fetch(file, of: model, from: service, into: $0) }
    }
  }

  private func fetch(
    _ file: ExportedModel.File, of model: ExportedModel, from service: ServiceClient,
    into target: URL
  ) async throws {
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
    guard digest.finalize().hex == file.sha256 else {
      throw CommandError("\(file.name) was damaged on the way")
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

extension SHA256Digest {
  fileprivate var hex: String { map { String(format: "%02x", $0) }.joined() }
}
