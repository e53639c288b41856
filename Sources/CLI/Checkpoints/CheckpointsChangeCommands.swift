import ArgumentParser
import Tinsmith

/// `tinsmith checkpoints delete`.
struct CheckpointsDeleteCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Deletes checkpoints.")

  @OptionGroup var service: CheckpointsService
  @Argument(help: "Their paths.") var paths: [String]

  func run() async throws {
    try await service.use { service in
      for path in paths {
        try await service.deleteCheckpoint(path: path).value()
        Terminal.say("deleted \(path)")
      }
    }
  }
}

/// `tinsmith checkpoints ttl`.
struct CheckpointsTTLCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ttl", abstract: "Changes when a checkpoint is deleted by itself.")

  @OptionGroup var service: CheckpointsService
  @Argument(help: "Its path.") var path: String
  @Argument(
    help: "From now: seconds, or a number and s, m, h or d; or never.", transform: TimeToLive.read)
  var time: TimeToLive

  func run() async throws {
    let changed = try await service.use {
      try await $0.setCheckpointTTL(path: path, ttlSeconds: time.seconds).value()
    }
    Terminal.say("expires \(CheckpointText(changed).expires ?? "never")")
  }
}

/// `tinsmith checkpoints publish`.
struct CheckpointsPublishCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "publish", abstract: "Lets other users read a checkpoint.")

  @OptionGroup var service: CheckpointsService
  @Argument(help: "Its path.") var path: String

  func run() async throws {
    _ = try await service.use { try await $0.publishCheckpoint(path: path).value() }
    Terminal.say("published \(path)")
  }
}

/// `tinsmith checkpoints unpublish`.
struct CheckpointsUnpublishCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpublish", abstract: "Takes a publication back.")

  @OptionGroup var service: CheckpointsService
  @Argument(help: "Its path.") var path: String

  func run() async throws {
    _ = try await service.use {
      try await $0.publishCheckpoint(path: path, isPublished: false).value()
    }
    Terminal.say("unpublished \(path)")
  }
}

/// `tinsmith checkpoints copy`.
struct CheckpointsCopyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "copy", abstract: "Copies a checkpoint, also a published one of another user.",
    discussion: "Prints the path of the copy.")

  @OptionGroup var service: CheckpointsService
  @Argument(help: "Its path.") var path: String
  @Option(help: "Name of the copy (default: that of the original).") var name: String?
  @Option(
    help: ArgumentHelp(
      "When the copy is deleted: seconds, or a number and s, m, h or d (default: never).",
      valueName: "time"), transform: TimeToLive.read)
  var ttl: TimeToLive?

  func run() async throws {
    let copy = try await service.use {
      try await $0.copyCheckpoint(path: path, name: name, ttlSeconds: ttl?.seconds).value()
    }
    Terminal.say(copy.path)
  }
}

/// A time from now: `90`, `90s`, `15m`, `12h`, `7d` or `never`.
struct TimeToLive: OptionValue {
  static let form = "a time is a number above 0 of seconds or with s, m, h or d, or never"

  /// Nil for never.
  let seconds: UInt64?

  init?(_ text: String) {
    let units: [Character: UInt64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    guard text != "never" else {
      seconds = nil
      return
    }
    let unit = text.last.flatMap { units[$0] }
    guard let number = UInt64(unit == nil ? Substring(text) : text.dropLast()), number > 0
    else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: unit ?? 1)
    guard !overflow else { return nil }
    seconds = product
  }
}
