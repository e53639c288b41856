import ArgumentParser
import Foundation
import Tinsmith
import Tokenizers

/// `tinsmith chat`: a conversation on the terminal.
struct ChatCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chat", abstract: "Talks to a model.",
    discussion: "Each line is a message. /new forgets the conversation; /quit or Ctrl-D ends.")

  @OptionGroup var client: ClientOptions
  @OptionGroup var drawing: DrawingOptions
  @Option(help: "What the model is told before the conversation.") var system: String?

  func run() async throws {
    Terminal.startLogging()
    let connection = try await Connection(endpoint: client.endpoint)
    let sampler = try await connection.sampler(client.model)
    let model = try TextModel(
      baseModel: sampler.baseModel, given: client.tokenizer, served: sampler.tokenizer)
    let start = system.map { [(role: "system", text: $0)] } ?? []
    var conversation = start
    while let line = readMessage() {
      switch line {
      case "": continue
      case "/quit":
        return await connection.service.close()
      case "/new": conversation = start
      default:
        conversation.append((role: "user", text: line))
        let answer = try await reply(to: conversation, sampler, model)
        conversation.append((role: "assistant", text: answer))
      }
    }
    await connection.service.close()
  }

  private func readMessage() -> String? {
    if Terminal.isInteractive { Terminal.say("> ", terminator: "") }
    return readLine()?.trimmingCharacters(in: .whitespaces)
  }

  private func reply(
    to conversation: [(role: String, text: String)], _ sampler: SamplingClient, _ model: TextModel
  ) async throws -> String {
    let tokens = try model.prompt(conversation)
    var params = drawing.params()
    let room = sampler.maxContextLength - tokens.count
    guard room > 0 else {
      throw CommandError("the conversation fills the model's \(sampler.maxContextLength) tokens")
    }
    params.maxTokens = min(drawing.maxTokens, room)
    // Shown as it comes; the conversation keeps the text of the whole answer.
    var decoder = model.streamingDecoder()
    let stream = sampler.sampleStream(ModelInput(tokens: tokens), params: params)
    for try await piece in stream {
      let text = piece.tokens.map { decoder.push($0) }.joined()
      if !text.isEmpty { Terminal.say(text, terminator: "") }
    }
    Terminal.say(decoder.finish())
    return try await stream.response.value().sequences.first.map { model.text($0.tokens) } ?? ""
  }
}
