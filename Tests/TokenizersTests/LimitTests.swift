import JSON
import Foundation
import Testing

@testable import Tokenizers

/// Work is bounded whatever the text, the pattern or the template.
@Suite struct LimitTests {
  @Test(arguments: ["a", " ", "\n", "1", "é", "A", "!", "'", "\u{301}", "ab", "e\u{301}", " a"])
  func longRunsTakeLinearTime(_ unit: String) throws {
    let tokenizer = try Fixture.tokenizer("qwen")
    let text = String(repeating: unit, count: 20_000)
    let started = ContinuousClock.now
    let ids = try tokenizer.encode(text)
    #expect(ContinuousClock.now - started < .seconds(20))
    let composed = unit == "e\u{301}" ? String(repeating: "\u{E9}", count: 20_000) : text
    #expect(tokenizer.decodeBytes(ids, skipSpecialTokens: false).elementsEqual(composed.utf8))
  }

  /// The time for a text four times as long is about four times as long, not sixteen times.
  @Test(arguments: [
    "\u{301}\u{323}", "\u{334}\u{345}\u{5B0}", "가\u{11A8}", " ", "\n ", "A", "é", "\u{FFFD}",
  ])
  func longTextsTakeLinearTime(_ unit: String) throws {
    for family in ["qwen", "o200k", "deepseek", "gpt2"] {
      let tokenizer = try Fixture.tokenizer(family)
      func seconds(_ bytes: Int) throws -> Double {
        let text = "a" + String(repeating: unit, count: bytes / unit.utf8.count)
        var best = Double.infinity
        for _ in 0..<2 {
          let took = try ContinuousClock().measure { _ = try tokenizer.encode(text) }
          best = min(best, took / .seconds(1))
        }
        return best
      }
      // Milliseconds; where it was quadratic, the longer one took minutes.
      let (short, long) = (try seconds(100_000), try seconds(400_000))
      #expect(long < 10 * short + 2, "\(family): \(short) s, then \(long) s")
    }
  }

