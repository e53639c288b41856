import ArgumentParser
import Operations
import Tinsmith

/// `tinsmith checkpoints list`: newest first.
struct CheckpointsListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Lists your checkpoints, newest first.")

  @OptionGroup var service: CheckpointsService
  @OptionGroup var output: JSONOption

  @Option(help: ArgumentHelp("Only those of a model.", valueName: "id")) var model = ""

  func run() async throws {
    let found = try await service.use { try await $0.listCheckpoints(modelID: model).value() }
    guard !output.json else { return try Terminal.sayJSON(found.map(CheckpointText.init)) }
    var rows = [["PATH", "BASE", "STEP", "SIZE", "CREATED", "EXPIRES", "PUBLISHED"]]
    for checkpoint in found.map(CheckpointText.init) {
      rows.append([
        checkpoint.path, checkpoint.baseModel, "\(checkpoint.step)", checkpoint.size,
        checkpoint.created, checkpoint.expires ?? "never", checkpoint.published ? "yes" : "no",
      ])
    }
    for line in Table.lines(rows) { Terminal.say(line) }
  }
}

/// `tinsmith checkpoints info`: one checkpoint.
struct CheckpointsInfoCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info", abstract: "Says what a checkpoint is.")

  @OptionGroup var service: CheckpointsService
  @OptionGroup var output: JSONOption
  @Argument(help: "Its path.") var path: String

  func run() async throws {
    let found = try await service.use { try await $0.checkpointInfo(path: path).value() }
    let checkpoint = CheckpointText(found)
    guard !output.json else { return try Terminal.sayJSON(checkpoint) }
    var rows = [
      ["path", checkpoint.path], ["kind", checkpoint.kind], ["model", checkpoint.model],
      ["base", checkpoint.baseModel], ["rank", "\(checkpoint.rank)"],
      ["alpha", "\(checkpoint.alpha)"], ["targets", checkpoint.targets.joined(separator: ", ")],
      ["step", "\(checkpoint.step)"], ["size", checkpoint.size], ["created", checkpoint.created],
      ["expires", checkpoint.expires ?? "never"],
      ["published", checkpoint.published ? "yes" : "no"],
    ]
    for (title, texts) in [
      ("metadata", checkpoint.metadata), ("metadata of the model", checkpoint.modelMetadata),
    ] where !texts.isEmpty {
      rows.append([title, ""])
      rows += texts.sorted { $0.key < $1.key }.map { ["  \($0)", $1] }
    }
    for line in Table.lines(rows) { Terminal.say(line) }
  }
}
