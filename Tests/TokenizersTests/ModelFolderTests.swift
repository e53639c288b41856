import JSON
import Foundation
import Testing

@testable import Tokenizers

/// Folders whose files say different things: what counts is what counts in transformers.
@Suite struct ModelFolderTests {
  /// A folder with the Qwen style fixture's tokenizer, whose last token is 602, and further files.
  private func withFolder<T>(
    _ files: [String: String], _ body: (URL) throws -> T
  ) throws -> T {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    let manager = FileManager.default
    try manager.createDirectory(
      at: folder.appending(path: "additional_chat_templates"), withIntermediateDirectories: true)
    defer { try? manager.removeItem(at: folder) }
    try manager.copyItem(
      at: Fixture.folder.appending(path: "qwen/tokenizer.json"),
      to: folder.appending(path: "tokenizer.json"))
    for (name, text) in files { try Data(text.utf8).write(to: folder.appending(path: name)) }
    return try body(folder)
  }

  private func tokenizer(_ files: [String: String]) throws -> Tokenizer {
    try withFolder(files) { try Tokenizer(directory: $0) }
  }

  private static func entry(_ content: String, _ flags: String = "") -> String {
    #"{"content":"\#(content)","special":true\#(flags)}"#
  }

  @Test func tokensOfTheConfigAreAdded() throws {
    let end = try Fixture.tokenizer("qwen").vocabularySize
    let listed = [
      "tokenizer_config.json": """
      {"eos_token":"<|stop|>","added_tokens_decoder":{"\(end + 1)":\(Self.entry("<|stop|>")),
      "\(end)":\(Self.entry("<|call|>", #","lstrip":true,"rstrip":true"#))}}
      """
    ]
    let tokenizer = try tokenizer(listed)
    let ids = Int32(end)..<Int32(end + 2)
    #expect(tokenizer.tokenToId("<|call|>") == ids.lowerBound)
    #expect(tokenizer.eosTokenIds == [ids.lowerBound + 1])
    #expect(tokenizer.isSpecial(ids.lowerBound))
    #expect(tokenizer.vocabularySize == end + 2)
    let text = try tokenizer.encode("a <|call|> <|stop|>")
    #expect(text.suffix(2) == [ids.lowerBound, ids.lowerBound + 1])
    #expect(tokenizer.decode(text) == "a")
  }

