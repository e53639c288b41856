import Tinsmith

/// What the reference training trains on and samples from: random tokens, always the same.
struct ReferenceBatches: Sendable {
  /// Tokens of the base model.
  let vocabulary: Int32
  /// Most tokens of a sequence that is sampled.
  let newTokens: Int

  private func generator(_ parts: UInt64...) -> SeededGenerator {
    var seed: UInt64 = 0
    for part in parts {
      var mixer = SeededGenerator(seed: seed ^ part)
      seed = mixer.next()
    }
    return SeededGenerator(seed: seed)
  }

  private func tokens(_ count: Int, _ random: inout SeededGenerator) -> [Int32] {
    (0..<count).map { _ in Int32.random(in: 0..<vocabulary, using: &random) }
  }

  /// The batch of a step: sequences of different lengths, some of whose tokens are learned.
  func supervised(_ step: Int, count: Int) -> [Datum] {
    (0..<count).map { index in
      var random = generator(1, UInt64(step), UInt64(index))
      return Datum(
        prompt: tokens(Int.random(in: 1...12, using: &random), &random),
        completion: tokens(Int.random(in: 8...72, using: &random), &random))
    }
  }

  /// The prompts of a round.
  func prompts(_ round: Int, count: Int) -> [[Int32]] {
    (0..<count).map { index in
      var random = generator(2, UInt64(round), UInt64(index))
      return tokens(Int.random(in: 4...24, using: &random), &random)
    }
  }

  /// How the answers to a prompt are drawn: another temperature and another cut each round.
  func params(_ round: Int, _ prompt: Int) -> SamplingParams {
    SamplingParams(
      maxTokens: newTokens, seed: UInt64(1000 * round + prompt),
      temperature: [1, 0.7, 1.3][round % 3], topK: round % 2 == 0 ? -1 : 50,
      topP: round % 4 == 3 ? 0.9 : 1)
  }

  /// What an answer is worth: the share of its tokens that are even.
  func reward(_ tokens: [Int32]) -> Float {
    Float(tokens.count { $0 % 2 == 0 }) / Float(max(tokens.count, 1))
  }

  /// What the answers to one prompt teach: each is as good as its reward is above their mean.
  func reinforced(_ prompt: [Int32], _ answers: [SampledSequence]) -> [Datum] {
    let rewards = answers.map { reward($0.tokens) }
    let mean = rewards.reduce(0, +) / Float(max(rewards.count, 1))
    return zip(answers, rewards).map { answer, reward in
      let before = [Float](repeating: 0, count: prompt.count - 1)
      let advantages = [Float](repeating: reward - mean, count: answer.tokens.count)
      return Datum(
        modelInput: ModelInput(tokens: prompt + answer.tokens.dropLast()),
        lossFnInputs: [
          "target_tokens": TensorData(tokens: prompt.dropFirst() + answer.tokens),
          "logprobs": TensorData(before + answer.logprobs),
          "advantages": TensorData(before + advantages),
        ])
    }
  }
}
