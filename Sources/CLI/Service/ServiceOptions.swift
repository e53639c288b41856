import ArgumentParser
import Foundation
import Logging
import Trainer

/// A base model to serve, as `NAME=DIR`.
struct BaseOption: OptionValue {
  static let form = "NAME=DIR, a name for the model and its folder"

  let name: String
  let folder: String

  init?(_ text: String) {
    let parts = text.split(separator: "=", maxSplits: 1)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
    name = String(parts[0])
    folder = URL(fileURLWithPath: String(parts[1])).path
  }

  /// The same as it is given on a command line.
  var argument: String { "\(name)=\(folder)" }
}

/// Options that the parts of a service share.
struct ServiceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Folder for checkpoints and caches.", valueName: "dir"),
    transform: PathText.check)
  var data: String = DataFolder.standardPath

  @Option(
    name: .long, parsing: .singleValue,
    help: ArgumentHelp(
      "Serve the model in a Hugging Face folder under a name; may be repeated.",
      valueName: "name=dir"), transform: BaseOption.read)
  var base: [BaseOption] = []

  @Option(
    help: ArgumentHelp(
      "Days for which the models of sessions that have not ended are kept while no service runs; "
        + "0 records nothing: a model is lost with its worker.",
      valueName: "days"))
  var keepModels = 7

  @Option(help: "Least level to log.")
  var log = LogLevel.info

  /// The models that are served: the embedded one and those of `--base`.
  var models: ServedModels {
    ServedModels(bases: Dictionary(base.map { ($0.name, $0.folder) }) { _, last in last })
  }

  func validate() throws {
    guard (0...36_500).contains(keepModels) else {
      throw ValidationError("--keep-models must be 0 to 36500")
    }
    var names: Set<String> = []
    for base in base where !names.insert(base.name).inserted {
      throw ValidationError("--base names \(base.name) twice")
    }
  }

  /// The same options for a process that this one starts.
  var arguments: [String] {
    ["--data", data, "--log", log.rawValue, "--keep-models", "\(keepModels)"]
      + base.flatMap { ["--base", $0.argument] }
  }
}

/// What to log at least; the names are swift-log's.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
  case debug, info, warning, error

  var level: Logger.Level {
    switch self {
    case .debug: .debug
    case .info: .info
    case .warning: .warning
    case .error: .error
    }
  }
}
