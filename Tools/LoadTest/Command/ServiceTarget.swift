import LoadTestCore
import Synchronization
import Tinsmith

/// The service under load, with the sessions, models and snapshots of all clients.
final class ServiceTarget: Target {
  /// What a client of the load has.
  struct Client: Sendable {
    let connection: Connection
    var training: TrainingClient?
    var sampling: SamplingClient?
  }

  /// Version of the service.
  let version: String
  private let clients: [[Client]]
  private let connections: [Connection]
  private let observer: ServiceClient
  private let timeout: Double?
  /// Token ids below it are used: the highest are special in most vocabularies.
  private let vocabulary: Int
  /// Most tokens of prompt and answer together.
  private let context: Int
  private let closing = Mutex<Task<Void, Never>?>(nil)

  /// - Parameters:
  ///   - clients: of each group.
  ///   - model: the base model.
  init(
    _ scenario: Scenario, clients: [[Client]], connections: [Connection], observer: ServiceClient,
    version: String, model: ServerCapabilities.Model
  ) {
    self.version = version
    self.clients = clients
    self.connections = connections
    self.observer = observer
    timeout = scenario.timeout
    vocabulary = max(1, model.vocabularySize / 32 * 31)
    context = max(2, model.maxContextLength)
  }

  /// Names of the service's numbers that the report keeps: queues, and memory.
  private static let kept: Set<Substring> = [
    "in_flight", "held", "waiting", "queue_requests", "queue_tokens", "memory_bytes",
  ]

  /// What the service says of its queues now; nil if it does not say.
  func statistics() async -> [String: Double]? {
    guard let values = try? await observer.stats().value() else { return nil }
    return values.filter { name, _ in
      Self.kept.contains(name.split(separator: ".").last ?? "")
    }
  }

  /// Ends all sessions.
  func close() async {
    let task = closing.withLock { closing in
      let task =
        closing
        ?? Task { [connections, observer] in
          await withTaskGroup { tasks in
            for connection in connections { tasks.addTask { await connection.close() } }
            tasks.addTask { await observer.close() }
          }
        }
      closing = task
      return task
    }
    await task.value
  }

  // MARK: Target

  func stop() { Task { await close() } }

  func ready(for request: Request) async {
    await client(request).connection.ready(toPing: request.primitive == .ping)
  }

  func start(
    _ request: Request, done: @escaping @Sendable (RequestOutcome) -> Void
  ) -> @Sendable () -> Void {
    let client = client(request)
    switch request.primitive {
    case .ping:
      return client.connection.ping(bytes: request.lengths[0], timeout: timeout, done: done)
    case .forwardBackward:
      guard let training = client.training else { return Self.refuse(done) }
      return Self.observe(training.forwardBackward(data(request), loss: .crossEntropy), done)
    case .optimStep:
      guard let training = client.training else { return Self.refuse(done) }
      return Self.observe(training.optimStep(AdamParams(learningRate: 1e-4)), done)
    case .sample:
      guard let sampling = client.sampling else { return Self.refuse(done) }
      var random = Randomness(seed: request.seed)
      let newTokens = min(request.newTokens, context - 1)
      let prompt = tokens(min(request.lengths[0], context - newTokens), &random)
      return Self.observe(
        sampling.sample(
          ModelInput(tokens: prompt), numSamples: request.samples,
          params: SamplingParams(maxTokens: newTokens, seed: random.next(), stop: .never)), done)
    }
  }

  private func client(_ request: Request) -> Client { clients[request.group][request.client] }

  private func data(_ request: Request) -> [Datum] {
    var random = Randomness(seed: request.seed)
    return request.lengths.map { length in
      let text = tokens(min(length, context - 1) + 1, &random)
      return Datum(tokens: text, weights: [Float](repeating: 1, count: text.count))
    }
  }

  private func tokens(_ count: Int, _ random: inout Randomness) -> [Int32] {
    (0..<count).map { _ in Int32(clamping: random.below(vocabulary)) }
  }

  private static func refuse(_ done: (RequestOutcome) -> Void) -> @Sendable () -> Void {
    done(.failed("INTERNAL"))
    return {}
  }

  private static func observe<Value>(
    _ pending: Pending<Value>, _ done: @escaping @Sendable (RequestOutcome) -> Void
  ) -> @Sendable () -> Void {
    Task {
      do throws(TinsmithError) {
        _ = try await pending.value()
        done(.ok)
      } catch {
        done(.failed(error.code.description))
      }
    }
    return { pending.cancel() }
  }
}
