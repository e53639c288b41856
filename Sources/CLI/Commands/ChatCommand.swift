import ArgumentParser
import Foundation
import Tinsmith

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
        Terminal.say(answer)
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
    let response = try await sampler.sample(ModelInput(tokens: tokens), params: params).value()
    return response.sequences.first.map { model.text($0.tokens) } ?? ""
  }
}
