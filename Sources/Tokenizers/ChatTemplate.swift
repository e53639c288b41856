package import Foundation

/// A model's chat template: turns messages into the text that the model was trained on.
///
/// The template is Jinja, run as `transformers` runs it, by an interpreter that has what the
/// templates of Qwen, Llama, Mistral and Gemma need and refuses the rest by name when it is read.
/// A template can neither loop for ever, nor grow without bound, nor reach anything outside.
package struct ChatTemplate: Sendable {
  private let statements: [TemplateStatement]
  private let specialTokens: [(name: String, text: String)]

  /// Loads `chat_template.jinja`, or the `chat_template` of `tokenizer_config.json`, and the special
  /// tokens of that file, which the template sees by their names (`bos_token` …).
  /// - Throws: `invalidFile` if there is none, else as `init(source:specialTokens:)`.
  package init(directory: URL) throws(TokenizerError) {
    let folder = ModelFolder(directory: directory)
    let config = try folder.object("tokenizer_config.json") ?? JSONObject()
    let tokens = try Self.specialTokens(config)
    if let bytes = try folder.bytes("chat_template.jinja") {
      guard let source = String(validating: bytes, as: UTF8.self) else {
        throw TokenizerError(.invalidFile, "chat_template.jinja is not UTF-8")
      }
      try self.init(source: source, specialTokens: tokens)
      return
    }
    switch config["chat_template"] {
    case .string(let source): try self.init(source: source, specialTokens: tokens)
    case .array:
      throw TokenizerError(.unsupported, "tokenizer_config.json: several chat templates")
    default: throw TokenizerError(.invalidFile, "no chat template in \(directory.path)")
    }
  }

  /// - Parameters:
  ///   - source: the Jinja template.
  ///   - specialTokens: texts by name, `bos_token` and so on.
  /// - Throws: `unsupported` naming what the interpreter does not have, with the line;
  ///   `invalidFile` for a malformed template, `limitExceeded` for one too large or too deep.
  package init(
    source: String, specialTokens: [(name: String, text: String)] = []
  ) throws(TokenizerError) {
    statements = try TemplateParser.parse(source)
    self.specialTokens = specialTokens
  }

  private static func specialTokens(
    _ config: JSONObject
  ) throws(TokenizerError) -> [(name: String, text: String)] {
    let names = [
      "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
    ]
    return names.compactMap { name in
      ModelFolder.specialToken(config[name]).map { (name, $0) }
    }
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
      chat.append(.object(Self.withReasoning(object)))
    }
    variables.append("messages", .array(chat))
    variables.append("tools", tools.map { .array($0) } ?? .null)
    variables.append("documents", extra["documents"] ?? .null)
    variables.append("add_generation_prompt", .bool(addGenerationPrompt))
    return try render(variables, now: now, timeZone: timeZone)
  }

  func render(
    _ variables: JSONObject, now: Date = Date(), timeZone: TimeZone = .current
  ) throws(TokenizerError) -> String {
    let scope = TemplateScope(parent: nil)
    for (name, value) in variables.members { scope.set(name, try TemplateValue(value)) }
    var interpreter = TemplateInterpreter(now: now, timeZone: timeZone)
    guard try interpreter.run(statements, scope) == .normal else {
      throw TokenizerError(.invalidInput, "template: break or continue outside a loop")
    }
    return interpreter.output
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