  /// Many parts of a text share its steps, and an added token that nearly matches uses them, too.
  @Test func stepsAreThoseOfTheWholeText() throws {
    let nested = #"(?:(?:a|a|aa){1,40}b|x)+y"#
    let pre = """
      {"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"String":"-"},
      "behavior":"Isolated"},{"type":"Split","pattern":{"Regex":"\(nested)"},
      "behavior":"Isolated"},{"type":"ByteLevel"}]}
      """
    let text = String(repeating: String(repeating: "a", count: 24) + "-", count: 20_000)
    let splitter = try PreTokenizer(JSONParser.parse(Array(pre.utf8)))
    var steps = PatternMatcher.stepLimit(text.utf8.count)
    let error = #expect(throws: TokenizerError.self) {
      try splitter.forEachWord(in: Array(text.utf8), steps: &steps) { _ in }
    }
    #expect(error?.code == .limitExceeded)
    let token = String(repeating: "a", count: 3_000) + "b"
    let added = AddedTokens(
      try AddedTokens.entries(
        [
          [
            "id": 0, "content": .string(token), "special": true, "lstrip": false, "rstrip": false,
            "single_word": false, "normalized": false,
          ]
        ]), normalizer: .none)
    let near = [UInt8](repeating: UInt8(ascii: "a"), count: 100_000)
    steps = PatternMatcher.stepLimit(near.count)
    let other = #expect(throws: TokenizerError.self) { try added.split(near[...], steps: &steps) }
    #expect(other?.code == .limitExceeded)
  }

  /// Tokens that take the white space around them, in a text of white space.
  @Test func strippingTokensTakeLinearTime() throws {
    let added = AddedTokens(
      try AddedTokens.entries(
        [
          [
            "id": 0, "content": " ", "special": true, "lstrip": true, "rstrip": true,
            "single_word": false, "normalized": false,
          ]
        ]), normalizer: .none)
    let text = [UInt8](repeating: 0x20, count: 400_000)
    var steps = PatternMatcher.stepLimit(text.count)
    let started = ContinuousClock.now
    #expect(try added.split(text[...], steps: &steps).count == text.count)
    #expect(ContinuousClock.now - started < .seconds(20))
  }

  @Test func hostileFilesAreBounded() throws {
    let letters = String(
      (0..<6_000).compactMap { Unicode.Scalar(0x4E00 + 2 * $0) }.map(Character.init))
    #expect(throws: TokenizerError.self) { try PatternProgram("(?:[\(letters)]a){1000}") }
    #expect(throws: TokenizerError.self) {
      try PatternProgram(String(repeating: "a", count: 70_000))
    }
    let values = "[" + String(repeating: "0,", count: JSONParser.maximumValues) + "0]"
    let error = #expect(throws: JSONError.self) { try JSONParser.parse(Array(values.utf8)) }
    #expect(error?.code == .limitExceeded)
  }

  @Test func rawTextTakesLinearTime() throws {
    let started = ContinuousClock.now
    let tags = String(repeating: "{% ", count: 300_000)
    #expect(throws: TokenizerError.self) { try ChatTemplate(source: "{% raw %}" + tags) }
    let template = try ChatTemplate(source: "{% raw %}" + tags + "{% endraw %}")
    #expect(try template.render(JSONObject()) == tags)
    #expect(throws: TokenizerError.self) {
      try ChatTemplate(source: String(repeating: "{{ 1 }}", count: 100_000))
    }
    #expect(ContinuousClock.now - started < .seconds(30))
  }

  @Test func backtrackingWithoutEndIsRefused() throws {
    let program = try PatternProgram(#"(?:(?:a|a|aa){1,40}b|x)+y"#)
    let text = Array(String(repeating: "a", count: 3000).utf8)
    let error = #expect(throws: TokenizerError.self) {
      try text.withUnsafeBufferPointer { (text) throws(TokenizerError) in
        var steps = PatternMatcher.stepLimit(text.count)
        _ = try PatternMatcher.matches(of: program, in: text, steps: &steps)
      }
    }
    #expect(error?.code == .limitExceeded)
  }

  private static let greedy: [String] = [
    "{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}",
    "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
    "{% set ns = namespace(s=[1]) %}{% for i in range(999) %}{% set ns.s = [ns.s] %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{{ 'a' * 999999999999 }}",
    "{{ [1] * 99999999 }}",
    "{{ 'aaaa' | replace('', 'x' * 9999999) }}", "{{ 9223372036854775807 + 1 }}", "{{ 3 ** 99 }}",
    "{{ -9223372036854775807 - 2 }}", "{{ 'a' * 9223372036854775807 }}",
    "{{ 'x' | indent(9999999999) }}", "{% for i in range(99999) %}{{ 'x' * 9999 }}{% endfor %}",
    "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns }}",
    "{{ (-9223372036854775807 - 1) // -1 }}", "{{ (-9223372036854775807 - 1) | abs }}",
    "{{ 1e300 | int }}", "{{ [1] | tojson(indent=9999999) }}",
  ]

  @Test(arguments: greedy)
  func greedyTemplatesAreStopped(_ source: String) throws {
    let template = try ChatTemplate(source: source)
    #expect(throws: TokenizerError.self) { try template.render(JSONObject()) }
  }

  private static let deep: [String] = [
    String(repeating: "(", count: 5_000), String(repeating: "{% if x %}", count: 5_000),
    String(repeating: "not ", count: 5_000), String(repeating: "-", count: 5_000),
    String(repeating: "a + ", count: 5_000) + "a", String(repeating: "a.", count: 5_000) + "a",
    "a" + String(repeating: " | upper", count: 5_000), String(repeating: "[", count: 5_000),
    String(repeating: "a if b else ", count: 5_000) + "c",
    "a" + String(repeating: " is string", count: 5_000),
    "a" + String(repeating: "()", count: 5_000),
  ]

  @Test(arguments: deep)
  func deepSyntaxIsRefused(_ expression: String) {
    let source = expression.hasPrefix("{%") ? expression : "{{ " + expression + " }}"
    #expect(throws: TokenizerError.self) { try ChatTemplate(source: source) }
  }

  @Test func deepMessagesAreRefused() throws {
    var value: JSONValue = 1
    for _ in 0..<200 { value = [value] }
    let template = try ChatTemplate(source: "{{ messages }}")
    #expect(throws: TokenizerError.self) {
      try template.render(messages: [["role": "user", "content": value]])
    }
  }

  /// Random pieces of templates: whatever comes, no trap.
  @Test func randomTemplatesDoNotTrap() {
    let pieces = [
      "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "if ", "for ", "in ", "x", "set ", "=", "endif",
      "endfor", "'", "\"", "|", "upper", "[", "]", "(", ")", "{", "}", ":", ",", "1", ".", "~", "*",
      "//", "%", "**", "raw", "endraw", "\n", " ", "is ", "not ", "defined", "macro m(", "loop",
      "\\",
      "else", "elif ", "messages", "9223372036854775807", "-1", "::", "range(", "namespace(",
      "e\u{301}",
    ]
    var random = SystemRandomNumberGenerator()
    for _ in 0..<3000 {
      let source = (0..<Int.random(in: 1...24, using: &random))
        .map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
      _ = try? ChatTemplate(source: source).render(messages: [["role": "user", "content": "x"]])
      let expression = "{{ " + source + " }}"
      _ = try? ChatTemplate(source: expression).render(messages: [["role": "user", "content": "x"]])
    }
  }

  /// Random bytes in place of some of a real file's: refused or read, but no trap.
  @Test func damagedFilesDoNotTrap() throws {
    let file = [UInt8](
      try Data(contentsOf: Fixture.folder.appending(path: "behaviors/tokenizer.json")))
    var random = SystemRandomNumberGenerator()
    for _ in 0..<150 {
      var damaged = file
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let at = Int.random(in: 0..<min(3000, damaged.count), using: &random)
        damaged[at] = UInt8.random(in: 0x20...0x7E, using: &random)
      }
      if let tokenizer = try? Tokenizer(json: damaged) {
        _ = try? tokenizer.encode("some Text, 123\n\tthe é\u{301} ab c")
      }
    }
  }
}
