import Foundation
import Testing

@testable import Tokenizers

/// Files, patterns and templates that ask for something else are refused, with its name.
@Suite struct RefusalTests {
  /// The GPT-2 style fixture with one top-level or model field replaced.
  private func tokenizer(
    _ field: String, _ value: JSONValue, inModel: Bool = false
  ) throws -> Tokenizer {
    let file = try #require(Fixture.json("gpt2/tokenizer.json").object)
    func replaced(_ object: JSONObject) -> JSONObject {
      JSONObject(object.members.filter { $0.key != field } + [(field, value)])
    }
    let changed =
      inModel
      ? JSONObject(
        file.members.map { member in
          guard member.key == "model", let model = member.value.object else { return member }
          return ("model", .object(replaced(model)))
        })
      : replaced(file)
    let text = try TemplateJSON(isASCII: false, sortsKeys: false)
      .text(TemplateValue(.object(changed)))
    return try Tokenizer(json: Array(text.utf8))
  }

  /// A field, the JSON put there, and what the error must name.
  private static let parts: [(String, String, String)] = [
    ("normalizer", #"{"type":"Lowercase"}"#, "Lowercase"),
    ("normalizer", #"{"type":"Sequence","normalizers":[{"type":"NFKC"}]}"#, "NFKC"),
    ("pre_tokenizer", "null", "null"),
    ("pre_tokenizer", #"{"type":"Metaspace"}"#, "ByteLevel"),
    (
      "pre_tokenizer",
      #"{"type":"Sequence","pretokenizers":[{"type":"Punctuation"},{"type":"ByteLevel"}]}"#,
      "Punctuation"
    ),
    ("post_processor", #"{"type":"BertProcessing"}"#, "BertProcessing"),
    ("decoder", #"{"type":"Metaspace"}"#, "Metaspace"),
    ("decoder", "null", "null"),
    (
      "added_tokens",
      #"[{"id":7000,"content":"<x>","special":true,"lstrip":false,"rstrip":false,"#
        + #""single_word":false,"normalized":false}]"#, "7000"
    ),
    ("added_tokens", #"[{"id":1,"content":"<x>"}]"#, "special"),
    ("added_tokens", #"[{"id":"x"}]"#, "added_tokens"),
  ]

  @Test(arguments: parts)
  func unsupportedParts(_ field: String, _ value: String, _ name: String) throws {
    let value = try JSONParser.parse(Array(value.utf8))
    let error = try #require(throws: TokenizerError.self) { try tokenizer(field, value) }
    #expect(error.message.contains(name), "\(error)")
  }

  private static let models: [(String, String, String)] = [
    ("type", #""Unigram""#, "Unigram"), ("end_of_word_suffix", #""</w>""#, "suffix"),
    ("continuing_subword_prefix", #""@@""#, "prefix"), ("dropout", "1", "dropout"),
    ("merges", #"["a b c"]"#, "pair"), ("merges", #"[["a"]]"#, "pair"),
    ("merges", #"["zzz y"]"#, "merge 0"), ("merges", "null", "merges"), ("vocab", "null", "vocab"),
    ("vocab", #"{"a":"b"}"#, "number"), ("vocab", #"{"a":-1}"#, "range"),
    ("vocab", #"{"a":4194304}"#, "range"), ("vocab", #"{"a":0,"b":0}"#, "two tokens"),
    ("vocab", #"{"a":0}"#, "byte"),
  ]

  @Test(arguments: models)
  func unsupportedModels(_ field: String, _ value: String, _ name: String) throws {
    let value = try JSONParser.parse(Array(value.utf8))
    let error = try #require(throws: TokenizerError.self) {
      try tokenizer(field, value, inModel: true)
    }
    #expect(error.message.contains(name), "\(error)")
  }

  @Test func repeatedTokensAreRefused() throws {
    var table = TokenTable(capacity: 2)
    try table.insert("a", id: 0)
    #expect(throws: TokenizerError.self) { try table.insert("a", id: 1) }
  }

  private static let patterns: [String] = [
    #"(?<=a)b"#, #"^a"#, #"a$"#, #"\bword"#, #"\w+"#, #"\p{Han}+"#, #"[[:alpha:]]"#, #"[a&&b]"#,
    #"(?i:ss)"#, #"(?i:é)"#, #"(?i:\p{L})"#, #"a{2}+"#, #"(a*)*"#, #"a**"#, #"(?<n>a)"#, #"\1"#,
    #"a{,3}"#, #"a{3,1}"#, #"[b-a]"#, #"[a-\d]"#, #"["#, #"("#, #")"#, #"*a"#, #"\p{L"#, #"[]"#,
    #"a{"#,
    #"\x{110000}"#, #"(?x) a"#, #"(?=a)+"#, #"a{2000}"#, #"(((a{999}){999}){999})"#,
  ]

  @Test(arguments: patterns)
  func unsupportedPatterns(_ pattern: String) {
    #expect(throws: TokenizerError.self) { try PatternProgram(pattern) }
  }

  @Test func deepGroupsAreRefused() {
    let deep = String(repeating: "(", count: 5000) + String(repeating: ")", count: 5000)
    #expect(throws: TokenizerError.self) { try PatternProgram(deep) }
  }

  private static let malformed: [String] = [
    "", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "01", "1.", "1e", "-", "nul", "\"\\x\"",
    "\"\\ud800\"",
    "\"a", "\"\u{1}\"", "1 2", "\u{FEFF}1", "99999999999999999999", "1e999", "[\"\\u12\"]", "tru",
  ]

  @Test(arguments: malformed)
  func malformedJSON(_ text: String) {
    #expect(throws: TokenizerError.self) { try JSONParser.parse(Array(text.utf8)) }
  }

  @Test func invalidUTF8AndDeepJSONAreRefused() {
    #expect(throws: TokenizerError.self) { try JSONParser.parse([0x22, 0xFF, 0x22]) }
    let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
    #expect(throws: TokenizerError.self) { try JSONParser.parse(deep) }
  }

  @Test func missingFilesAreNamed() throws {
    let nowhere = Fixture.folder.appending(path: "nowhere")
    let error = try #require(throws: TokenizerError.self) { try Tokenizer(directory: nowhere) }
    #expect(error.message.contains("tokenizer.json"))
    #expect(throws: TokenizerError.self) { try ChatTemplate(directory: nowhere) }
  }
}
