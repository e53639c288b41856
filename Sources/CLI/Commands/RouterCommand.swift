import ArgumentParser
import Foundation
import Operations
import RPC
import ZeroMQ

/// `tinsmith router`: the router alone, for workers on other hosts.
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

  @OptionGroup var tenants: TenantsOption

  @Flag(help: .hidden) var supervised = false

  func run() async throws {
    Terminal.startLogging(service.log.level)
    let folder = try DataFolder(service.data)
    var configuration = RouterConfiguration(listen: listen, workers: listenWorkers)
    if service.keepModels > 0 { try configuration.rules.keepModels(in: folder) }
    configuration.rules.expectedWorkers = expectedWorkers
    configuration.tenants = try tenants.read()
    configuration.sessionKey = try folder.sessionKey(SessionAuthority.makeKey)
    let router = try RouterServer(
      configuration,
      keeper: try KeeperMethods.table(service.models, dataFolder: folder.path),
      context: try Context())
    let signals = StopSignals(isSupervised: supervised) { router.stop() }
    defer { withExtendedLifetime((signals, folder)) {} }
    if supervised {
      Lifeline.watch { router.stop() }
    }
    let metricsServer = try metrics.serve(router)
    defer { metricsServer?.stop() }
    try router.start()
    Terminal.say("ready \(router.clientEndpoint)")
    try await router.wait()
  }
}
