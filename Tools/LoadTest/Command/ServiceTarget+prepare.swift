import LoadTestCore
import Tinsmith

extension ServiceTarget {
  /// Sessions of one client at most share no connection up to here.
  private static let mostConnections = 64
  /// Seconds after which the service deletes the snapshots of a run.
  private static let snapshotSeconds: UInt64 = 3600

  /// Opens sessions, makes models and saves snapshots for all clients of a scenario.
  ///
  /// - Parameter log: is told what is going on.
  /// - Throws: `RunError` if the service does not answer or refuses it; `LoadError` if it does not
  ///   have what the scenario asks for.
  static func prepare(
    _ scenario: Scenario, endpoint: String, log: (String) -> Void
  ) async throws -> ServiceTarget {
    let observer = ServiceClient(
      endpoint: endpoint, displayName: "tinsmith-load statistics", timeout: .seconds(5))
    let capabilities: ServerCapabilities
    do throws(TinsmithError) {
      capabilities = try await observer.getServerCapabilities().value()
    } catch {
      await observer.close()
      throw RunError("no service answers at \(endpoint): \(error.message)")
    }
    var connections: [Connection] = []
    do {
      guard let model = capabilities.models.first(where: { $0.name == scenario.base }) else {
        let known = capabilities.models.map(\.name).joined(separator: ", ")
        throw LoadError("the service has \(known), not \"\(scenario.base)\"", at: "base")
      }
      for line in warnings(scenario, context: model.maxContextLength) { log(line) }
      var clients: [[Client]] = []
      for group in scenario.groups {
        log("\(group.name): preparing \(group.clients) clients")
        clients.append(try await prepare(group, scenario, endpoint, &connections))
      }
      return ServiceTarget(
        scenario, clients: clients, connections: connections, observer: observer,
        version: capabilities.serviceVersion, model: model)
    } catch {
      for connection in connections { await connection.close() }
      await observer.close()
      if error is LoadError { throw error }
      throw RunError("the service cannot be prepared for the load: \(error)")
    }
  }

  private static func prepare(
    _ group: Group, _ scenario: Scenario, _ endpoint: String, _ connections: inout [Connection]
  ) async throws -> [Client] {
    let perTenant = max(
      1, (group.connections ?? min(group.clients, mostConnections)) / group.tenants.count)
    var shared: [Int: [Connection]] = [:]
    var clients: [Client] = []
    for client in 0..<group.clients {
      let tenant = group.tenant(of: client)
      let place = client / group.tenants.count % perTenant
      if place >= shared[tenant, default: []].count {
        let connection = try await Connection(
          endpoint: endpoint, tenant: scenario.tenants[tenant], timeout: scenario.timeout,
          pings: group.pings)
        shared[tenant, default: []].append(connection)
        connections.append(connection)
      }
      clients.append(Client(connection: shared[tenant, default: []][place]))
    }
    try await addModels(&clients, group, scenario)
    if group.samples { try await addSamplers(&clients, group, scenario) }
    return clients
  }

  /// All calls are made before the first answer is awaited.
  private static func addModels(
    _ clients: inout [Client], _ group: Group, _ scenario: Scenario
  ) async throws {
    guard group.trains || (group.samples && group.adapters == .own) else { return }
    let pending = clients.enumerated().map { index, client in
      client.connection.client.createLoRATrainingClient(
        baseModel: scenario.base, rank: group.ranks[index % group.ranks.count],
        seed: scenario.seed &+ UInt64(index))
    }
    for (index, model) in pending.enumerated() {
      clients[index].training = try await model.value()
    }
  }

  private static func addSamplers(
    _ clients: inout [Client], _ group: Group, _ scenario: Scenario
  ) async throws {
    var paths: [Int: [String]] = [:]
    if case .shared(let count) = group.adapters {
      // Each tenant has snapshots of its own: what one has saved is not another's to read.
      for tenant in Set(group.tenants) {
        guard let owner = clients.indices.first(where: { group.tenant(of: $0) == tenant }) else {
          continue
        }
        paths[tenant] = try await snapshots(
          count, clients[owner].connection.client, group, scenario)
      }
    }
    let pending: [Pending<SamplingClient>?] = clients.enumerated().map { index, client in
      switch group.adapters {
      case .none: client.connection.client.createSamplingClient(baseModel: scenario.base)
      case .own: client.training?.saveWeightsAndGetSamplingClient()
      case .shared(let count):
        paths[group.tenant(of: index)].map { paths in
          client.connection.client.createSamplingClient(
            modelPath: paths[index / group.tenants.count % count])
        }
      }
    }
    for (index, sampler) in pending.enumerated() {
      clients[index].sampling = try await sampler?.value()
    }
  }

  private static func snapshots(
    _ count: Int, _ client: ServiceClient, _ group: Group, _ scenario: Scenario
  ) async throws -> [String] {
    let models = (0..<count).map { index in
      client.createLoRATrainingClient(
        baseModel: scenario.base, rank: group.ranks[index % group.ranks.count],
        seed: scenario.seed &+ UInt64(index))
    }
    var paths: [String] = []
    for model in models {
      let training = try await model.value()
      paths.append(
        try await training.saveWeightsForSampler(
          name: "load", ttlSeconds: snapshotSeconds, overwrite: true
        ).value())
      try await training.unload().value()
    }
    return paths
  }

  /// Sizes that the base model cannot have; such requests are cut to its context.
  private static func warnings(_ scenario: Scenario, context: Int) -> [String] {
    scenario.groups.flatMap { group in
      group.mix.compactMap { work in
        let most =
          switch work.primitive {
          case .ping, .optimStep: 0
          case .forwardBackward: work.tokens.upperBound
          case .sample: work.tokens.upperBound + work.newTokens.upperBound
          }
        guard most > context else { return nil }
        return "\(group.name): \(work.primitive.rawValue) is cut to the model's \(context) tokens"
      }
    }
  }
}
