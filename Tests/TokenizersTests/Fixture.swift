import JSON
import Foundation
@testable import Tokenizers

/// Files beside the tests, and the embedded model's folder.
enum Fixture {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Fixtures")
  static let mini = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../Sources/Trainer/Resources/mini").standardizedFileURL

  static let families = [
    "gpt2", "llama3", "qwen", "o200k", "cl100k", "deepseek", "options", "behaviors",
  ]

  static func json(_ path: String) throws -> JSONValue {
    try JSONParser.parse([UInt8](try Data(contentsOf: folder.appending(path: path))))
  }

  static func tokenizer(_ family: String) throws -> Tokenizer {
    try Tokenizer(directory: folder.appending(path: family))
  }
}

extension JSONValue {
  /// A list of token ids.
  var ids: [Int32]? {
    array.map { list in list.compactMap { $0.int.map(Int32.init) } }
  }
}
