import ArgumentParser
import Logging
import Metrics
import Operations
import RPC

extension MetricsAddress: OptionValue {
  static let form = "PORT or ADDRESS:PORT, a port being 0 to 65535 and an address like 10.0.0.1"
}

/// The option for serving metrics.
struct MetricsOption: ParsableArguments, Sendable {
  @Option(
    help: ArgumentHelp(
      "Serve metrics in Prometheus' text format over HTTP at /metrics: PORT, or ADDRESS:PORT to "
        + "be reached from other machines.",
      valueName: "port"), transform: MetricsAddress.read)
  var metrics: MetricsAddress?

  /// Serves the router's numbers, and whatever else in this process uses swift-metrics; nil if
  /// that was not asked for.
  ///
  /// - Throws: `MetricsServer.Problem` if the port is taken.
  func serve(_ router: RouterServer) throws -> MetricsServer? {
    guard let metrics else { return nil }
    let collector = MetricsCollector(help: ServiceMetrics.help)
    MetricsSystem.bootstrap(collector)
    let numbers = ServiceMetrics(collector)
    let server = try MetricsServer(metrics) {
      numbers.update(router.report)
      return collector.text
    }
    server.start()
    Logger(label: "tinsmith.metrics").notice("metrics are at \(server.url)")
    return server
  }
}
