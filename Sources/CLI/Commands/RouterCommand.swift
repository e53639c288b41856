import ArgumentParser
import Engine
import Foundation
import Glibc
import Logging
import Operations
import RPC
import Trainer
import ZeroMQ

/// `tinsmith router`: the router alone, for workers on other hosts; and the router of
/// `tinsmith serve`.
struct RouterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "router", abstract: "Runs the router alone.",
    discussion: """
      Prints `ready ENDPOINT` when clients and workers can connect. `tinsmith serve` runs a router \
      and workers together. Router and workers share one data folder.
      """)

  @Option(help: ArgumentHelp("Where clients connect.", valueName: "endpoint"))
  var listen = "tcp://127.0.0.1:7410"

  @Option(help: ArgumentHelp("Where workers connect.", valueName: "endpoint"))
  var listenWorkers = "tcp://127.0.0.1:7411"

  @Option(help: "Workers that belong to this installation.") var expectedWorkers = 1

  @OptionGroup var metrics: MetricsOption

  @OptionGroup var service: ServiceOptions

  @OptionGroup var memory: MemoryOption

  @OptionGroup var tenants: TenantsOption

  @Flag(help: .hidden) var supervised = false

  /// Of `tinsmith serve`: so many workers, and speaks with their supervisor in lines.
  @Option(help: .hidden) var supervisedWorkers: Int?

  @Option(help: .hidden) var listenRemoteWorkers: String?

  func validate() throws {
    try ListenOption.check([
      ("--listen", listen), ("--listen-workers", listenWorkers),
      ("--listen-remote-workers", listenRemoteWorkers),
    ])
    guard (1...4096).contains(expectedWorkers) else {
      throw ValidationError("--expected-workers must be 1 to 4096")
    }
  }

  func run() async throws {
    try await SupervisorLink.sayingWhy(supervisedWorkers != nil, serve)
  }

  private func serve() async throws {
    Terminal.startLogging(service.log.level)
    try OpenFileLimit.raise()
    // A supervisor has locked the folder, and holds the lock together with this process.
    let folder =
      supervisedWorkers == nil
      ? try await DataFolder.lock(service.data) : try DataFolder(service.data, isLocked: true)
    var configuration = try self.configuration(folder)
    let methods = try KeeperMethods.table(
      service.models, memory: memory.options, dataFolder: folder.path, &configuration)
    let router = try RouterServer(configuration, keeper: methods, context: try Context())
    let signals = StopSignals(isSupervised: supervised) { router.stop() }
    defer { withExtendedLifetime((signals, folder)) {} }
    let link = supervisedWorkers.map { SupervisorLink(router, workers: $0) }
    if supervised {
      Lifeline.watch {
        link?.obey($0)
      } _: {
        router.stop()
        // A supervisor that asked for it waits; if it died instead, another one may want the
        // endpoints at once.
        Thread.sleep(forTimeInterval: 1)
        _exit(1)
      }
    }
    let metricsServer = try metrics.serve(router)
    defer { metricsServer?.stop() }
    try router.start()
    if let link {
      if let endpoint = router.remoteWorkerEndpoint {
        Logger(label: "tinsmith.router").notice(
          "workers of other hosts join with: tinsmith worker --router \(endpoint)")
      }
      link.start(
        RouterAddresses(
          clients: router.clientEndpoint, remoteWorkers: router.remoteWorkerEndpoint,
          metrics: metricsServer?.address.text))
    } else {
      Terminal.say("ready \(router.clientEndpoint)")
    }
    try await router.wait()
  }

  private func configuration(_ folder: DataFolder) throws -> RouterConfiguration {
    var configuration = RouterConfiguration(listen: listen, workers: listenWorkers)
    configuration.remoteWorkers = listenRemoteWorkers
    if service.keepModels > 0 { try configuration.rules.keepModels(in: folder) }
    configuration.rules.expectedWorkers = supervisedWorkers ?? expectedWorkers
    if let supervisedWorkers {
      configuration.rules.supervisedWorkers = Set((0..<supervisedWorkers).map(Supervision.name))
    }
    configuration.rules.numerics = NumericsClass(
      version: String(Numerics.version), precision: Numerics.precision)
    configuration.endings = try EndedSessionsFile(path: "\(folder.path)/ended-sessions")
    configuration.tenants = try tenants.read()
    configuration.sessionKey = try folder.sessionKey(SessionAuthority.makeKey)
    return configuration
  }
}
