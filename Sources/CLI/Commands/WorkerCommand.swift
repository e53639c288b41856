import ArgumentParser
import Engine
import Foundation
import Glibc
import Operations
import Trainer
import ZeroMQ

/// `tinsmith worker`: one worker, for a router that runs elsewhere.
struct WorkerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Runs one worker for a router.",
    discussion: "`tinsmith serve` starts its workers by itself. All workers share one data folder.")

  @Option(help: ArgumentHelp("The router's endpoint for workers.", valueName: "endpoint"))
  var router: String

  @Option(help: "Name of this worker, unique among those of the router (default: by host and pid).")
  var name: String?

  @Option(help: "Compute threads (default: the cores).") var threads: Int?

  @OptionGroup var memory: MemoryOption

  @OptionGroup var service: ServiceOptions

  @Flag(help: .hidden) var supervised = false

  /// Of `tinsmith serve`: tells the supervisor why it fails.
  @Flag(help: .hidden) var saysWhy = false

  func validate() throws {
    guard (1...256).contains(threads ?? 1) else {
      throw ValidationError("--threads must be 1 to 256")
    }
    if let problem = EndpointText.problem(router, .connect) {
      throw ValidationError("--router: \(problem)")
    }
  }

  func run() async throws {
    try await SupervisorLink.sayingWhy(saysWhy, serve)
  }

  private func serve() async throws {
    Terminal.startLogging(service.log.level)
    try OpenFileLimit.raise()
    try DataFolder.make(service.data)
    var configuration = TrainerConfiguration(
      routerEndpoint: router, name: name ?? "\(ProcessInfo.processInfo.hostName)-\(getpid())",
      dataFolder: URL(fileURLWithPath: service.data).path, models: service.models)
    configuration.threads = threads ?? ProcessInfo.processInfo.activeProcessorCount
    configuration.memory = memory.options
    configuration.keepsModels = service.keepModels > 0
    configuration.failpoints = try Failpoints.fromEnvironment()
    configuration.storage = StorageWithFailpoints(FileStorage(), configuration.failpoints)
    let worker = try TrainerWorker(configuration, context: try Context())
    let signals = StopSignals(isSupervised: supervised) { worker.stop() }
    defer { withExtendedLifetime(signals) {} }
    if supervised {
      Lifeline.watch {
        worker.stop()
        // A batch may be long; nobody waits for it any more. Threads are in the middle of it, so
        // nothing is tidied up.
        Thread.sleep(forTimeInterval: 3)
        _exit(1)
      }
    }
    try await worker.run()
  }
}
