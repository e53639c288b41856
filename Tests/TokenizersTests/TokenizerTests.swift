import JSON
import Foundation
import Testing

@testable import Tokenizers

/// The parts of the interface that golden files do not show.
@Suite struct TokenizerTests {
  @Test func vocabularyIsReadBothWays() throws {
    let tokenizer = try Fixture.tokenizer("qwen")
    let end = try #require(tokenizer.tokenToId("<|im_end|>"))
    #expect(tokenizer.idToToken(end) == "<|im_end|>")
    #expect(tokenizer.isSpecial(end))
    #expect(tokenizer.tokenToId("<think>").map(tokenizer.isSpecial) == false)
    #expect(tokenizer.tokenToId("no such token") == nil)
    #expect(tokenizer.idToToken(-1) == nil)
    #expect(tokenizer.idToToken(Int32(tokenizer.vocabularySize)) == nil)
    #expect(tokenizer.decode([-5, .max, end]).isEmpty)
  }

  @Test func endTokensComeFromTheConfigs() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.copyItem(
      at: Fixture.folder.appending(path: "qwen/tokenizer.json"),
      to: folder.appending(path: "tokenizer.json"))
    #expect(try Tokenizer(directory: folder).eosTokenIds.isEmpty)
    let config =
      #"{"eos_token":{"content":"<|im_end|>"},"bos_token":null,"chat_template":"{{ eos_token }}"}"#
    try Data(config.utf8).write(to: folder.appending(path: "tokenizer_config.json"))
    try Data(#"{"eos_token_id":[600,602,9999,"x"]}"#.utf8)
      .write(to: folder.appending(path: "generation_config.json"))
    let tokenizer = try Tokenizer(directory: folder)
    // A model may have more logits than the tokenizer has tokens.
    #expect(tokenizer.eosTokenIds == [602, 600, 9999])
    #expect(tokenizer.tokenToId("<|im_end|>") == 602)
    let message = JSONValue.message(role: "user", content: "x")
    #expect(try ChatTemplate(directory: folder).render(messages: [message]) == "<|im_end|>")
    try Data("{{ messages[0].content }}!".utf8)
      .write(to: folder.appending(path: "chat_template.jinja"))
    #expect(try ChatTemplate(directory: folder).render(messages: [message]) == "x!")
  }

  @Test func streamingHoldsBackHalfCharacters() throws {
    let tokenizer = try Fixture.tokenizer("gpt2")
    let ids = try tokenizer.encode("é👩‍🚀中a", addSpecialTokens: false)
    var decoder = StreamingDecoder(tokenizer)
    var text = ""
    for id in ids {
      let piece = decoder.push(id)
      #expect(!piece.unicodeScalars.contains("\u{FFFD}"))
      text += piece
    }
    #expect(Array(text.utf8) == Array("é👩‍🚀中a".utf8))
    #expect(decoder.finish().isEmpty)
    _ = decoder.push(try #require(ids.first))
    #expect(decoder.finish() == "\u{FFFD}")
    #expect(decoder.finish().isEmpty)
  }

  @Test func compositionMatchesTheReference() throws {
    let normalizer = try Normalizer(["type": "NFC"])
    for item in try #require(Fixture.json("nfc-golden.json").array) {
      let pair = try #require(item.array).compactMap(\.string)
      let text = Array(pair[0].utf8)
      #expect(normalizer(text[...]).elementsEqual(pair[1].utf8), "\(pair[0].unicodeScalars)")
    }
  }

  /// The normaliser, character by character, against what its table says.
  @Test func inertCharactersPassTheNormalizer() throws {
    let normalizer = try Normalizer(["type": "NFC"])
    for value in stride(from: UInt32(0x300), to: 0x11_0000, by: 37) {
      guard let scalar = Unicode.Scalar(value), !ScalarTable.normalization.contains(value)
      else { continue }
      let text = Array("a\(scalar)".utf8)
      #expect(normalizer(text[...]).elementsEqual(text))
    }
  }
}
