import JSON
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
      .text(TemplateValue(.object(changed), TemplateBudget()), TemplateBudget())
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
    ("vocab", #"{"a":0}"#, "merge 0"),
  ]

  @Test(arguments: models)
  func unsupportedModels(_ field: String, _ value: String, _ name: String) throws {
    let value = try JSONParser.parse(Array(value.utf8))
    let error = try #require(throws: TokenizerError.self) {
      try tokenizer(field, value, inModel: true)
    }
    #expect(error.message.contains(name), "\(error)")
  }

  @Test func sentencePieceIsRefusedInWords() throws {
    let model = #"{"type":"BPE","byte_fallback":true,"vocab":{"<unk>":0,"<0x41>":1},"merges":[]}"#
    let file = #"{"normalizer":{"type":"Prepend","prepend":"▁"},"model":\#(model)}"#
    let error = try #require(throws: TokenizerError.self) { try Tokenizer(json: Array(file.utf8)) }
    #expect(error.code == .unsupported && error.message.contains("SentencePiece"), "\(error)")
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
    "\"a", "\"\u{1}\"", "1 2", "\u{FEFF}1", "[\"\\u12\"]", "tru", "Na",
    "-N", "-NaN", "+1", "Inf", "infinity", String(repeating: "9", count: 5_000),
  ]

  @Test(arguments: malformed)
  func malformedJSON(_ text: String) {
    #expect(throws: JSONError.self) { try JSONParser.parse(Array(text.utf8)) }
  }

  /// What nobody reads may be any number that Python writes; where one is needed, it must fit.
  @Test func numbersOfAnySizeAreRead() throws {
    let huge = "1000000000000000019884624838656"
    let file = #"{"limit":\#(huge),"list":[NaN,Infinity,-Infinity,1e999,-\#(huge)],"small":7}"#
    let object = try #require(JSONParser.parse(Array(file.utf8)).object)
    guard case .bigInteger(huge)? = object["limit"] else {
      Issue.record("\(String(describing: object["limit"]))")
      return
    }
    #expect(object["limit"]?.int == nil)
    #expect(object["small"]?.int == 7)
    let numbers = try #require(object["list"]?.array)
    guard case .double(let nan) = numbers[0], case .double(let infinity) = numbers[1],
      case .double(let negative) = numbers[2], case .double(let beyond) = numbers[3],
      case .bigInteger("-" + huge) = numbers[4]
    else {
      Issue.record("\(numbers)")
      return
    }
    #expect(nan.isNaN && infinity == .infinity && negative == -.infinity && beyond == .infinity)
    let template = try ChatTemplate(source: "{{ limit }}")
    #expect(throws: TokenizerError.self) { try template.render(object) }
  }

  /// A pipe in the place of a file would hold whoever opens it.
  @Test(.timeLimit(.minutes(30)))
  func whatIsNoFileIsRefused() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    try FileManager.default.createDirectory(
      at: folder.appending(path: "tokenizer_config.json"), withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(mkfifo(folder.appending(path: "tokenizer.json").path, 0o600) == 0)
    let error = try #require(throws: TokenizerError.self) { try Tokenizer(directory: folder) }
    #expect(error.message.contains("is not a file"))
    let other = try #require(throws: TokenizerError.self) { try ChatTemplate(directory: folder) }
    #expect(other.message.contains("is not a file"))
  }

  @Test func invalidUTF8AndDeepJSONAreRefused() {
    #expect(throws: JSONError.self) { try JSONParser.parse([0x22, 0xFF, 0x22]) }
    let deep = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
    #expect(throws: JSONError.self) { try JSONParser.parse(deep) }
  }

  @Test func missingFilesAreNamed() throws {
    let nowhere = Fixture.folder.appending(path: "nowhere")
    let error = try #require(throws: TokenizerError.self) { try Tokenizer(directory: nowhere) }
    #expect(error.code == .missingFile && error.message.contains("tokenizer.json"))
    let none = #expect(throws: TokenizerError.self) { try ChatTemplate(directory: nowhere) }
    #expect(none?.code == .missingFile)
  }
}
