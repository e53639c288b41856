package import JSON
package import Foundation

/// A model's chat template: turns messages into the text that the model was trained on.
///
/// The template is Jinja, run as `transformers` runs it, by an interpreter that has what chat
/// templates use and refuses the rest by name: statements when it is read, filters and methods
/// where they run. A template can neither loop for ever, nor grow without bound, nor reach anything
/// outside: see `TemplateLimits`.
package struct ChatTemplate: Sendable {
  /// By name; where there is but one template it is called `default`. One that cannot be read
  /// matters only where it is used.
  private let templates: [String: Result<TemplateBlock, TokenizerError>]
  private let specialTokens: [(name: String, text: String)]

  /// Loads `chat_template.jinja` and the files of `additional_chat_templates`, or else the
  /// `chat_template` of `tokenizer_config.json`, one or several by name; and the special tokens of
  /// that file, which the template sees by their names (`bos_token` …).
  /// - Throws: `missingFile` if there is none, else as `init(source:specialTokens:)`.
  package init(directory: URL) throws(TokenizerError) {
    let folder = ModelFolder(directory: directory)
    let config = try TokenizerConfig(folder)
    var sources = try folder.chatTemplates()
    if sources.isEmpty { sources = try Self.sources(config.fields["chat_template"]) }
    guard !sources.isEmpty else {
      throw TokenizerError(.missingFile, "no chat template in \(directory.path)")
    }
    // What templates call tokens is wrong, too.
    if let fault = config.fault { throw fault }
    try self.init(
      sources: sources, specialTokens: config.named.map { (name: $0.name, text: $0.text) })
  }

  /// - Parameters:
  ///   - source: the Jinja template.
  ///   - specialTokens: texts by name, `bos_token` and so on.
  /// - Throws: `unsupported` naming what the interpreter does not have, with the line;
  ///   `invalidFile` for a malformed template, `limitExceeded` for one too large or too deep.
  package init(
    source: String, specialTokens: [(name: String, text: String)] = []
  ) throws(TokenizerError) {
    try self.init(sources: ["default": source], specialTokens: specialTokens)
  }

  init(
    sources: [String: String], specialTokens: [(name: String, text: String)] = []
  ) throws(TokenizerError) {
    templates = sources.mapValues { source in
      Result { () throws(TokenizerError) in try TemplateParser.parse(source) }
    }
    self.specialTokens = specialTokens
    if case .failure(let error)? = templates["default"] { throw error }
  }

  private static func sources(_ json: JSONValue?) throws(TokenizerError) -> [String: String] {
    switch json {
    case .string(let source): return ["default": source]
    case .array(let items):
      var sources: [String: String] = [:]
      for item in items {
        guard let name = item.object?["name"]?.string,
          let source = item.object?["template"]?.string
        else {
          throw TokenizerError(
            .invalidFile, "tokenizer_config.json: a chat template without name and template")
        }
        sources[name] = source
      }
      return sources
    case .object(let members):
      var sources: [String: String] = [:]
      for (name, source) in members.members {
        guard let source = source.string else {
          throw TokenizerError(
            .invalidFile, "tokenizer_config.json: chat_template: \(name) is no text")
        }
        sources[name] = source
      }
      return sources
    case nil, .null: return [:]
    default:
      throw TokenizerError(.invalidFile, "tokenizer_config.json: chat_template is no text")
    }
  }

  /// The template for a conversation: that for tools where there are some, else the default one.
  private func block(hasTools: Bool) throws(TokenizerError) -> TemplateBlock {
    if hasTools, let template = templates["tool_use"] { return try template.get() }
    if let template = templates["default"] { return try template.get() }
    let names = templates.keys.sorted().joined(separator: ", ")
    throw TokenizerError(.invalidInput, "several chat templates and no default one: \(names)")
  }

  /// The text of a conversation.
  /// - Parameters:
  ///   - messages: objects with `role`, `content` and whatever else the template reads.
  ///   - tools: JSON schemas of the tools, nil for none.
  ///   - addGenerationPrompt: whether the start of the assistant's answer is added.
  ///   - extra: further variables, `enable_thinking` say; they win over special tokens.
  ///   - now: the time that `strftime_now` gives.
  ///   - timeZone: where that is.
  /// - Throws: `raisedByTemplate` with the template's own message, `invalidInput` for values that
  ///   the template cannot use, `unsupported` or `limitExceeded`.
  package func render(
    messages: [JSONValue], tools: [JSONValue]? = nil, addGenerationPrompt: Bool = false,
    extra: JSONObject = JSONObject(), now: Date = Date(), timeZone: TimeZone = .current
  ) throws(TokenizerError) -> String {
    guard !messages.isEmpty else { throw TokenizerError(.invalidInput, "no chat messages") }
    var variables = JSONObject(specialTokens.map { ($0.name, .string($0.text)) })
    for (name, value) in extra.members { variables.append(name, value) }
    var chat: [JSONValue] = []
    for message in messages {
      guard case .object(let object) = message else {
        throw TokenizerError(.invalidInput, "a chat message that is not an object")
      }
      // Keys that are null are as if they were not there: APIs write them, templates print them.
      let given = JSONObject(object.members.filter { !$0.value.isNull })
      chat.append(.object(Self.withReasoning(given)))
    }
    variables.append("messages", .array(chat))
    variables.append("tools", tools.map { .array($0) } ?? .null)
    variables.append("documents", extra["documents"] ?? .null)
    variables.append("add_generation_prompt", .bool(addGenerationPrompt))
    return try TemplateInterpreter.render(
      block(hasTools: tools != nil), variables, in: TemplateScope(parent: nil), now: now,
      timeZone: timeZone)
  }

  func render(
    _ variables: JSONObject, in scope: TemplateScope = TemplateScope(parent: nil),
    now: Date = Date(), timeZone: TimeZone = .current
  ) throws(TokenizerError) -> String {
    try TemplateInterpreter.render(
      block(hasTools: false), variables, in: scope, now: now, timeZone: timeZone)
  }

  /// A message's reasoning under the names that templates read, as transformers fills them in.
  private static func withReasoning(_ message: JSONObject) -> JSONObject {
    let names = ["reasoning_content", "thinking", "reasoning"]
    let given = names.lazy.compactMap { message[$0] }.first { !$0.isNull }
    guard let given else { return message }
    var filled = JSONObject([("thinking", message["thinking"] ?? given)])
    for (key, value) in message.members where key != "thinking" {
      filled.append(key, key == "reasoning_content" ? given : value)
    }
    if message["reasoning_content"] == nil { filled.append("reasoning_content", given) }
    return filled
  }
}

extension JSONValue {
  /// A chat message with a role and a text.
  package static func message(role: String, content: String) -> JSONValue {
    .object(JSONObject([("role", .string(role)), ("content", .string(content))]))
  }
}
