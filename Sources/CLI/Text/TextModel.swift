import Foundation
import Tokenizers
import Trainer

/// Text to tokens and back, for one base model.
struct TextModel: Sendable {
  private let tokenizer: Tokenizer
  private let template: ChatTemplate?

  /// Reads tokenizer and chat template from a folder; a model may have no template.
  init(folder: String) throws {
    let url = URL(fileURLWithPath: folder)
    tokenizer = try Tokenizer(directory: url)
    template = try Self.template(url)
  }

  private static func template(_ url: URL) throws(TokenizerError) -> ChatTemplate? {
    do throws(TokenizerError) {
      return try ChatTemplate(directory: url)
    } catch {
      guard error.code == .missingFile else { throw error }
      return nil
    }
  }

  /// Finds the tokenizer of a base model: where the user says, where the service has it, or the
  /// embedded one.
  ///
  /// - Parameters:
  ///   - given: folder that the user named.
  ///   - served: folder that the service named; it may be on another machine.
  init(baseModel: String, given: String?, served: String) throws {
    if let given {
      try self.init(folder: given)
    } else if FileManager.default.fileExists(atPath: "\(served)/tokenizer.json") {
      try self.init(folder: served)
    } else if baseModel == ServedModels.miniName {
      try self.init(folder: ServedModels.miniFolder)
    } else {
      throw CommandError(
        "the tokenizer of \(baseModel) is not on this machine (\(served)): name it by --tokenizer")
    }
  }

  /// The tokens of a conversation up to where the answer begins.
  ///
  /// - Parameter messages: pairs of role (`system`, `user`, `assistant`) and text.
  func prompt(_ messages: [(role: String, text: String)]) throws -> [Int32] {
    guard let template else {
      throw CommandError("the model has no chat template; --raw takes the prompt as it is")
    }
    let text = try template.render(
      messages: messages.map { .message(role: $0.role, content: $0.text) },
      addGenerationPrompt: true)
    return try tokens(text)
  }

  /// The tokens of a prompt that no chat template is applied to: with those that the tokenizer puts
  /// around a text, a begin token say, which what a chat template made has already.
  func prompt(raw text: String) throws -> [Int32] { try tokenizer.encode(text) }

  /// The tokens of a text as it stands.
  func tokens(_ text: String) throws -> [Int32] {
    try tokenizer.encode(text, addSpecialTokens: false)
  }

  /// The text of an answer, without its end token and other special ones.
  func text(_ tokens: [Int32]) -> String { tokenizer.decode(tokens) }

  /// A decoder for tokens that come one by one.
  func streamingDecoder() -> StreamingDecoder { StreamingDecoder(tokenizer) }

  /// The token that ends an answer.
  func endToken() throws -> Int32 {
    guard let token = tokenizer.eosTokenIds.first else {
      throw CommandError("the tokenizer names no end token")
    }
    return token
  }
}
