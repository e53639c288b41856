import ArgumentParser
import Foundation
import LoadTestCore

/// What is sent: a scenario file, or a scenario of one group from flags.
struct LoadOptions: ParsableArguments {
  @Option(help: ArgumentHelp("A scenario in YAML.", valueName: "file"))
  var scenario: String?

  @Option(help: "Clients, each with streams of its own.") var clients: Int?

  @Option(help: ArgumentHelp("Closed loop: requests of each client at once.", valueName: "n|a..b"))
  var outstanding: String?

  @Option(help: ArgumentHelp("Open loop: requests per second in all.", valueName: "n|a..b"))
  var rate: String?

  @Flag(help: "Arrivals of the open loop are a Poisson process.") var poisson = false

  @Option(help: ArgumentHelp("How long; 10s unless told otherwise.", valueName: "time"))
  var duration: String?

  @Option(
    help: ArgumentHelp(
      "A stage, e.g. '10s outstanding=1..8', '30s rate=50 poisson name=steady', '5s idle', "
        + "'10s burst=1000'. May be given many times, instead of the four above.",
      valueName: "stage"))
  var stage: [String] = []

  @Option(
    help: ArgumentHelp(
      "What is sent, e.g. ping, 'forward_backward=4 tokens=uniform(16,128) sequences=2', "
        + "optim_step=1, 'sample=2 prompt=lognormal(32,0.5,4,128) new=16 samples=1'. May be "
        + "given many times; ping unless told otherwise.", valueName: "primitive"))
  var mix: [String] = []

  @Option(
    help: ArgumentHelp(
      "A tenant and its API key. May be given many times; clients take turns.",
      valueName: "name=key"))
  var tenant: [String] = []

  @Option(
    help: ArgumentHelp(
      "What is sampled from: none (the base), own, shared(n).", valueName: "adapters"))
  var adapters: String?

  @Option(help: "Rank of the adapters. May be given many times; clients take turns.")
  var rank: [Int] = []

  @Option(help: "Sessions that the clients share; one per client, at most 64.")
  var connections: Int?

  @Option(help: "Base model.") var base: String?

  @Option(help: "Everything random follows from it.") var seed: UInt64?

  @Option(help: ArgumentHelp("Not counted; 2s unless told otherwise.", valueName: "time"))
  var warmup: String?

  @Option(
    help: ArgumentHelp("How long answers are waited for at the end; 30s.", valueName: "time"))
  var drain: String?

  @Option(help: ArgumentHelp("After which the service gives a request up.", valueName: "time"))
  var timeout: String?

  /// The scenario.
  /// - Throws: `LoadError`.
  func plan() throws -> Scenario {
    var plan: Scenario
    if let scenario {
      guard !describesGroup else {
        throw LoadError("with --scenario only --base, --seed, --warmup, --drain, --timeout")
      }
      plan = try Scenario(yaml: Files.text(scenario))
    } else {
      plan = try onFlags()
    }
    if let base { plan.base = base }
    if let seed { plan.seed = seed }
    if let warmup { plan.warmup = try Quantity.seconds(warmup) }
    if let drain { plan.drain = try Quantity.seconds(drain) }
    if let timeout { plan.timeout = try Quantity.seconds(timeout) }
    try plan.check()
    return plan
  }

  private var describesGroup: Bool {
    clients != nil || outstanding != nil || rate != nil || poisson || duration != nil
      || connections != nil || adapters != nil
      || !(stage.isEmpty && mix.isEmpty && tenant.isEmpty && rank.isEmpty)
  }

  private func onFlags() throws -> Scenario {
    var plan = Scenario()
    if !tenant.isEmpty { plan.tenants = try tenant.map { text in try Tenant(text) } }
    var group = Group()
    group.tenants = Array(plan.tenants.indices)
    if let clients { group.clients = clients }
    if !rank.isEmpty { group.ranks = rank }
    if let connections {
      guard connections >= 1 else { throw LoadError("must be at least 1", at: "connections") }
      group.connections = connections
    }
    if let adapters { group.adapters = try Adapters(adapters) }
    group.mix = try (mix.isEmpty ? ["ping"] : mix).map { text in try Work(text) }
    group.stages = try stages()
    plan.groups = [group]
    return plan
  }

  private func stages() throws -> [Stage] {
    guard stage.isEmpty else {
      guard outstanding == nil, rate == nil, duration == nil, !poisson else {
        throw LoadError("--stage says what --outstanding, --rate, --duration and --poisson say")
      }
      return try stage.map { text in try Stage(text) }
    }
    guard outstanding == nil || rate == nil else {
      throw LoadError("--outstanding is a closed loop, --rate an open one: not both")
    }
    guard !poisson || rate != nil else { throw LoadError("--poisson needs --rate") }
    let load: Load =
      if let rate {
        .rate(try Quantity.ramp(rate), poisson ? .poisson : .constant)
      } else {
        .outstanding(try Quantity.ramp(outstanding ?? "1"))
      }
    let seconds = try Quantity.seconds(duration ?? "10s")
    guard seconds > 0, seconds <= 1e6 else { throw LoadError("must be above 0", at: "duration") }
    return [Stage(seconds: seconds, load: load)]
  }
}
