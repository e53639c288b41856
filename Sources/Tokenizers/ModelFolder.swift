import Foundation

/// The small files of a Hugging Face model folder that tokenizer and chat template read.
struct ModelFolder {
  static let maximumFileBytes = 1 << 28

  let directory: URL

  /// A file's bytes, nil if there is no such file.
  /// - Throws: `invalidFile` if it cannot be read, `limitExceeded` if it is too large.
  func bytes(_ name: String) throws(TokenizerError) -> [UInt8]? {
    let url = directory.appendingPathComponent(name)
    guard FileManager.default.fileExists(atPath: url.path) else { return nil }
    do {
      let data = try Data(contentsOf: url, options: .mappedIfSafe)
      guard data.count <= Self.maximumFileBytes else {
        throw TokenizerError(.limitExceeded, "\(name) is larger than 256 MiB")
      }
      return [UInt8](data)
    } catch let error as TokenizerError {
      throw error
    } catch {
      throw TokenizerError(.invalidFile, "cannot read \(url.path)", cause: error)
    }
  }

  /// A file that holds a JSON object, nil if there is no such file.
  func object(_ name: String) throws(TokenizerError) -> JSONObject? {
    guard let bytes = try bytes(name) else { return nil }
    do throws(TokenizerError) {
      guard let object = try JSONParser.parse(bytes).object else {
        throw TokenizerError(.invalidFile, "not a JSON object")
      }
      return object
    } catch {
      throw TokenizerError(error.code, name, cause: error)
    }
  }

  /// The text of a special token in `tokenizer_config.json`, written plainly or as an object.
  static func specialToken(_ value: JSONValue?) -> String? {
    value?.string ?? value?.object?["content"]?.string
  }
}
