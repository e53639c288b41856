import JSON
import Foundation
import Testing

@testable import Tokenizers

/// Nothing that a template does escapes its budget, and nothing of a rendering stays behind.
@Suite struct BudgetTests {
  private static let text = "{% set s = 'a' * 16000000 %}"
  private static let list = "{% set l = range(90000) | list %}"
  /// Each of them asks for hours or for more memory than there is, with few words.
  private static let greedy: [String] = [
    "{% set n = namespace(x=[]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}",
    "{% set n = namespace(x=[]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x | tojson }}",
    "{% set n = namespace(x=[]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x == n.x }}",
    "{% set n = namespace(x=[]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x < n.x }}",
    "{% set n = namespace(x=()) %}{% for i in range(60) %}{% set n.x = (n.x, n.x) %}{% endfor %}{{ {n.x: 1} }}",
    "{% set n = namespace(x={}) %}{% for i in range(60) %}{% set n.x = {'a': n.x, 'b': n.x} %}{% endfor %}{{ n.x }}",
    text + "{{ " + Array(repeating: "s", count: 300).joined(separator: " ~ ") + " }}",
    text + "{{ '%s%s' % (s, s) }}", text + "{{ '{}{}'.format(s, s) }}",
    text + "{{ [s, s] | join }}", text + "{{ ''.join([s, s]) }}", text + "{{ s | replace('', s) }}",
    text + "{{ s.replace('a', s) }}", text + "{{ 'a\\na\\na' | indent(s) }}",
    text + "{{ [1, 2] | tojson(indent=s) }}",
    text + "{% for i in range(99999) %}{% if s is lower %}{% endif %}{% endfor %}",
    text + "{% for i in range(99999) %}{% if 'b' in s %}{% endif %}{% endfor %}",
    text + "{% for i in range(99999) %}{{ s | length }}{% endfor %}",
    text + "{% for i in range(99999) %}{{ s.find('b') }}{{ s.rfind('b') }}{% endfor %}",
    text + "{% for i in range(99999) %}{{ s.count('b') }}{% endfor %}",
    text + "{% for i in range(99999) %}{% set x = s[1:] %}{% endfor %}",
    text + "{% for i in range(99999) %}{{ s[-1] }}{% endfor %}",
    text + "{% for i in range(99999) %}{% set x = s | trim('b') %}{% endfor %}",
    text
      + "{% for i in range(99999) %}{% set x = s | upper | lower | title | capitalize %}{% endfor %}",
    text + "{% for i in range(99999) %}{% set x = s.split() %}{% endfor %}",
    text + "{% for i in range(99999) %}{% set x = s | wordcount %}{% endfor %}",
    text + "{% for i in range(99999) %}{% if s < s ~ 'b' %}{% endif %}{% endfor %}",
    text + "{% set t = s ~ '' %}{% for i in range(99999) %}{% if s == t %}{% endif %}{% endfor %}",
    text + "{% for i in range(99999) %}{% set x = {s: 1} %}{% endfor %}",
    text + "{% for i in range(99999) %}{% set x = namespace({s: 1}) %}{% endfor %}",
    text + "{% for i in range(99999) %}{% set x = s | escape %}{% endfor %}",
    text + "{% for i in range(99999) %}{{ s | int }}{% endfor %}",
    text + "{% for i in range(99999) %}{% if s.isalpha() and s.isascii() %}{% endif %}{% endfor %}",
    text
      + "{% for i in range(99999) %}{% if s.startswith(s) and s.endswith(s) %}{% endif %}{% endfor %}",
    text + "{% for i in range(99999) %}{% set x %}{{ s }}{% endset %}{% endfor %}",
    text
      + "{% macro m(x) %}{{ x }}{% endmacro %}{% for i in range(99999) %}{% set x = m(s) %}{% endfor %}",
    text + "{% for c in s %}{% endfor %}", text + "{{ s | list }}",
    text + "{{ s | batch(1) | list }}",
    text + "{{ 'x'.center(999999999) }}", text + "{{ 'x'.ljust(9223372036854775807) }}",
    text + "{{ 'x'.zfill(-9223372036854775807 - 1) }}{{ 'x' * 99999999 }}",
    "{{ [1] | batch(999999999, 0) | list }}", "{{ [1] | slice(999999999) | list }}",
    "{{ 'x' | truncate(9223372036854775807, leeway=9223372036854775807) }}{{ 'x' * 99999999 }}",
    list + "{% for i in l %}{% if 'x' in l %}{% endif %}{% endfor %}",
    list + "{% for i in l %}{% set x = l | sort %}{% endfor %}",
    list + "{% for i in l %}{% set x = l | reverse | list %}{% endfor %}",
    list + "{% for i in l %}{% set x = l + l %}{% endfor %}",
    list + "{% for i in l %}{% set x = l[1:] %}{% endfor %}",
    list + "{% for i in l %}{% set x = l | map('string') | list %}{% endfor %}",
    list + "{% for i in l %}{% set x = l | select | list %}{% endfor %}",
    list + "{% for i in l %}{% set x = l | unique | list %}{% endfor %}",
    list + "{% for i in l %}{% set x = l | groupby(0) %}{% endfor %}",
    list + "{% for i in l %}{% set x = l | sum %}{{ l | max }}{% endfor %}",
    list + "{% for i in l %}{% set x = dict({}, **{'a': l}) %}{% set y = l.count(1) %}{% endfor %}",
    list
      + "{% macro m() %}{{ varargs | length }}{% endmacro %}{% for i in l %}{{ m(*l) }}{% endfor %}",
    "{% for i in range(99999) %}{% macro m() %}{% endmacro %}{% set x = [i] * 9999 %}{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99) %}{% set n = namespace(a=1) %}{% endfor %}{% endfor %}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% macro a() %}{{ caller() }}{% endmacro %}{% macro b() %}{% call a() %}{{ b() }}{% endcall %}{% endmacro %}{{ b() }}",
  ]

