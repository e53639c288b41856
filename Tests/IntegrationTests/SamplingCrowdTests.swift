import Testing
import Tinsmith

/// Samplers of many tenants at once, on any number of workers and threads, streamed or not, whenever
/// they arrive: every token and log-prob is that of the request alone.
@Suite(.timeLimit(.minutes(30))) struct SamplingCrowdTests {
  private static let tenants = 6
  private static let requests = 12

  /// What one request asks for, drawn from the tenant's seed.
  private struct Request {
    let prompt: ModelInput
    let samples: Int
    let params: SamplingParams
    let isStreamed: Bool
    let delay: Duration

    init(_ random: inout SeededGenerator, stem: [Int32]) {
      // Starts and continuations of one text, so that prefixes are found again.
      let tail = Batches.tokens(Int.random(in: 0...12, using: &random), seed: random.next())
      prompt = ModelInput(
        tokens: stem.prefix(Int.random(in: 1...110, using: &random)) + tail)
      samples = Int.random(in: 1...3, using: &random)
      params = SamplingParams(
        maxTokens: Int.random(in: 1...40, using: &random), seed: random.next(),
        temperature: [0, 0.7, 1, 1.4].randomElement(using: &random) ?? 1,
        topK: [-1, 1, 40].randomElement(using: &random) ?? -1,
        topP: [1, 0.9].randomElement(using: &random) ?? 1)
      isStreamed = Bool.random(using: &random)
      delay = .milliseconds(Int.random(in: 0...40, using: &random))
    }
  }

  /// Bit patterns of an answer, and of the log-probs of its prompt.
  private struct Outcome: Equatable {
    var tokens: [[Int32]] = []
    var logprobs: [[UInt32]] = []
    var prompt: [UInt32?] = []
  }

  private func plan(_ tenant: Int) -> [Request] {
    var random = SeededGenerator(UInt64(500 + tenant))
    let stem = Batches.tokens(110, seed: UInt64(tenant % 2))
    return (0..<Self.requests).map { _ in Request(&random, stem: stem) }
  }

  private func run(_ request: Request, _ sampler: SamplingClient) async throws -> Outcome {
    var outcome = Outcome()
    if request.isStreamed {
      outcome.tokens = Array(repeating: [], count: request.samples)
      outcome.logprobs = Array(repeating: [], count: request.samples)
      let stream = sampler.sampleStream(
        request.prompt, numSamples: request.samples, params: request.params)
      for try await piece in stream {
        outcome.tokens[piece.sample] += piece.tokens
        outcome.logprobs[piece.sample] += piece.logprobs.map(\.bitPattern)
      }
    } else {
      let answer = try await sampler.sample(
        request.prompt, numSamples: request.samples, params: request.params
      ).value()
      outcome.tokens = answer.sequences.map(\.tokens)
      outcome.logprobs = answer.sequences.map { $0.logprobs.map(\.bitPattern) }
    }
    outcome.prompt = try await sampler.computeLogprobs(request.prompt).value()
      .map { $0?.bitPattern }
    return outcome
  }

  /// A tenant's sampler: a model of its own rank, trained for two steps.
  private func sampler(_ service: ServiceClient, _ tenant: Int) async throws -> SamplingClient {
    let training = try await TestService.model(
      service, seed: UInt64(tenant), rank: [1, 3, 8, 16, 32, 5][tenant % 6])
    _ = try await Batches.trainOneByOne(training, tenant..<tenant + 2)
    return try await training.saveWeightsAndGetSamplingClient().value()
  }

  /// All requests of a tenant: at once, each after its delay, or one by one.
  private func outcomes(
    _ service: TestService, _ tenant: Int, atOnce: Bool
  ) async throws -> [Outcome] {
    let client = service.client(timeout: .seconds(240))
    let sampler = try await sampler(client, tenant)
    var outcomes: [Int: Outcome] = [:]
    if atOnce {
      try await withThrowingTaskGroup { group in
        for (i, request) in plan(tenant).enumerated() {
          group.addTask {
            try await Task.sleep(for: request.delay)
            return (i, try await run(request, sampler))
          }
        }
        for try await (i, outcome) in group { outcomes[i] = outcome }
      }
    } else {
      for (i, request) in plan(tenant).enumerated() {
        outcomes[i] = try await run(request, sampler)
      }
    }
    await client.close()
    return try (0..<Self.requests).map { try #require(outcomes[$0]) }
  }

  @Test func eachSamplesAsAlone() async throws {
    let quiet = try await TestService(workers: 1)
    var alone: [[Outcome]] = []
    for tenant in 0..<Self.tenants {
      alone.append(try await outcomes(quiet, tenant, atOnce: false))
    }
    quiet.stop()
    for (workers, threads) in [(1, 2), (4, 1), (3, 2)] {
      let crowd = try await TestService(workers: workers, options: ["--threads", "\(threads)"])
      let together = try await withThrowingTaskGroup { group in
        for tenant in 0..<Self.tenants {
          group.addTask { (tenant, try await outcomes(crowd, tenant, atOnce: true)) }
        }
        return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
      }
      for tenant in 0..<Self.tenants {
        #expect(together[tenant] == alone[tenant], "tenant \(tenant), \(workers) x \(threads)")
      }
      crowd.stop()
    }
    #expect(Set(alone.flatMap { $0.flatMap(\.tokens) }).count > Self.requests)
  }
}
