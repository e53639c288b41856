import Foundation
import JSON

/// JSON files: those of ours by Swift's types, in the field's snake_case; those that come from
/// outside as they stand.
enum JSONFiles {
  /// A file of ours.
  ///
  /// - Throws: `notFound` when the file cannot be read, `invalidArgument` when it is too large,
  ///   `dataLoss` when it is not `what`.
  static func read<T: Decodable>(
    _ type: T.Type, _ path: String, _ what: String, limit: Int = RegularFile.Limit.settings
  ) throws(EngineError) -> T {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let data = try RegularFile.read(path, limit: limit)
    do {
      return try decoder.decode(type, from: data)
    } catch {
      throw EngineError(.dataLoss, "\(path) is not a valid \(what)", cause: error)
    }
  }

  /// A file that somebody else wrote: whatever Python reads as JSON, in the order written.
  ///
  /// - Throws: `notFound` when the file cannot be read, `invalidArgument` when it is too large,
  ///   `dataLoss` when it is no JSON object.
  static func object(
    _ path: String, limit: Int = RegularFile.Limit.settings
  ) throws(EngineError) -> JSONObject {
    try object(in: RegularFile.read(path, limit: limit), path)
  }

  /// - Parameter name: of what holds the text, for messages.
  /// - Throws: `dataLoss` when it is no JSON object.
  static func object(in data: Data, _ name: String) throws(EngineError) -> JSONObject {
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONParser.parse([UInt8](data))
    } catch {
      throw EngineError(.dataLoss, "\(name) is not valid JSON: \(error)")
    }
    guard let object = value.object else {
      throw EngineError(.dataLoss, "\(name) is not a JSON object")
    }
    return object
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