  @Test func theFileOfAddedTokensIsReadWhereTheConfigListsNone() throws {
    let end = try Fixture.tokenizer("qwen").vocabularySize
    let files = [
      "added_tokens.json": #"{"<|late|>":\#(end + 1),"<|early|>":\#(end)}"#,
      "tokenizer_config.json": #"{"eos_token":"<|im_end|>"}"#,
      "special_tokens_map.json": #"{"eos_token":{"content":"<|late|>","lstrip":false}}"#,
    ]
    let tokenizer = try tokenizer(files)
    #expect(tokenizer.tokenToId("<|early|>") == Int32(end))
    #expect(tokenizer.eosTokenIds == [Int32(end + 1)])
    // Special is what the map names; the other is an ordinary token.
    #expect(tokenizer.isSpecial(Int32(end + 1)))
    #expect(!tokenizer.isSpecial(Int32(end)))
    // A config with a list of its own stands alone.
    let both = files.merging(
      ["tokenizer_config.json": #"{"eos_token":"<|im_end|>","added_tokens_decoder":{}}"#]
    ) { $1 }
    let alone = try self.tokenizer(both)
    #expect(alone.tokenToId("<|early|>") == nil)
    #expect(alone.eosTokenIds == [602])
  }

  @Test func specialTokensThatNobodyListsAreAdded() throws {
    let end = try Fixture.tokenizer("qwen").vocabularySize
    let config = """
      {"bos_token":"<|new|>","image_token":"<|image|>","unk_token":null,
      "additional_special_tokens":["<|im_start|>","<|more|>"]}
      """
    let tokenizer = try tokenizer(["tokenizer_config.json": config])
    #expect(tokenizer.tokenToId("<|new|>") == Int32(end))
    #expect(tokenizer.tokenToId("<|image|>") == Int32(end + 1))
    #expect(tokenizer.tokenToId("<|more|>") == Int32(end + 2))
    #expect(tokenizer.vocabularySize == end + 3)
  }

  @Test func theConfigsFlagsReplaceTheFiles() throws {
    let id = try #require(Fixture.tokenizer("qwen").tokenToId("<think>"))
    let config =
      #"{"added_tokens_decoder":{"\#(id)":{"content":"<think>","special":true,"#
      + #""rstrip":true,"normalized":false}}}"#
    let tokenizer = try tokenizer(["tokenizer_config.json": config])
    #expect(try !Fixture.tokenizer("qwen").isSpecial(id))
    #expect(tokenizer.isSpecial(id))
    #expect(try tokenizer.encode("<think>  ") == [id])
  }

  private static let refused: [(String, String, String)] = [
    ("tokenizer_config.json", #"{"added_tokens_decoder":{"7000":{"content":"<x>"}}}"#, "7000"),
    ("tokenizer_config.json", #"{"added_tokens_decoder":{"x":{"content":"<x>"}}}"#, "decoder"),
    ("tokenizer_config.json", #"{"added_tokens_decoder":{"1":"<x>"}}"#, "decoder"),
    (
      "tokenizer_config.json", #"{"added_tokens_decoder":{"1":{"content":"<|im_end|>"}}}"#, "im_end"
    ),
    ("added_tokens.json", #"{"<x>":"y"}"#, "<x>"),
    ("added_tokens.json", #"{"<x>":9000}"#, "9000"),
    ("added_tokens.json", #"{"<x>":10000000000000000000000}"#, "<x>"),
  ]

  @Test(arguments: refused)
  func contradictionsAreRefused(_ file: String, _ text: String, _ name: String) throws {
    let error = try #require(throws: TokenizerError.self) { try tokenizer([file: text]) }
    #expect(error.message.contains(name), "\(error)")
  }

  /// A number that nobody reads loses no tokenizer; without a generation config the model's counts.
  @Test func endTokensAreFound() throws {
    let big = #""model_max_length":1000000000000000019884624838656"#
    let named = try tokenizer(["tokenizer_config.json": #"{"eos_token":"<|im_end|>",\#(big)}"#])
    #expect(named.eosTokenIds == [602])
    let config = ["config.json": #"{"eos_token_id":[600,602],"x":NaN}"#]
    #expect(try tokenizer(config).eosTokenIds == [600, 602])
    let generation = config.merging(["generation_config.json": #"{"eos_token_id":601}"#]) { $1 }
    #expect(try tokenizer(generation).eosTokenIds == [601])
  }

  /// A Qwen tokenizer whose files name no end token has that of its class.
  @Test func endTokensOfTheClass() throws {
    let ofClass = ["tokenizer_config.json": #"{"tokenizer_class":"Qwen2Tokenizer"}"#]
    #expect(try tokenizer(ofClass).eosTokenIds == [600])
    let model = ["config.json": #"{"model_type":"qwen3","eos_token_id":602}"#]
    #expect(try tokenizer(model).eosTokenIds == [600, 602])
    let none = #"{"tokenizer_class":"Qwen2Tokenizer","eos_token":null}"#
    #expect(try tokenizer(["tokenizer_config.json": none]).eosTokenIds == [])
    let other = model.merging(["tokenizer_config.json": #"{"tokenizer_class":"X"}"#]) { $1 }
    #expect(try tokenizer(other).eosTokenIds == [602])
  }

  @Test(arguments: [
    ("generation_config.json", #"{"eos_token_id":["x",7,null]}"#, [Int32(7)], "has \"x\", which"),
    ("generation_config.json", #"{"eos_token_id":true}"#, [], "eos_token_id has true"),
    ("config.json", #"{"eos_token_id":1000000000000}"#, [], "has 1000000000000"),
    ("tokenizer_config.json", #"{"eos_token":""}"#, [], "eos_token is \"\", which is no token"),
  ])
  func whatIsNoEndTokenIsTold(
    file: String, text: String, ids: [Int32], words: String
  ) throws {
    let tokenizer = try tokenizer([file: text])
    #expect(tokenizer.eosTokenIds == ids && tokenizer.warnings.count == 1)
    #expect(tokenizer.warnings[0].hasPrefix(file) && tokenizer.warnings[0].contains(words))
  }

  /// Where transformers takes something else than what stands in `tokenizer.json`.
  @Test(arguments: [
    (#"{"tokenizer_class":"Qwen2Tokenizer"}"#, nil as String?),
    (#"{"tokenizer_class":"PreTrainedTokenizerFast","add_prefix_space":true}"#, nil),
    (#"{"tokenizer_class":"Qwen2TokenizerFast","add_prefix_space":true}"#, "pre_tokenizer"),
    (#"{"tokenizer_class":"Qwen2Tokenizer","added_tokens_decoder":{}}"#, "added_tokens"),
    (#"{"tokenizer_class":"GPT2Tokenizer"}"#, "normalizer, pre_tokenizer"),
  ])
  func whatTheClassHasOtherwiseIsTold(config: String, parts: String?) throws {
    let warnings = try tokenizer(["tokenizer_config.json": config]).warnings
    #expect(warnings.count == (parts == nil ? 0 : 1))
    if let parts { #expect(warnings.first?.contains("has other \(parts) for a") == true) }
  }

  @Test(arguments: [
    (#"{"add_bos_token":"x","add_eos_token":"x"}"#, "x  x"),
    (#"{"image_token":{"content":"x"}}"#, "x  x"),
  ])
  func whatIsNoTokenIsNotAdded(config: String, text: String) throws {
    let plain = try Fixture.tokenizer("qwen").encode(text)
    #expect(try tokenizer(["tokenizer_config.json": config]).encode(text) == plain)
    let typed = #"{"image_token":{"content":"x","__type":"AddedToken"}}"#
    #expect(try tokenizer(["tokenizer_config.json": typed]).encode(text) != plain)
  }

  /// As transformers refuses them. What other files say of end tokens is not lost.
  @Test(arguments: [
    ("eos_token", "5"), ("bos_token", "[]"), ("pad_token", "true"), ("unk_token", "{}"),
    ("extra_special_tokens", #""<x>""#), ("extra_special_tokens", #"["<x>",7]"#),
    ("extra_special_tokens", #"{"x":5}"#), ("additional_special_tokens", "7"),
    ("split_special_tokens", "true"), ("split_special_tokens", "null"),
    ("added_tokens_decoder", "null"),
    ("added_tokens_decoder", #"{"7":{"content":"x","special":1}}"#),
  ])
  func whatIsNoSpecialTokenIsRefused(key: String, value: String) throws {
    for file in ["tokenizer_config.json", "special_tokens_map.json"] {
      let text = #"{"\#(key)":\#(value)}"#
      let files = [file: text, "generation_config.json": #"{"eos_token_id":601}"#]
      if file == "special_tokens_map.json", ["split", "added"].contains(key.prefix(5)) { continue }
      try withFolder(files) { folder in
        let error = try #require(throws: TokenizerError.self) { try Tokenizer(directory: folder) }
        #expect(error.message.hasPrefix("\(file): \(key)"), "\(error)")
        #expect(EndTokens(withoutTokenizer: folder).ids == [601])
      }
    }
  }

  /// A tokenizer that is not read costs no end token whose number some file gives.
  @Test func endTokensWithoutATokenizer() throws {
    func found(_ files: [String: String]) throws -> [Int32] {
      try withFolder(files.merging(["tokenizer.json": "{"]) { given, _ in given }) { folder in
        _ = try #require(throws: TokenizerError.self) { try Tokenizer(directory: folder) }
        return EndTokens(withoutTokenizer: folder).ids
      }
    }
    let config = #"{"eos_token_id":[7,8]}"#
    #expect(try found(["config.json": config]) == [7, 8])
    #expect(
      try found(["config.json": config, "generation_config.json": #"{"eos_token_id":2}"#]) == [2])
    let named = #"{"eos_token":"<e>","added_tokens_decoder":{"9":\#(Self.entry("<e>"))}}"#
    #expect(try found(["config.json": config, "tokenizer_config.json": named]) == [9, 7, 8])
    let files = [
      "tokenizer.json": #"{"added_tokens":[{"id":5,"content":"</s>"}],"model":{"type":"Unigram"}}"#,
      "special_tokens_map.json": #"{"eos_token":"</s>"}"#,
    ]
    #expect(try found(files) == [5])
    #expect(try found([:]) == [])
    // A token of the vocabulary, and one that is left to its class.
    let vocabulary = #"{"model":{"type":"WordLevel","vocab":{"<e>":3,"<|endoftext|>":4}}}"#
    func inVocabulary(_ config: String) throws -> [Int32] {
      try withFolder(["tokenizer.json": vocabulary, "tokenizer_config.json": config]) {
        EndTokens(withoutTokenizer: $0).ids
      }
    }
    #expect(try inVocabulary(#"{"eos_token":"<e>"}"#) == [3])
    #expect(try inVocabulary(#"{"eos_token":{},"tokenizer_class":"Qwen2Tokenizer"}"#) == [4])
    #expect(try inVocabulary(#"{"eos_token":null,"tokenizer_class":"Qwen2Tokenizer"}"#) == [])
  }

  /// As transformers, which takes the model's config in its place.
  @Test func aGenerationConfigThatIsNoneCostsNoTokenizer() throws {
    for text in ["", "{", "[]", "null"] {
      let tokenizer = try tokenizer([
        "generation_config.json": text, "config.json": #"{"eos_token_id":601}"#,
      ])
      #expect(tokenizer.eosTokenIds.contains(601))
      #expect(tokenizer.warnings.contains { $0.hasPrefix("generation_config.json") }, "\(text)")
    }
  }

  /// What no list gives a number is told, where the tokenizer is not read, too.
  @Test func anEndTokenThatIsNoneIsToldWithoutATokenizer() throws {
    let config = #"{"eos_token":"<none>"}"#
    try withFolder(["tokenizer.json": "{", "tokenizer_config.json": config]) { folder in
      let warnings = EndTokens(withoutTokenizer: folder).warnings
      #expect(warnings.count == 1 && warnings[0].contains("<none>"))
    }
  }

  // MARK: Chat templates

  private static let message = JSONValue.message(role: "user", content: "x")

  private func rendered(
    _ files: [String: String], tools: [JSONValue]? = nil
  ) throws -> String {
    try withFolder(files) {
      try ChatTemplate(directory: $0).render(messages: [Self.message], tools: tools)
    }
  }

  @Test func namedTemplatesAreChosen() throws {
    let list = """
      {"eos_token":"!","image_token":"<i>","chat_template":[
      {"name":"tool_use","template":"tools{{ image_token }}"},
      {"name":"default","template":"plain{{ eos_token }}"},
      {"name":"broken","template":"{% for %}"}]}
      """
    let files = ["tokenizer_config.json": list]
    #expect(try rendered(files) == "plain!")
    #expect(try rendered(files, tools: []) == "tools<i>")
    #expect(try rendered(files, tools: [["name": "f"]]) == "tools<i>")
    // Files come before the config, all of them.
    let one = files.merging(["chat_template.jinja": "file"]) { $1 }
    #expect(try rendered(one, tools: []) == "file")
    let two = one.merging(["additional_chat_templates/tool_use.jinja": "second"]) { $1 }
    #expect(try rendered(two, tools: []) == "second")
    #expect(try rendered(two) == "file")
    let object = #"{"chat_template":{"default":"plain","tool_use":"tools"}}"#
    #expect(try rendered(["tokenizer_config.json": object]) == "plain")
    #expect(try rendered(["tokenizer_config.json": object], tools: []) == "tools")
    for wrong in ["7", "true", #"{"default":7}"#] {
      let error = #expect(throws: TokenizerError.self) {
        try rendered(["tokenizer_config.json": #"{"chat_template":\#(wrong)}"#])
      }
      #expect(error?.message.hasPrefix("tokenizer_config.json: chat_template") == true)
    }
    let noDefault = ["tokenizer_config.json": #"{"chat_template":[{"name":"rag","template":"x"}]}"#]
    let error = try #require(throws: TokenizerError.self) { try rendered(noDefault) }
    #expect(error.message.contains("rag"))
    #expect(throws: TokenizerError.self) {
      try rendered(["tokenizer_config.json": #"{"chat_template":[{"name":"rag"}]}"#])
    }
  }

  /// A template that cannot be read is not the same as none: nobody may go on without it.
  @Test func unreadableTemplatesAreNotMissing() throws {
    for template in ["{% if %}", "{{ 1 | nonexistent }}", "{{ 'a }}"] {
      let error = #expect(throws: TokenizerError.self) {
        try rendered(["chat_template.jinja": template])
      }
      #expect(error?.code == .invalidFile, "\(template)")
    }
  }

  @Test func nullKeysOfMessagesAreDropped() throws {
    let template = try ChatTemplate(
      source: "{{ messages[0] }}{{ messages[0].content is defined }}{{ messages[0].x }}")
    let message: JSONValue = ["role": "assistant", "content": nil, "x": ["y": nil]]
    let text = try template.render(messages: [message])
    #expect(text == "{'role': 'assistant', 'x': {'y': None}}False{'y': None}")
  }
}
