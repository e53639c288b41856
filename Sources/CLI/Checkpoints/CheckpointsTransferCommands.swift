import ArgumentParser
import Foundation
import Operations
import Tinsmith

/// `tinsmith checkpoints export`.
struct CheckpointsExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Writes a checkpoint into a folder.",
    discussion: """
      The folder is an adapter that PEFT loads; with --merged it is a whole model in the layout of \
      Hugging Face, the adapter merged into its weights. It must hold nothing else: what is another \
      export's is not replaced.
      """)

  @OptionGroup var service: CheckpointsService
  @Argument(help: "Its path.") var path: String
  @Argument(help: "The folder, which is made.", transform: PathText.check) var folder: String
  @Flag(help: "The base model with the adapter merged into it.") var merged = false

  func run() async throws {
    let target = try ExportFolder(folder)
    let sizes = try await service.use { service in
      if merged {
        let model = try await service.exportMergedModel(path: path).value()
        try target.check(model.files.map { ($0.name, $0.sha256) })
        try await target.write(model, from: service)
        return model.files.map(\.sizeBytes)
      }
      let files = try await service.exportCheckpoint(path: path).value()
      try target.check(files.map { ($0.name, ExportFolder.digest(of: $0.content)) })
      for file in files { try await target.write(file.content, to: file.name) }
      return files.map { UInt64($0.content.count) }
    }
    let size = NumberText.bytes(Double(sizes.reduce(0, +)))
    Terminal.say("\(sizes.count) files, \(size), are in \(folder)")
  }
}

/// `tinsmith checkpoints import`.
struct CheckpointsImportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import", abstract: "Makes a checkpoint of an adapter in the layout of PEFT.",
    discussion: "Prints its path.")

  @OptionGroup var service: CheckpointsService
  @Argument(
    help: "A folder with adapter_config.json and adapter_model.safetensors.",
    transform: PathText.check)
  var folder: String
  @Option(help: ArgumentHelp("The base model that it belongs to.", valueName: "name"))
  var base: String
  @Option(help: "Name of the checkpoint (default: that of the folder).") var name: String?
  @Flag(help: "Make a checkpoint to sample from, instead of one to train from.") var sampler = false

  func run() async throws {
    let source = URL(fileURLWithPath: folder)
    let files = try ["adapter_config.json", "adapter_model.safetensors"].map { name in
      guard
        let content = FileManager.default.contents(
          atPath: source.appendingPathComponent(name).path)
      else { throw CommandError("cannot read \(source.appendingPathComponent(name).path)") }
      return CheckpointFile(name: name, content: [UInt8](content))
    }
    let made = try await service.use {
      try await $0.importCheckpoint(
        files, name: name ?? source.lastPathComponent, kind: sampler ? .sampler : .training,
        baseModel: base
      ).value()
    }
    Terminal.say(made.path)
  }
}
