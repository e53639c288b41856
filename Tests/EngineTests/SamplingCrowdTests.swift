import Foundation
import Testing

@testable import Engine

/// Sampling in random crowds against each request alone and against `forward`, as bit patterns
/// (numerics contract 1).
@Suite struct SamplingCrowdTests {
  private static let mini = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../Sources/Trainer/Resources/mini").standardizedFileURL.path

  private func generator(_ golden: GoldenModel, cacheBytes: Int = 1 << 27) throws -> Generator {
    Generator(
      model: golden.model, kernels: golden.kernels, arena: try Arena(bytes: 1 << 30),
      cache: try KVCache(shapes: golden.model.transformer.attentionShapes, bytes: cacheBytes))
  }

  /// Runs requests, each joining after its number of steps; answers in their order.
  private func generate(
    _ requests: [GenerationRequest], _ generator: Generator, joining: [Int] = []
  ) throws -> [GenerationResult] {
    var ids: [Int: Int] = [:]
    var results: [Int: GenerationResult] = [:]
    var step = 0
    while results.count < requests.count {
      for (i, request) in requests.enumerated()
      where ids.values.contains(i) == false && (joining.isEmpty || joining[i] <= step) {
        ids[try generator.add(request)] = i
      }
      for event in generator.step() {
        switch event {
        case .finished(let id, let result): results[try #require(ids[id])] = result
        case .failed(_, let error): throw error
        case .token: break
        }
      }
      step += 1
    }
    return try requests.indices.map { try #require(results[$0]) }
  }

  /// Temperatures with and without truncation of the candidates.
  private static let settings: [(temperature: Float, topK: Int, topP: Float)] = [
    (0.5, -1, 1), (1, -1, 1), (1.5, -1, 1), (0.5, 20, 1), (1, -1, 0.9), (1.5, 50, 0.8),
  ]

  /// Ten thousand sampled tokens and more, of the base and of two adapters, drawn at several
  /// temperatures: not one bit of their log-probs in the model's own distribution differs from that of
  /// a forward pass over them, and at temperature 1 there are no others.
  @Test(arguments: ["mini", "llama", "qwen3"])
  func sampledLogprobsAreForwardLogprobs(name: String) throws {
    let golden = try GoldenModel(name, folder: name == "mini" ? Self.mini : nil)
    var random = SeededRandom(7)
    let adapters = try [
      nil, RandomAdapter(&random, sites: golden.model.sites).make(golden),
      RandomAdapter(&random, sites: golden.model.sites).make(golden),
    ]
    var requests: [GenerationRequest] = []
    for (i, setting) in Self.settings.enumerated() {
      for adapter in adapters {
        for length in [1, 17 + i, 40] {
          var request = GenerationRequest(
            prompt: random.tokens(length, golden), adapter: adapter)
          request.sampleCount = 3
          request.parameters.maxTokens = 64
          request.parameters.seed = random.next()
          request.parameters.temperature = setting.temperature
          request.parameters.topK = setting.topK
          request.parameters.topP = setting.topP
          request.wantsModelLogprobs = true
          requests.append(request)
        }
      }
    }
    let results = try generate(requests, generator(golden))
    var count = 0
    var different = 0
    for (request, result) in zip(requests, results) {
      let data = try result.sequences.map { sequence in
        let tokens = request.prompt + sequence.tokens
        return try golden.datum(Array(tokens.dropLast()), targets: Array(tokens.dropFirst()))
      }
      let loss = try LossFunction(name: "cross_entropy")
      let forward = try golden.run(
        TrainingRequest(adapter: request.adapter, data: data, loss: loss, accumulates: false))
      for (sequence, row) in zip(result.sequences, forward.logprobs) {
        let expected = row.suffix(sequence.tokens.count)
        count += sequence.modelLogprobs.count
        different += zip(sequence.modelLogprobs, expected).count { $0.bitPattern != $1.bitPattern }
        #expect(
          (Bits(sequence.logprobs) == Bits(sequence.modelLogprobs))
            == (request.parameters.temperature == 1))
      }
    }
    #expect(count >= 10_000)
    #expect(different == 0, "\(different) of \(count)")
  }

  /// At each position the log-probs of a sample are those of softmax(logits / T) over the whole
  /// vocabulary, whatever top-k and top-p left to draw from: the model's own, scaled and normed anew.
  @Test(arguments: ["llama", "qwen3"])
  func logprobsAreOfTheTemperedDistribution(name: String) throws {
    let golden = try GoldenModel(name)
    var random = SeededRandom(11)
    let adapter = try RandomAdapter(&random, sites: golden.model.sites).make(golden)
    for setting in Self.settings + [(0.3, 3, 0.5), (2, -1, 1)] {
      var request = GenerationRequest(prompt: random.tokens(9, golden), adapter: adapter)
      request.parameters.maxTokens = 24
      request.parameters.seed = random.next()
      request.parameters.temperature = setting.temperature
      request.parameters.topK = setting.topK
      request.parameters.topP = setting.topP
      request.topSampleLogprobs = 5
      let sequence = try #require(generate([request], generator(golden)).first?.sequences.first)
      let tokens = request.prompt + sequence.tokens
      let logprobs = try wholeDistributions(tokens, adapter, golden)
      for (i, token) in sequence.tokens.enumerated() {
        let own = logprobs[request.prompt.count + i - 1].map(Double.init)
        let t = Double(setting.temperature)
        let logSum = log(own.reduce(0) { $0 + exp($1 / t) })
        let expected = { (id: Int32) in own[Int(id)] / t - logSum }
        #expect(abs(Double(sequence.logprobs[i]) - expected(token)) < 1e-4)
        for likely in sequence.top[i] {
          #expect(abs(Double(likely.logprob) - expected(likely.token)) < 1e-4)
        }
      }
    }
  }

  /// Log-probs of all of the vocabulary behind each token, by a forward pass over (N, K) targets.
  private func wholeDistributions(
    _ tokens: [Int32], _ adapter: Adapter?, _ golden: GoldenModel
  ) throws -> [[Float]] {
    let vocabulary = golden.model.config.vocabularySize
    let loss = try LossFunction(name: "cross_entropy")
    let shape = [tokens.count, vocabulary]
    let targets = tokens.flatMap { _ in (0..<vocabulary).map(Int64.init) }
    let datum = try TrainingDatum(
      tokens: tokens,
      inputs: [
        "target_tokens": LossInput(shape: shape, values: .integers(targets)),
        "weights": LossInput(
          shape: shape, values: .floats([Float](repeating: 0, count: targets.count))),
      ], loss: loss, config: golden.model.config, field: "data")
    let answer = try golden.run(
      TrainingRequest(adapter: adapter, data: [datum], loss: loss, accumulates: false))
    return tokens.indices.map {
      Array(answer.logprobs[0][$0 * vocabulary..<($0 + 1) * vocabulary])
    }
  }

  /// Random prompts, some the start or the continuation of others; random adapters, draws, numbers
  /// of samples, times of arrival; chunks of prefill, sizes of the cache and of what it keeps of
  /// prefixes; threads and instruction sets.
  @Test(arguments: Golden.models)
  func crowdsMoveNoBit(name: String) throws {
    let reference = try GoldenModel(name, threads: 1, isa: 3)
    let crowds = try [1, 2].map { try GoldenModel(name, threads: $0) }
    var hits = 0
    for seed in 0..<UInt64(6) {
      var random = SeededRandom(1000 + seed)
      let golden = try #require(crowds.randomElement(using: &random))
      let specifications = try (0..<3).map { _ in
        try RandomAdapter(&random, sites: golden.model.sites)
      }
      let ours = try specifications.map { try $0.make(golden) }
      let theirs = try specifications.map { try $0.make(reference) }
      let stem = random.tokens(120, golden)
      let samples = (0..<10).map { _ in RandomSample(&random, stem: stem, golden) }
      let choice = samples.map { _ in Int.random(in: -1..<3, using: &random) }
      let requests = zip(samples, choice).map { sample, adapter in
        sample.make(adapter < 0 ? nil : ours[adapter], scope: "adapter \(adapter)")
      }
      let crowd = try generator(
        golden, cacheBytes: Bool.random(using: &random) ? 1 << 27 : 1 << 20)
      crowd.prefillRows = [1, 5, 33, 512].randomElement(using: &random) ?? 512
      crowd.prefixPages = crowd.cache.pageCount
      // A second round finds prefixes that the first has left.
      for round in 0..<2 {
        let joining = requests.map { _ in Int.random(in: 0...30, using: &random) }
        let together = try generate(requests, crowd, joining: joining)
        for (i, result) in together.enumerated() {
          let request = samples[i].make(choice[i] < 0 ? nil : theirs[choice[i]], scope: nil)
          let alone = try #require(generate([request], generator(reference)).first)
          #expect(
            SampleOutcome(result) == SampleOutcome(alone),
            "seed \(seed), round \(round), request \(i)")
          hits += result.cachedPromptTokens
        }
      }
    }
    #expect(hits > 0)
  }
}
