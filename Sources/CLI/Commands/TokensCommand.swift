import ArgumentParser
import Engine
import Foundation
import JSON
import Tokenizers
import Trainer

/// `tinsmith tokens`: what model folders say of text, with no service between. For the checks of
/// `Tools/verify.sh` against other software.
struct TokensCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokens", abstract: "Encodes texts and a conversation by the files of folders.",
    shouldDisplay: false)

  @Option(help: "JSON file: the texts, and the messages of a conversation.") var cases: String
  @Argument(help: "Hugging Face folders; a line of JSON is printed for each.") var folders: [String]

  private struct Cases: Decodable {
    var texts: [String]
  }

  /// What a folder gives.
  private struct Found: Encodable {
    var endTokens: [Int32] = []
    var warnings: [String] = []
    /// Of each text, with the tokens that are put around it and without.
    var around: [[Int32]] = []
    var plain: [[Int32]] = []
    var chat: String?
    /// The same with a tool.
    var toolChat: String?
    /// Why the model is not served.
    var modelRefusal: String?
    /// Why there are no tokens.
    var refusal: String?
    /// Why there is no chat.
    var chatRefusal: String?
  }

  func run() throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: cases))
    let texts = try JSONDecoder().decode(Cases.self, from: data).texts
    let values = try JSONParser.parse([UInt8](data)).object
    let (messages, tools) = (values?["messages"]?.array ?? [], values?["tools"]?.array ?? [])
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    for folder in folders {
      let found = Self.look(URL(fileURLWithPath: folder), texts, messages, tools)
      Terminal.say(String(decoding: try encoder.encode(found), as: UTF8.self))
    }
  }

  private static func look(
    _ folder: URL, _ texts: [String], _ messages: [JSONValue], _ tools: [JSONValue]
  ) -> Found {
    var found = Found(warnings: ServedModels.warnings(of: folder.path))
    do throws(EngineError) {
      _ = try ModelConfig(path: folder.appendingPathComponent("config.json").path)
    } catch {
      found.modelRefusal = error.sentence
    }
    do throws(TokenizerError) {
      let tokenizer = try Tokenizer(directory: folder)
      found.endTokens = tokenizer.eosTokenIds
      for text in texts {
        found.around.append(try tokenizer.encode(text))
        found.plain.append(try tokenizer.encode(text, addSpecialTokens: false))
      }
    } catch {
      found.endTokens = EndTokens(withoutTokenizer: folder).ids
      found.refusal = error.message
    }
    do throws(TokenizerError) {
      let template = try ChatTemplate(directory: folder)
      found.chat = try template.render(messages: messages, addGenerationPrompt: true)
      found.toolChat = try template.render(messages: messages, tools: tools)
    } catch {
      found.chatRefusal = error.message
    }
    return found
  }
}
