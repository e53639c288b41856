import Foundation

/// JSON files in the field's snake_case, values in Swift's camelCase.
enum JSONFiles {
  /// - Throws: `notFound` when the file cannot be read, `invalidArgument` when it is too large,
  ///   `dataLoss` when it is not `what`.
  static func read<T: Decodable>(
    _ type: T.Type, _ path: String, _ what: String, limit: Int = RegularFile.Limit.settings
  ) throws(EngineError) -> T {
    try decode(type, RegularFile.read(path, limit: limit), "\(path) is not a valid \(what)")
  }

  static func decode<T: Decodable>(
    _ type: T.Type, _ data: Data, _ complaint: String
  ) throws(EngineError) -> T {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    do {
      return try decoder.decode(type, from: data)
    } catch {
      throw EngineError(.dataLoss, complaint, cause: error)
    }
  }

  /// The same value always gives the same bytes.
  static func write(_ value: some Encodable, to path: String, _ storage: any Storage) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let json = try encoder.encode(value)
    try storage.writeFile(path) { file in try json.withUnsafeBytes { try file.append($0) } }
  }
}
