package import Foundation
import JSON

/// What ends an answer, as transformers has it: the tokenizer's end token and those of the generation
/// config, which is made from the model's config where there is none.
package struct EndTokens: Sendable {
  package private(set) var ids: [Int32] = []
  /// What the files name as end tokens and is none, in words.
  package private(set) var warnings: [String] = []

  /// Those of a folder whose tokenizer cannot be read: what its files give as numbers, and the end
  /// token's text where a list of tokens or a vocabulary says its number. A file that cannot be read
  /// says nothing.
  package init(withoutTokenizer directory: URL) {
    let folder = ModelFolder(directory: directory)
    let config = try? TokenizerConfig(folder)
    let file = (try? folder.object("tokenizer.json")) ?? JSONObject()
    let vocabulary = file["model"]?.object?["vocab"]?.object ?? JSONObject()
    var ids: [CodePoints: Int32] = [:]
    for token in (file["added_tokens"]?.array ?? []).compactMap(\.object) {
      guard let content = token["content"]?.string, let id = token["id"]?.int else { continue }
      ids[CodePoints(content)] = Int32(exactly: id)
    }
    for token in config?.additions ?? [] {
      if let id = token.id { ids[CodePoints(token.content)] = Int32(exactly: id) }
    }
    self.init(
      config, generation: try? folder.object("generation_config.json"),
      model: try? folder.object("config.json")
    ) { text in ids[CodePoints(text)] ?? vocabulary[text]?.int.flatMap { Int32(exactly: $0) } }
  }

  /// - Parameter id: the number of a token by its text.
  init(
    _ config: TokenizerConfig?, generation: JSONObject?, model: JSONObject?,
    _ id: (String) -> Int32?
  ) {
    if let named = config?.named.first(where: { $0.name == "eos_token" }) {
      if let id = id(named.text) {
        ids = [id]
      } else if config?.saysEnd ?? false {
        warnings.append("tokenizer_config.json: eos_token is \"\(named.text)\", which is no token")
      }
    }
    let (file, listed) =
      generation.map { ("generation_config.json", $0["eos_token_id"]) }
      ?? ("config.json", model?["eos_token_id"])
    for value in listed?.array ?? listed.map({ [$0] }) ?? [] where !value.isNull {
      guard let id = value.int.flatMap({ Int32(exactly: $0) }), id >= 0 else {
        warnings.append("\(file): eos_token_id has \(value.text.prefix(80)), which is no token")
        continue
      }
      if !ids.contains(id) { ids.append(id) }
    }
  }
}
