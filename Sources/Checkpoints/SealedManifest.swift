import Crypto
package import Engine
package import Foundation

/// A manifest as it is stored: with a SHA-256 of itself, because nothing else vouches for it.
package struct SealedManifest<Value: Codable>: Codable {
  private let manifest: Value
  private let sha256: String

  package init(_ value: Value) throws {
    manifest = value
    sha256 = try Self.digest(value)
  }

  /// Reads a stored manifest, to be opened.
  /// - Throws: `DecodingError`.
  package init(decoding data: Data) throws {
    self = try JSONDecoder().decode(Self.self, from: data)
  }

  /// Reads and opens the one in a file.
  /// - Throws: also what keeps the file from being read.
  package static func read(_ path: String) throws -> Value {
    try SealedManifest(decoding: Data(contentsOf: URL(fileURLWithPath: path))).opened()
  }

  /// Writes it, sealed, to a file.
  package func write(to file: any StorageFile) throws {
    try encoded().withUnsafeBytes { try file.append($0) }
  }

  /// The manifest.
  /// - Throws: `Damage` if it is not what was sealed.
  package func opened() throws -> Value {
    guard try Self.digest(manifest) == sha256 else { throw Damage() }
    return manifest
  }

  /// It was changed after it had been written.
  package struct Damage: Error, CustomStringConvertible {
    package var description: String { "its SHA-256 is another" }
  }

  private static func digest(_ value: Value) throws -> String {
    SHA256.hash(data: try encode(value)).hexadecimal
  }

  /// The bytes of a stored manifest.
  package func encoded() throws -> Data { try Self.encode(self) }

  /// The same value gives the same bytes.
  private static func encode(_ value: some Encodable) throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(value)
  }
}
