import JSON
import Foundation
import Testing

@testable import Tokenizers

/// Templates found elsewhere, rendered by transformers and written down by
/// `Tools/verify/templates.py`, which runs this.
@Suite struct TemplateSweepTests {
  private static let path = ProcessInfo.processInfo.environment["TINSMITH_TEMPLATE_CASES"]
  private static let special = [
    (name: "bos_token", text: "<s>"), (name: "eos_token", text: "</s>"),
    (name: "unk_token", text: "<unk>"), (name: "pad_token", text: "<pad>"),
  ]

  private struct Tally {
    var equal = 0
    var refusedByBoth = 0
    var differing = 0
    /// What only Tinsmith refuses, by its message.
    var refused: [String: Int] = [:]
  }

  @Test(.enabled(if: path != nil)) func foundTemplatesRenderAsTheReference() throws {
    let data = try Data(contentsOf: URL(filePath: #require(Self.path)))
    var whole = Tally()
    var equalTemplates = 0
    var templates = 0
    for line in [UInt8](data).split(separator: 0x0A) {
      let item = try #require(JSONParser.parse(Array(line)).object)
      let tally = try Self.compare(item)
      templates += 1
      if tally.differing == 0, tally.refused.isEmpty { equalTemplates += 1 }
      whole.equal += tally.equal
      whole.refusedByBoth += tally.refusedByBoth
      whole.differing += tally.differing
      let name = item["name"]?.string ?? ""
      if tally.differing > 0 { print("differs: \(name), \(tally.differing) renderings") }
      for (message, count) in tally.refused {
        print("refused: \(name), \(count) renderings: \(message)")
        whole.refused[message, default: 0] += count
      }
    }
    let refusals = whole.refused.values.reduce(0, +)
    print(
      "\(templates) templates, \(equalTemplates) of them equal throughout; renderings:",
      "\(whole.equal) equal, \(whole.refusedByBoth) refused by both, \(whole.differing) differ,",
      "\(refusals) refused here alone")
    #expect(whole.differing == 0)
  }

  private static func compare(_ item: JSONObject) throws -> Tally {
    var tally = Tally()
    let cases = try #require(item["cases"]?.array).compactMap(\.object)
    do throws(TokenizerError) {
      let template = try ChatTemplate(
        source: item["source"]?.string ?? "", specialTokens: special)
      for item in cases { compare(template, item, &tally) }
    } catch {
      for item in cases {
        if item["text"] == nil {
          tally.refusedByBoth += 1
        } else {
          tally.refused[error.message, default: 0] += 1
        }
      }
    }
    return tally
  }

  private static func compare(
    _ template: ChatTemplate, _ item: JSONObject, _ tally: inout Tally
  ) {
    do throws(TokenizerError) {
      let text = try template.render(
        messages: item["messages"]?.array ?? [], tools: item["tools"]?.array,
        addGenerationPrompt: item["add_generation_prompt"]?.bool ?? false,
        extra: item["extra"]?.object ?? JSONObject(), now: ChatTemplateTests.now,
        timeZone: ChatTemplateTests.utc)
      if item["text"]?.string.map({ Array($0.utf8) }) == Array(text.utf8) {
        tally.equal += 1
      } else {
        tally.differing += 1
      }
    } catch {
      if item["text"] != nil {
        tally.refused[error.message, default: 0] += 1
      } else if item["raised"]?.bool ?? false, error.code != .raisedByTemplate {
        tally.differing += 1
      } else {
        tally.refusedByBoth += 1
      }
    }
  }
}