  @Test(arguments: greedy)
  func greedyTemplatesAreStopped(_ source: String) throws {
    let template = try ChatTemplate(source: source)
    let started = ContinuousClock.now
    let error = #expect(throws: TokenizerError.self) { try template.render(JSONObject()) }
    #expect(error?.code == .limitExceeded, "\(String(describing: error))")
    // A second or two alone; the test machine may be busy.
    #expect(ContinuousClock.now - started < .seconds(60))
  }

  /// What would be quadratic is not, so that it ends well within the budget.
  private static let quick: [(String, String)] = [
    ("{% set s = 'a' * 8000000 %}{% set t = 'a' * 4000000 ~ 'b' %}{{ t in s }}", "False"),
    ("{% set s = 'a' * 400000 %}{{ s.rsplit('aa', 3) | length }}{{ s.count('aaa') }}", "4133333"),
    ("{% set s = 'Σ.' * 100000 %}{{ s | lower | length }}", "200000"),
    ("{{ range(90000) | map('string') | unique | list | length }}", "90000"),
    ("{{ range(90000) | sort(reverse=true) | first }}", "89999"),
    ("{% set s = ' ' * 900000 %}{{ s.split() | length }}{{ s | trim | length }}", "00"),
  ]

  @Test(arguments: quick)
  func longTextsAreQuick(_ source: String, _ expected: String) throws {
    #expect(try ChatTemplate(source: source).render(JSONObject()) == expected)
  }

  /// A long conversation is far from the limits.
  @Test func longConversationsAreRendered() throws {
    let template = try ChatTemplate(
      source: String(
        contentsOf: Fixture.folder.appending(path: "chat/qwen3.jinja"), encoding: .utf8))
    let words = String(repeating: "some words of a long answer. ", count: 40)
    let messages = (0..<2_000).map { index in
      JSONValue.message(role: index % 2 == 0 ? "user" : "assistant", content: words)
    }
    let text = try template.render(messages: messages, addGenerationPrompt: true)
    #expect(text.utf8.count > 2_000 * words.utf8.count)
  }

  private static let rings: [String] = [
    "{% macro f(x) %}{{ x | length }}{% endmacro %}{% for m in messages %}{{ f(m.content) }}{% endfor %}",
    "{% for m in messages %}{% macro f() %}{{ m.role }}{% endmacro %}{{ f() }}{% endfor %}",
    "{% macro f() %}{% macro g() %}{{ f }}{% endmacro %}{{ messages | length }}{% endmacro %}{{ f() }}",
    "{% set n = namespace() %}{% set n.me = [n] %}{% set n.other = namespace(back=n) %}{{ n.me | length }}",
    "{% macro f() %}{% endmacro %}{% set n = namespace(f=f, m=messages) %}{{ n.m | length }}",
    "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{{ messages | length }}{% endcall %}",
    "{% for x in [[1], 2] recursive %}{{ loop(x) if x is iterable else x }}{% endfor %}",
    "{% macro f() %}{{ raise_exception('no') }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
  ]

  /// Scopes and macros, namespaces and their values refer to each other: none outlives its
  /// rendering, whether that ends well or not.
  @Test(arguments: rings)
  func nothingStaysBehind(_ source: String) throws {
    let template = try ChatTemplate(source: source)
    let variables = JSONObject([("messages", [["role": "user", "content": "some text"]])])
    for _ in 0..<1_200 {
      weak var seen: TemplateScope?
      do {
        let scope = TemplateScope(parent: nil)
        seen = scope
        _ = try? template.render(variables, in: scope)
      }
      guard seen == nil else {
        Issue.record("the scope of a rendering is still there")
        return
      }
    }
  }

  /// A namespace can refer to itself, but nothing that walks goes into it.
  @Test func chainsOfNamespacesEnd() throws {
    let source = """
      {% set n = namespace(x=none) %}{% for i in range(60000) %}\
      {% set n.x = namespace(x=[n.x]) %}{% endfor %}{{ n.x is defined }}
      """
    #expect(try ChatTemplate(source: source).render(JSONObject()) == "True")
  }

  @Test func deepestSyntaxIsRead() throws {
    var expression = "1"
    for _ in 0..<20 {
      expression = "(" + expression + String(repeating: " + 1", count: 99) + ")"
    }
    // Read or refused, and not run to the end of the stack; evaluating it nests too deep.
    let error = #expect(throws: TokenizerError.self) {
      try ChatTemplate(source: "{{ \(expression) }}").render(JSONObject())
    }
    #expect(error?.code == .limitExceeded)
  }
}
