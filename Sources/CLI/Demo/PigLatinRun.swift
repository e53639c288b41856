import Foundation
import Tinsmith

/// Teaches a model pig latin, as any user of the SDK would.
struct PigLatinRun {
  /// The recipe: 64 examples a step, learning rate up over 20 steps and linearly down to 0.
  struct Recipe: Sendable {
    var steps = 500
    var batch = 64
    var learningRate = 2e-3
    var warmUp = 20
    /// How often the words for stopping are tried.
    var checkEvery = 25
    /// Share of them that is enough.
    var enough = 0.9
    var seed: UInt64 = 5
  }

  /// What a step came to.
  struct Progress: Sendable {
    var step: Int
    /// Mean loss of a token.
    var loss: Double
    /// Share of the words for stopping that was right when they were last tried.
    var right: Double?
  }

  /// What training came to.
  struct Outcome: Sendable {
    /// Mean loss of a token, step by step.
    var losses: [Double]
    /// Share of the words for stopping that was right when they were last tried.
    var right: Double?
  }

  let model: TextModel
  let recipe: Recipe
  let words: PigLatin.Words

  /// Trains until enough words for stopping are right, or the steps are done.
  ///
  /// Each step is submitted before the one before it is awaited, so that the service never waits
  /// for this process.
  ///
  func train(
    _ training: TrainingClient, _ report: (Progress) -> Void
  ) async throws -> Outcome {
    let end = try model.endToken()
    let examples = try words.training.map { word in
      (
        prompt: try model.prompt([(role: "user", text: PigLatin.question(word))]),
        answer: try model.tokens(PigLatin.translate(word)) + [end]
      )
    }
    var random = SeededGenerator(seed: recipe.seed)
    var order: [Int] = []
    var pipeline = Pipeline()
    for step in 0..<recipe.steps {
      if order.count < recipe.batch { order = examples.indices.shuffled(using: &random) }
      let batch = order.prefix(recipe.batch).map { examples[$0] }
      order.removeFirst(batch.count)
      pipeline.outstanding.append(submit(batch, step, training))
      try await pipeline.collect(leaving: 2, report)
      if (step + 1) % recipe.checkEvery == 0, step + 1 < recipe.steps {
        try await pipeline.collect(leaving: 0, report)
        let sampler = try await training.saveWeightsAndGetSamplingClient().value()
        let right = try await accuracy(sampler, words.stopping)
        pipeline.right = right
        if right >= recipe.enough { break }
      }
    }
    try await pipeline.collect(leaving: 0, report)
    return Outcome(losses: pipeline.losses, right: pipeline.right)
  }

  /// One step: the mean loss over the tokens of all answers, and AdamW.
  private func submit(
    _ batch: [(prompt: [Int32], answer: [Int32])], _ step: Int, _ training: TrainingClient
  ) -> (Pending<ForwardBackwardOutput>, Pending<OptimStepOutput>) {
    let weight = 1 / Float(batch.reduce(0) { $0 + $1.answer.count })
    let data = batch.map { example in
      Datum(
        tokens: example.prompt + example.answer,
        weights: example.prompt.map { _ in 0 } + example.answer.map { _ in weight })
    }
    let up = Double(step + 1) / Double(recipe.warmUp)
    let down = Double(recipe.steps - step) / Double(recipe.steps)
    let adam = AdamParams(learningRate: recipe.learningRate * min(up, down), gradClipNorm: 1)
    return (training.forwardBackward(data, loss: .crossEntropy), training.optimStep(adam))
  }

  /// What the model answers for each word, with temperature 0.
  func answers(_ sampler: SamplingClient, _ words: [String]) async throws -> [String] {
    let params = SamplingParams(maxTokens: 24, temperature: 0)
    let pending = try words.map { word in
      let prompt = try model.prompt([(role: "user", text: PigLatin.question(word))])
      return sampler.sample(ModelInput(tokens: prompt), params: params)
    }
    var answers: [String] = []
    for sample in pending {
      answers.append(try await sample.value().sequences.first.map { model.text($0.tokens) } ?? "")
    }
    return answers
  }

  /// Share of the words that the model gets right.
  func accuracy(_ sampler: SamplingClient, _ words: [String]) async throws -> Double {
    let answers = try await answers(sampler, words)
    let right = zip(words, answers).count { PigLatin.translate($0) == $1 }
    return Double(right) / Double(max(words.count, 1))
  }
}

/// Steps that were submitted, and what those before them came to.
private struct Pipeline {
  var outstanding: [(pass: Pending<ForwardBackwardOutput>, step: Pending<OptimStepOutput>)] = []
  var losses: [Double] = []
  /// Share of the words for stopping that was right last.
  var right: Double?

  /// Waits until at most `count` steps are outstanding.
  mutating func collect(
    leaving count: Int, _ report: (PigLatinRun.Progress) -> Void
  ) async throws {
    while outstanding.count > count {
      let (pass, step) = outstanding.removeFirst()
      let loss = try await pass.value().loss
      losses.append(loss)
      _ = try await step.value()
      report(PigLatinRun.Progress(step: losses.count, loss: loss, right: right))
    }
  }
}
