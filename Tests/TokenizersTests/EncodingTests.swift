import JSON
import Foundation
import Testing

@testable import Tokenizers

/// Ids and texts equal to those of the `tokenizers` package, string by string.
@Suite struct EncodingTests {
  @Test(arguments: Fixture.families)
  func matchesTheReference(_ family: String) throws {
    try compare(Fixture.tokenizer(family), with: Fixture.json("\(family)/golden.json"))
  }

  @Test(
    .enabled(
      if: FileManager.default.fileExists(
        atPath: Fixture.mini.appending(path: "tokenizer.json").path)))
  func embeddedModelMatchesTheReference() throws {
    try compare(Tokenizer(directory: Fixture.mini), with: Fixture.json("mini-golden.json"))
  }

  private func compare(_ tokenizer: Tokenizer, with golden: JSONValue) throws {
    let golden = try #require(golden.object)
    #expect(tokenizer.vocabularySize == golden["vocabulary_size"]?.int)
    for case .object(let item) in try #require(golden["cases"]?.array) {
      let text = try #require(item["text"]?.string)
      let ids = try #require(item["ids"]?.ids)
      #expect(
        try tokenizer.encode(text, addSpecialTokens: false) == ids, "\(text.debugDescription)")
      if let with = item["with"]?.ids { #expect(try tokenizer.encode(text) == with) }
      try compareDecoding(tokenizer, ids, item, unchanged: text)
    }
    for case .object(let item) in try #require(golden["decode"]?.array) {
      try compareDecoding(tokenizer, #require(item["ids"]?.ids), item, unchanged: nil)
    }
  }

  /// `decoded` where it is not the text itself, `skipped` where special tokens make a difference.
  private func compareDecoding(
    _ tokenizer: Tokenizer, _ ids: [Int32], _ item: JSONObject, unchanged: String?
  ) throws {
    let kept = try #require(item["decoded"]?.string ?? unchanged)
    let skipped = item["skipped"]?.string ?? kept
    for (expected, skips) in [(kept, false), (skipped, true)] {
      let text = tokenizer.decode(ids, skipSpecialTokens: skips)
      #expect(Array(text.utf8) == Array(expected.utf8), "\(ids)")
      guard skips || kept != unchanged else { continue }
      var decoder = StreamingDecoder(tokenizer, skipSpecialTokens: skips)
      var streamed = ids.reduce(into: "") { $0 += decoder.push($1) }
      streamed += decoder.finish()
      #expect(Array(streamed.utf8) == Array(expected.utf8), "streamed \(ids)")
    }
  }

  // MARK: Vocabularies without some bytes

  private static func partial(_ options: String) -> [UInt8] {
    Array(
      """
      {"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},
      "decoder":{"type":"ByteLevel"},"model":{"type":"BPE",\(options)
      "vocab":{"!":0,"a":1,"b":2,"ab":3,"!!":4,"!!!":5},
      "merges":[["a","b"],["!","!"],["!!","!"]]}}
      """.utf8)
  }

  /// Bytes without a symbol are passed over, and their neighbours join; the ids are those of the
  /// `tokenizers` package. SmolLM's vocabulary is such a one.
  @Test(
    arguments: [
      ("!\u{4}!", [4]), ("\u{4}", []), ("a\u{4}b", [1, 2]), ("ab", [3]), ("acb", [3]),
      ("!\u{4}!\u{4}!", [5]), ("é", []), ("!é!", [0, 0]), ("\u{4}!!", [4]), ("", []),
    ] as [(String, [Int32])])
  func bytesWithoutASymbol(text: String, ids: [Int32]) throws {
    for options in ["", #""ignore_merges":true,"#, #""unk_token":null,"#] {
      let tokenizer = try Tokenizer(json: Self.partial(options))
      #expect(try tokenizer.encode(text) == ids, "\(options)")
    }
  }

  @Test(arguments: [#""unk_token":"a","#, #""byte_fallback":true,"#])
  func tokensInPlaceOfBytesAreRefused(option: String) throws {
    let error = #expect(throws: TokenizerError.self) {
      try Tokenizer(json: Self.partial(option))
    }
    #expect(error?.code == .unsupported && error?.message.contains("byte 0") == true)
  }
}
