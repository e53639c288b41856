import ArgumentParser
import Foundation
import Glibc

/// `tinsmith`: the service and its tools.
struct TinsmithCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tinsmith",
    abstract: "Fine-tunes and samples language models: a service, and commands that use it.",
    discussion: """
      The first command to try is `tinsmith demo`. Results go to stdout, logs to stderr. Exit \
      codes: 0 done, 1 failed, 2 wrong usage.
      """,
    version: ProductVersion.text,
    subcommands: [
      ServeCommand.self, DemoCommand.self, SampleCommand.self, ChatCommand.self,
      ModelsCommand.self, CheckpointsCommand.self, TopCommand.self, DoctorCommand.self,
      ProveCommand.self, RouterCommand.self, WorkerCommand.self, LogprobsCommand.self,
      TokensCommand.self,
    ])
}

@main
struct Main {
  static func main() async {
    // A file that may not grow (`ulimit -f`) is an error of who writes it, and not the end of all.
    signal(SIGXFSZ, SIG_IGN)
    do {
      var command = try TinsmithCommand.parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch {
      finish(error)
    }
  }

  /// Reports an error (or the help that was asked for) and ends the process.
  private static func finish(_ error: any Error) -> Never {
    let code = TinsmithCommand.exitCode(for: error)
    let text = TinsmithCommand.fullMessage(for: error)
    if code.isSuccess {
      print(text)
    } else if !text.isEmpty {
      Terminal.complain(text)
    }
    exit(code == .validationFailure ? 2 : code.isSuccess ? 0 : 1)
  }
}
