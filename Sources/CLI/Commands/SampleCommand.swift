import ArgumentParser
import Foundation
import Tinsmith

/// How answers are drawn, for commands that sample.
struct DrawingOptions: ParsableArguments {
  @Option(help: "Most tokens of an answer.") var maxTokens = 128
  @Option(help: "0 takes the most probable token.") var temperature = 1.0
  @Option(help: "Among the k most probable tokens; -1 for all.") var topK = -1
  @Option(help: "Among the most probable tokens that together reach p.") var topP = 1.0
  @Option(help: "The same seed gives the same answer.") var seed: UInt64?

  /// As the SDK has them.
  func params(_ stop: SamplingParams.Stop = .endOfText) -> SamplingParams {
    SamplingParams(
      maxTokens: maxTokens, seed: seed, stop: stop, temperature: temperature, topK: topK,
      topP: topP)
  }
}

/// `tinsmith sample`: one prompt, one or more answers.
struct SampleCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample", abstract: "Samples answers to a prompt.",
    discussion: "The prompt is put into the model's chat template unless --raw is given.")

  @Argument(help: "The prompt; - reads it from stdin.") var prompt: String

  @OptionGroup var client: ClientOptions
  @OptionGroup var drawing: DrawingOptions

  @Option(name: [.customShort("n"), .long], help: "How many answers.") var numSamples = 1
  @Option(parsing: .singleValue, help: "A text that ends the answer; may be repeated.")
  var stop: [String] = []
  @Flag(
    help: "Continue the prompt as it is, behind the begin token that the tokenizer adds, if any.")
  var raw = false

  func validate() throws {
    guard numSamples >= 1 else { throw ValidationError("--num-samples must be at least 1") }
    guard drawing.maxTokens >= 1 else { throw ValidationError("--max-tokens must be at least 1") }
  }

  func run() async throws {
    Terminal.startLogging()
    let connection = try await Connection(endpoint: client.endpoint)
    let sampler = try await connection.sampler(client.model)
    let model = try TextModel(
      baseModel: sampler.baseModel, given: client.tokenizer, served: sampler.tokenizer)
    let text =
      prompt == "-"
      ? String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self) : prompt
    let tokens =
      raw
      ? try model.prompt(raw: text)
      : try model.prompt([(role: "user", text: text)])
    let response = try await sampler.sample(
      ModelInput(tokens: tokens), numSamples: numSamples,
      params: drawing.params(stop.isEmpty ? .endOfText : .strings(stop))
    ).value()
    for sequence in response.sequences { Terminal.say(model.text(sequence.tokens)) }
    await connection.service.close()
  }
}
