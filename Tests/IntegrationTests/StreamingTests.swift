import Foundation
import Testing
import Tinsmith

/// Tokens that come one by one, what they cost when nobody wants them, and what prefixes save.
@Suite(.timeLimit(.minutes(30))) struct StreamingTests {
  private let prompt = ModelInput(tokens: Batches.tokens(40, seed: 5))

  @Test func piecesMakeUpTheAnswer() async throws {
    let service = try await TestService.client()
    let sampler = try await service.createSamplingClient(baseModel: TestService.tiny).value()
    let params = SamplingParams(maxTokens: 50, seed: 9, stop: .tokens([]))
    let whole = try await sampler.sample(prompt, numSamples: 3, params: params).value()
    let stream = sampler.sampleStream(prompt, numSamples: 3, params: params)
    var tokens: [Int: [Int32]] = [:]
    var logprobs: [Int: [Float]] = [:]
    var pieces = 0
    for try await piece in stream {
      tokens[piece.sample, default: []] += piece.tokens
      logprobs[piece.sample, default: []] += piece.logprobs
      pieces += 1
    }
    #expect(pieces > 3, "everything came with the answer")
    for (index, sequence) in whole.sequences.enumerated() {
      #expect(tokens[index] == sequence.tokens && logprobs[index] == sequence.logprobs)
    }
    #expect(try await stream.response.value().sequences == whole.sequences)
    await service.close()
  }

  /// Cancelled, or its iteration given up: the sequences leave the batch, and later requests run.
  @Test func givenUpSamplesFreeTheirSequences() async throws {
    let server = try await TestService(workers: 1)
    defer { server.stop() }
    let service = server.client()
    let sampler = try await service.createSamplingClient(baseModel: TestService.tiny).value()
    let long = SamplingParams(maxTokens: 200, stop: .tokens([]))
    for _ in 0..<20 {
      let stream = sampler.sampleStream(prompt, numSamples: 64, params: long)
      for try await _ in stream { break }
    }
    let pending = (0..<20).map { _ in sampler.sample(prompt, numSamples: 64, params: long) }
    for sample in pending { sample.cancel() }
    for sample in pending {
      let error = await #expect(throws: TinsmithError.self) { try await sample.value() }
      #expect(error?.code == .cancelled)
    }
    try await eventually { try await stat(service, ".sequences") == 0 }
    let sampled = try await stat(service, ".sampled_tokens_total")
    #expect(sampled < 40 * 64 * 200, "all of it was computed")
    let last = try await sampler.sample(prompt, params: long).value()
    #expect(last.sequences[0].tokens.count == 200)
    await service.close()
  }

  @Test func deadlinesHoldWhileComputing() async throws {
    let server = try await TestService(workers: 1)
    defer { server.stop() }
    // Enough for opening a session on a machine that does much else, and not for 1.6 million tokens.
    let hurried = server.client(timeout: .seconds(5))
    let service = server.client()
    let sampler = try await hurried.createSamplingClient(baseModel: TestService.tiny).value()
    let params = SamplingParams(maxTokens: 200, stop: .tokens([]))
    let pending = (0..<8).map { _ in sampler.sample(prompt, numSamples: 1000, params: params) }
    let error = await #expect(throws: TinsmithError.self) { _ = try await pending[7].value() }
    #expect(error?.code == .deadlineExceeded)
    for sample in pending { _ = try? await sample.value() }
    try await eventually { try await stat(service, ".sequences") == 0 }
    await service.close()
    await hurried.close()
  }

  /// The second request of a prompt finds its pages; its tokens are the same.
  @Test func prefixesAreFoundAgain() async throws {
    let service = try await TestService.client()
    let training = try await TestService.model(service)
    let sampler = try await training.saveWeightsAndGetSamplingClient().value()
    let params = SamplingParams(maxTokens: 20, seed: 3, stop: .tokens([]))
    let prompt = ModelInput(tokens: Batches.tokens(100, seed: 77))
    let first = try await sampler.sample(prompt, params: params).value()
    let second = try await sampler.sample(prompt, params: params).value()
    #expect(first.promptCacheHitTokens == 0)
    #expect(second.promptCacheHitTokens == 96)
    #expect(first.sequences == second.sequences)
    await service.close()
  }

  private func stat(_ service: ServiceClient, _ name: String) async throws -> Double {
    try await service.stats().value().filter { $0.key.hasSuffix(name) }
      .reduce(0) { $0 + $1.value }
  }

  /// Waits for something that comes true within seconds (numbers travel with heartbeats).
  private func eventually(_ isTrue: () async throws -> Bool) async throws {
    for _ in 0..<100 {
      if try await isTrue() { return }
      try await Task.sleep(for: .milliseconds(100))
    }
    Issue.record("it did not come true within ten seconds")
  }
}
