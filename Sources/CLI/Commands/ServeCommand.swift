import ArgumentParser
import Foundation
import Operations
import Trainer
import ZeroMQ

/// `tinsmith serve`: a whole service on this machine.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Runs a service: a router and workers on this machine.",
    discussion: """
      Prints one line, `ready ENDPOINT`, when it can be used. Ctrl-C or SIGTERM ends it cleanly.
      """)

  @Option(
    help: ArgumentHelp(
      "Where clients connect; port * takes a free one, which the line `ready` tells.",
      valueName: "endpoint"))
  var listen = "tcp://127.0.0.1:7410"

  @Option(
    help: ArgumentHelp(
      "Where workers of other hosts connect; none unless given. It trusts whoever connects.",
      valueName: "endpoint"))
  var listenWorkers: String?

  @Option(help: "Worker processes.") var workers = 1

  @Option(help: "Compute threads of each worker (default: the cores, divided among the workers).")
  var threads: Int?

  @OptionGroup var memory: MemoryOption

  @OptionGroup var metrics: MetricsOption

  @OptionGroup var service: ServiceOptions

  @OptionGroup var tenants: TenantsOption

  @Flag(help: .hidden) var supervised = false

  func validate() throws {
    guard (1...64).contains(workers) else { throw ValidationError("--workers must be 1 to 64") }
    guard (1...256).contains(threads ?? 1) else {
      throw ValidationError("--threads must be 1 to 256")
    }
    try ListenOption.check([("--listen", listen), ("--listen-workers", listenWorkers)])
  }

  func run() async throws {
    Terminal.startLogging(service.log.level)
    try OpenFileLimit.raise()
    // What is wrong with the models or the memory is said here, once.
    let memory = memory.resolved(workers: workers)
    _ = try service.models.capabilities(version: ProductVersion.text, memory: memory.options)
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let supervisor = try Supervisor(
      service,
      Supervisor.Plan(
        listen: listen, listenWorkers: listenWorkers, workers: workers,
        threads: threads ?? max(1, cores / workers), memory: memory,
        tenants: tenants,
        metrics: metrics),
      folder: try await DataFolder.lock(service.data))
    let signals = StopSignals(isSupervised: supervised) { supervisor.stop() }
    defer { withExtendedLifetime(signals) {} }
    if supervised {
      Lifeline.watch { supervisor.stop() }
    }
    try await supervisor.run { endpoint in Terminal.say("ready \(endpoint)") }
  }
}
