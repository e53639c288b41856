import JSON
import Foundation
import Testing

@testable import Tokenizers

/// Conversations and small templates rendered as transformers renders them.
@Suite struct ChatTemplateTests {
  /// What `strftime_now` gives in the golden files.
  static let now = Date(timeIntervalSince1970: 1_783_179_005)
  static let utc = TimeZone(secondsFromGMT: 0) ?? .current

  @Test func conversationsMatchTransformers() throws {
    let golden = try #require(Fixture.json("chat-golden.json").object)
    let conversations = try #require(golden["conversations"]?.object)
    let options = try #require(golden["options"]?.array)
    var templates: [String: ChatTemplate] = [:]
    for case .object(let item) in try #require(golden["cases"]?.array) {
      let name = try #require(item["template"]?.string)
      let template = try templates[name] ?? Self.template(name)
      templates[name] = template
      let title = try #require(item["conversation"]?.string)
      let index = try #require(item["options"]?.int)
      let messages = try #require(conversations[title]?.array)
      try expect(item, "\(name), \(title), options \(index)") { () throws(TokenizerError) in
        try Self.render(template, messages, options[index].object ?? JSONObject())
      }
    }
  }

  @Test func snippetsMatchTransformers() throws {
    let golden = try #require(Fixture.json("snippet-golden.json").object)
    let values = try #require(golden["values"]?.object)
    for case .object(let item) in try #require(golden["cases"]?.array) {
      let source = try #require(item["source"]?.string)
      try expect(item, source) { () throws(TokenizerError) in
        try ChatTemplate(source: source).render(values, now: Self.now, timeZone: Self.utc)
      }
    }
  }

  private static func template(_ name: String) throws -> ChatTemplate {
    if name == "mini" { return try ChatTemplate(directory: Fixture.mini) }
    let url = Fixture.folder.appending(path: "chat/\(name).jinja")
    return try ChatTemplate(
      source: String(contentsOf: url, encoding: .utf8),
      specialTokens: [("bos_token", "<s>"), ("eos_token", "</s>")])
  }

  private static func render(
    _ template: ChatTemplate, _ messages: [JSONValue], _ options: JSONObject
  ) throws(TokenizerError) -> String {
    var extra = JSONObject()
    for (key, value) in options.members where key != "tools" && key != "add_generation_prompt" {
      extra.append(key, value)
    }
    return try template.render(
      messages: messages, tools: options["tools"]?.array,
      addGenerationPrompt: options["add_generation_prompt"]?.bool ?? false, extra: extra,
      now: now, timeZone: utc)
  }

  /// The text, or a refusal where transformers refuses, with the template's own message if it was
  /// the template that did; `unsupported` marks what only this interpreter refuses, by name.
  private func expect(
    _ item: JSONObject, _ title: String, _ render: () throws(TokenizerError) -> String
  ) throws {
    do throws(TokenizerError) {
      let text = try render()
      let expected = item["unsupported"] == nil ? item["text"]?.string : nil
      #expect(expected.map { Array($0.utf8) } == Array(text.utf8), "\(title): \(text)")
    } catch {
      if item["raised"]?.bool ?? false {
        #expect(error.code == .raisedByTemplate, "\(title): \(error)")
        #expect(error.message == item["error"]?.string)
      } else if item["unsupported"] != nil {
        #expect(error.code == .unsupported || error.code == .limitExceeded, "\(title): \(error)")
      } else {
        #expect(item["error"] != nil, "\(title): \(error)")
      }
    }
  }
}
