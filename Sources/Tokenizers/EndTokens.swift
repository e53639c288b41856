package import Foundation
import JSON

/// What ends an answer, as transformers has it: the tokenizer's end token and those of the generation
/// config, which is made from the model's config where there is none.
package enum EndTokens {
  /// Those of a folder whose tokenizer cannot be read: what its files give as numbers, and the end
  /// token's text where a list of tokens says its number. A file that cannot be read says nothing.
  package static func withoutTokenizer(_ directory: URL) -> [Int32] {
    let folder = ModelFolder(directory: directory)
    let config = try? TokenizerConfig(folder)
    let file = (try? folder.object("tokenizer.json"))?["added_tokens"]?.array ?? []
    var ids: [CodePoints: Int32] = [:]
    for token in file.compactMap(\.object) {
      guard let content = token["content"]?.string, let id = token["id"]?.int else { continue }
      ids[CodePoints(content)] = Int32(exactly: id)
    }
    for token in config?.additions ?? [] {
      if let id = token.id { ids[CodePoints(token.content)] = Int32(exactly: id) }
    }
    return Self.ids(
      config, generation: try? folder.object("generation_config.json"),
      model: try? folder.object("config.json")
    ) { ids[CodePoints($0)] }
  }

  /// - Parameter id: the number of a token by its text.
  static func ids(
    _ config: TokenizerConfig?, generation: JSONObject?, model: JSONObject?,
    _ id: (String) -> Int32?
  ) -> [Int32] {
    let named = config?.named.first { $0.name == "eos_token" }
    var ids = named.flatMap { id($0.text) }.map { [$0] } ?? []
    let listed = generation == nil ? model?["eos_token_id"] : generation?["eos_token_id"]
    for value in listed?.array ?? listed.map({ [$0] }) ?? [] {
      if let id = value.int.flatMap({ Int32(exactly: $0) }), id >= 0, !ids.contains(id) {
        ids.append(id)
      }
    }
    return ids
  }
}
