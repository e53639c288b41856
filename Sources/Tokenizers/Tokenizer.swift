import JSON
package import Foundation

/// A byte-level BPE tokenizer as a Hugging Face `tokenizer.json` describes it.
///
/// Ids and text are those of the `tokenizers` package, whatever the input; a file that asks for
/// something else than Llama 3, Qwen or GPT-2 style tokenizers do is refused by name at loading.
/// `truncation` and `padding` in the file are the caller's business and are not applied.
package struct Tokenizer: Sendable {
  /// Longest text accepted, in bytes of UTF-8.
  package static let maximumTextBytes = 1 << 28

  /// One more than the highest token id: rows of logits that mean something.
  package let vocabularySize: Int
  /// Tokens that end an answer: of `tokenizer_config.json` or `special_tokens_map.json`, then of
  /// `generation_config.json` or, where there is none, `config.json`.
  package let eosTokenIds: [Int32]
  /// What its files say and has no effect, in words.
  package let warnings: [String]

  private let vocabulary: TokenTable
  private let encoder: BytePairEncoder
  private let addedTokens: AddedTokens
  private let normalizer: Normalizer
  private let preTokenizer: PreTokenizer
  private let postProcessor: PostProcessor

  /// Loads `tokenizer.json` of a model folder, the tokens that its configs add, and the end tokens
  /// that they name.
  /// - Throws: `TokenizerError`: `missingFile`, `invalidFile`, `unsupported` or `limitExceeded`.
  package init(directory: URL) throws(TokenizerError) {
    let folder = ModelFolder(directory: directory)
    guard let file = try folder.object("tokenizer.json") else {
      throw TokenizerError(.missingFile, "no tokenizer.json in \(directory.path)")
    }
    var generation = JSONObject?.none
    var faults: [String] = []
    do throws(TokenizerError) {
      generation = try folder.object("generation_config.json")
    } catch {
      // As transformers, which makes one of the model's config then.
      faults = ["\(error.message); config.json says what ends an answer"]
    }
    try self.init(
      file: file, config: try TokenizerConfig(folder), generation: generation,
      model: try folder.object("config.json"), faults: faults)
  }

  /// Reads the text of a `tokenizer.json` alone; no token is known to end an answer.
  /// - Throws: as `init(directory:)`.
  package init(json: [UInt8]) throws(TokenizerError) {
    try self.init(
      file: try ModelFolder.object(json, "tokenizer.json"),
      config: try TokenizerConfig(JSONObject()), generation: nil, model: nil)
  }

  private init(
    file: JSONObject, config: TokenizerConfig, generation: JSONObject?, model settings: JSONObject?,
    faults: [String] = []
  ) throws(TokenizerError) {
    guard let model = file["model"]?.object else {
      throw TokenizerError(.invalidFile, "tokenizer.json: no model")
    }
    try Self.checkKind(model)
    guard let entries = model["vocab"]?.object else {
      throw TokenizerError(.invalidFile, "tokenizer.json: no model with a vocab")
    }
    if let fault = config.fault { throw fault }
    if let splits = config.fields["split_special_tokens"], splits.bool != false {
      throw TokenizerError(
        .unsupported,
        "tokenizer_config.json: split_special_tokens is \(splits.text.prefix(80)), not false")
    }
    normalizer = try Normalizer(file["normalizer"])
    preTokenizer = try PreTokenizer(file["pre_tokenizer"])
    postProcessor = try PostProcessor(file["post_processor"])
    try Self.checkDecoder(file["decoder"])
    var added = try AddedTokens.entries(file["added_tokens"])
    var table = TokenTable(capacity: entries.members.count + added.count)
    for (token, id) in entries.members {
      guard let id = id.int else {
        throw TokenizerError(.invalidFile, "tokenizer.json: the id of \(token) is not a number")
      }
      try table.insert(token, id: id)
    }
    encoder = try BytePairEncoder(model, vocabulary: table)
    try AddedTokens.place(&added, config.additions, in: &table)
    addedTokens = AddedTokens(added, normalizer: normalizer)
    vocabulary = table
    vocabularySize = table.endID
    let ends = EndTokens(config, generation: generation, model: settings) { table.id(of: $0) }
    eosTokenIds = ends.ids
    warnings = faults + ends.warnings + config.kind.warnings(file, config.fields)
    for id in postProcessor.prefix + postProcessor.suffix where table.token(id) == nil {
      throw TokenizerError(.invalidFile, "post_processor: no token has the id \(id)")
    }
  }

  /// SentencePiece tokenizers are told apart at once: what would be refused of them first is a
  /// detail, and its name would help nobody.
  private static func checkKind(_ model: JSONObject) throws(TokenizerError) {
    let type = model["type"] ?? "BPE"
    guard type.string == "BPE" else {
      throw TokenizerError(
        .unsupported,
        "tokenizer.json: a model of type \(type.text.prefix(80)); only byte-level BPE (Llama 3, Qwen, GPT-2 "
          + "style) is read")
    }
    let hasBytes = model["vocab"]?.object?["<0x41>"] != nil
    guard model["byte_fallback"]?.bool ?? false, hasBytes else { return }
    throw TokenizerError(
      .unsupported,
      "tokenizer.json: a SentencePiece tokenizer with byte_fallback, as Llama 2, Mistral and Gemma "
        + "have; only byte-level BPE (Llama 3, Qwen, GPT-2 style) is read")
  }

  private static func checkDecoder(_ json: JSONValue?) throws(TokenizerError) {
    let object = json?.object
    if object?["type"]?.string == "Sequence", let parts = object?["decoders"]?.array,
      parts.count == 1
    {
      return try checkDecoder(parts[0])
    }
    guard object?["type"]?.string == "ByteLevel" else {
      throw TokenizerError(.unsupported, "decoder \(object?["type"]?.string ?? "null")")
    }
  }

  // MARK: Vocabulary

  /// The id of a token, as the file spells it, nil if there is none.
  package func tokenToId(_ token: String) -> Int32? { vocabulary.id(of: token) }

  /// The token of an id in the spelling of the vocabulary, nil if there is none.
  package func idToToken(_ id: Int32) -> String? {
    addedTokens.shownToken(id) ?? vocabulary.token(id)
  }

  /// Whether `decode` leaves the token out when told to skip special tokens.
  package func isSpecial(_ id: Int32) -> Bool { addedTokens.isSpecial(id) }

  // MARK: Encoding and decoding

  /// The token ids of a text.
  /// - Parameters:
  ///   - text: any text; added tokens inside it become their ids.
  ///   - addSpecialTokens: whether the file's template, a begin token say, is put around it. Text
  ///     from a chat template has these already.
  /// - Throws: `limitExceeded` for a text over `maximumTextBytes`, or one on which an unusual split
  ///   pattern backtracks without end.
  package func encode(
    _ text: String, addSpecialTokens: Bool = true
  ) throws(TokenizerError) -> [Int32] {
    guard text.utf8.count <= Self.maximumTextBytes else {
      throw TokenizerError(.limitExceeded, "a text above \(Self.maximumTextBytes) bytes")
    }
    var ids = addSpecialTokens ? postProcessor.prefix : []
    var work = Work(steps: PatternMatcher.stepLimit(text.utf8.count))
    let bytes = Array(text.utf8)
    for piece in try addedTokens.split(bytes[...], steps: &work.steps) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let range): try encodePart(normalizer(bytes[range]), &work, into: &ids)
      }
    }
    if addSpecialTokens { ids += postProcessor.suffix }
    return ids
  }

  /// What the parts of one text share: memory, and the steps left for finding words.
  private struct Work {
    var pairs = BytePairEncoder.Workspace()
    var steps: Int
  }

  private func encodePart(
    _ part: ArraySlice<UInt8>, _ work: inout Work, into ids: inout [Int32]
  ) throws(TokenizerError) {
    for piece in try addedTokens.splitNormalized(part, steps: &work.steps) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let range):
        try preTokenizer.forEachWord(in: Array(part[range]), steps: &work.steps) { word in
          encoder.encode(word, vocabulary, &work.pairs, into: &ids)
        }
      }
    }
  }

  /// The bytes that the tokens stand for: not UTF-8 where a character is cut. Ids that no token
  /// has are left out, as the reference does: models have more logits than tokens.
  package func decodeBytes(_ ids: [Int32], skipSpecialTokens: Bool = true) -> [UInt8] {
    var bytes: [UInt8] = []
    for id in ids where !(skipSpecialTokens && isSpecial(id)) {
      if let token = idToToken(id) { bytes += ByteAlphabet.decode(token) }
    }
    return bytes
  }

  /// The text that the tokens stand for, U+FFFD in place of what is not UTF-8.
  package func decode(_ ids: [Int32], skipSpecialTokens: Bool = true) -> String {
    String(decoding: decodeBytes(ids, skipSpecialTokens: skipSpecialTokens), as: UTF8.self)
  }
}
