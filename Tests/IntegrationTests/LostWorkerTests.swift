import Foundation
import Synchronization
import Testing
import Tinsmith

/// A worker that dies under load: sampling and its models go on elsewhere, and nobody notices.
@Suite(.timeLimit(.minutes(30))) struct LostWorkerTests {
  private static let models = 6

  /// Kills one of two workers while six models train and four clients sample.
  @Test(arguments: [SIGKILL, SIGSEGV]) func everyRequestIsAnswered(signal: Int32) async throws {
    let server = try await TestService(workers: 2)
    defer { server.stop() }
    let service = server.client(timeout: .seconds(90))
    var trainers: [TrainingClient] = []
    var saved: [String] = []
    for index in 0..<Self.models {
      let training = try await TestService.model(service, seed: UInt64(index))
      trainers.append(training)
      saved.append(try await training.saveState(name: "before").value())
    }
    let sampling = Task { try await sample(server) }
    let training = trainers.map { training in Task { await train(training) } }
    try await Task.sleep(for: .milliseconds(700))
    let victim = try #require(server.workers["worker-0"])
    kill(victim, signal)

    // Sampling: each request answered, and as without the kill.
    let answers = try await sampling.value
    #expect(Set(answers).count == 1, "the same seed gave different tokens")
    // Training: every step is answered; the models went on elsewhere (RecoveryTests compare bits).
    for task in training { #expect(try await task.value.get() == Self.steps) }
    for path in saved {
      let again = try await service.createTrainingClientFromState(path: path).value()
      _ = try await again.forwardBackward(Batches.batch(0), loss: .crossEntropy).value()
    }
    // The pool is whole again.
    for _ in 0..<100 where server.workers.count < 2 {
      try await Task.sleep(for: .milliseconds(100))
    }
    #expect(server.workers.count == 2 && server.workers["worker-0"] != victim)
    await service.close()
  }

  private static let steps = 40

  /// - Returns: the steps that were answered, or the first error.
  private func train(_ training: TrainingClient) async -> Result<Int, TinsmithError> {
    let pending = (0..<Self.steps).map { step in
      let pass = training.forwardBackward(Batches.batch(step), loss: .crossEntropy)
      return (pass, training.optimStep(Batches.adam))
    }
    var failure: TinsmithError?
    var count = 0
    for (pass, update) in pending {
      do throws(TinsmithError) {
        _ = try await pass.value()
        _ = try await update.value()
        count += 1
      } catch {
        failure = failure ?? error
      }
    }
    return failure.map { .failure($0) } ?? .success(count)
  }

  /// Samples from the base model, one request after another in several sessions, for some seconds.
  private func sample(_ server: TestService) async throws -> [[Int32]] {
    try await withThrowingTaskGroup { group in
      for _ in 0..<4 {
        group.addTask {
          let service = server.client(timeout: .seconds(90))
          let sampler = try await service.createSamplingClient(baseModel: TestService.tiny).value()
          let end = ContinuousClock.now + .seconds(4)
          var answers: [[Int32]] = []
          while ContinuousClock.now < end {
            let pending = (0..<8).map { _ in
              sampler.sample(
                ModelInput(tokens: Batches.tokens(20, seed: 1)), numSamples: 4,
                params: SamplingParams(maxTokens: 100, seed: 4, stop: .tokens([])))
            }
            for sample in pending { answers.append(try await sample.value().sequences[3].tokens) }
          }
          await service.close()
          return answers
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
  }
}
