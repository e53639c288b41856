import ArgumentParser
import Foundation
import Operations
import Tinsmith

/// `tinsmith top`: a service at work, live.
struct TopCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top",
    abstract: "Shows a service at work: workers, models, tenants, queues, tokens per second.",
    discussion: """
      Redraws every second on a terminal and writes plain text elsewhere. Rates are means over \
      the last five seconds.
      """)

  @Option(help: ArgumentHelp("Where the service listens.", valueName: "endpoint"))
  var endpoint = ServiceClient.defaultEndpoint

  @Option(help: "Seconds between two looks.") var interval = 1.0

  @Flag(help: "Show one look (after two samples, for the rates) and end.") var once = false

  @Flag(help: "One JSON object per look and line: seconds, values, rates.") var json = false

  func validate() throws {
    guard (0.1...3600).contains(interval) else {
      throw ValidationError("--interval must be 0.1 to 3600 seconds")
    }
  }

  func run() async throws {
    Terminal.startLogging()
    let connection = try await Connection(endpoint: endpoint)
    var capabilities = connection.capabilities
    let clock = ContinuousClock()
    let start = clock.now
    var meter = RateMeter(window: max(5, 2 * interval))
    var looks = 0
    while true {
      let values = try await ask(connection.service)
      let elapsed = clock.now - start
      let seconds =
        Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
      let rates = meter.rates(values ?? [:], at: seconds)
      looks += 1
      if values != nil {
        // A service that was started again may have others.
        let now = try await connection.service.getServerCapabilities().value(within: .seconds(5))
        capabilities = now ?? capabilities
      }
      if !once || looks > 1 { try show(values, rates, seconds, capabilities.refusals) }
      if once, looks > 1 { break }
      try await Task.sleep(for: .seconds(interval))
    }
    await connection.service.close()
  }

  /// The service's numbers; nil if it does not answer (it may be starting again).
  private func ask(_ service: ServiceClient) async throws -> [String: Double]? {
    let values = try await service.stats().value(within: .seconds(5))
    guard values != nil || !once else {
      throw CommandError("no service answers at \(endpoint)")
    }
    return values
  }

  private func show(
    _ values: [String: Double]?, _ rates: [String: Double], _ seconds: Double, _ refusals: [String]
  ) throws {
    if json {
      guard let values else { return }
      let encoder = JSONEncoder()
      encoder.outputFormatting = .sortedKeys
      let look = Look(seconds: seconds, values: values, rates: rates)
      return Terminal.say(String(decoding: try encoder.encode(look), as: UTF8.self))
    }
    let title = "tinsmith top  \(endpoint)  \(values == nil ? "no answer" : "")"
    let lines = [title] + refusals + [""] + (values.map { TopScreen($0, rates: rates).lines } ?? [])
    guard Terminal.isInteractive, !once else {
      return Terminal.say((lines + [""]).joined(separator: "\n"))
    }
    let size = Terminal.size
    let visible = lines.prefix(size.rows - 1).map { String($0.prefix(size.columns)) + "\u{1B}[K\n" }
    // Home, the lines, and nothing below them.
    Terminal.say("\u{1B}[H" + visible.joined() + "\u{1B}[J", terminator: "")
  }

  private struct Look: Encodable {
    let seconds: Double
    let values: [String: Double]
    let rates: [String: Double]
  }
}
