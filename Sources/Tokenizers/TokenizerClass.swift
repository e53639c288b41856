import JSON

/// The class by which transformers makes a tokenizer. Some take nothing but vocabulary and merges from
/// `tokenizer.json` and have the rest of their own.
struct TokenizerClass: Sendable {
  static let endOfText = "<|endoftext|>"

  /// As `tokenizer_config.json` says it, else that for the kind of model.
  let name: String

  init(_ config: JSONObject, modelType: String?) {
    let isQwen = ["qwen2", "qwen3"].contains(modelType)
    name = config["tokenizer_class"]?.string ?? (isQwen ? "Qwen2Tokenizer" : "TokenizersBackend")
  }

  private var isQwen: Bool { name.hasPrefix("Qwen2Tokenizer") }
  private var isGPT2: Bool { name.hasPrefix("GPT2Tokenizer") }

  /// The special tokens that are the end of text where no file names them.
  var namedTokens: [String] { isQwen ? ["unk_token", "eos_token", "pad_token"] : [] }

  /// What transformers has otherwise than `tokenizer.json`, in words: that file is what counts here,
  /// as for the `tokenizers` package.
  ///
  /// - Parameter config: `tokenizer_config.json`.
  func warnings(_ file: JSONObject, _ config: JSONObject) -> [String] {
    var parts: [String] = []
    let (normalizer, split) = (file["normalizer"] ?? nil, file["pre_tokenizer"] ?? nil)
    if isQwen {
      if normalizer.object?["type"]?.string != "NFC" { parts.append("normalizer") }
      if !Self.isQwenSplit(split) || !(config["add_prefix_space"] ?? nil).isFalse {
        parts.append("pre_tokenizer")
      }
      let listed = Set(Self.contents(config["added_tokens_decoder"]?.object?.members.map(\.value)))
      let own = Self.contents(file["added_tokens"]?.array)
      if config["added_tokens_decoder"] != nil, !listed.isSuperset(of: own) {
        parts.append("added_tokens")
      }
    } else if isGPT2 {
      if !normalizer.isNull { parts.append("normalizer") }
      if split.object?["type"]?.string != "ByteLevel" { parts.append("pre_tokenizer") }
    }
    guard !parts.isEmpty else { return [] }
    return [
      "tokenizer_config.json: transformers has other \(parts.joined(separator: ", ")) for a "
        + "\(name) than tokenizer.json, which counts here"
    ]
  }

  private static func contents(_ tokens: [JSONValue]?) -> [CodePoints] {
    (tokens ?? []).compactMap { $0.object?["content"]?.string.map(CodePoints.init) }
  }

  private static let qwenPattern =
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"#
    + #"|\s*[\r\n]+|\s+(?!\S)|\s+"#

  private static func isQwenSplit(_ json: JSONValue) -> Bool {
    let parts = json.object?["pretokenizers"]?.array?.compactMap(\.object) ?? []
    return parts.count == 2
      && parts[0]["pattern"]?.object?["Regex"]?.string == qwenPattern
      && parts[1]["type"]?.string == "ByteLevel"
  }
}

extension JSONValue {
  /// Whether it switches nothing on.
  fileprivate var isFalse: Bool { isNull || bool == false }
}
