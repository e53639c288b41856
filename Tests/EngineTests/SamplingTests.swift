import Testing

@testable import Engine

/// Log-probs of sampled and of prompt tokens are those of `forward`, bit for bit, whatever the
/// chunks, pages, neighbours and number of samples (numerics contract 1).
@Suite struct SamplingTests {
  let golden: GoldenModel
  let tokens: [Int32]

  init() throws {
    golden = try GoldenModel("llama")
    tokens = try Golden.forward("llama").sequences[4].tokens
  }

  private func request(
    _ count: Int, _ adapter: Adapter?, samples: Int = 1, maxTokens: Int = 40
  ) -> GenerationRequest {
    var request = GenerationRequest(prompt: Array(tokens[..<count]), adapter: adapter)
    request.sampleCount = samples
    request.parameters.maxTokens = maxTokens
    request.parameters.seed = UInt64(count)
    request.wantsPromptLogprobs = true
    return request
  }

  /// Runs requests together; answers in their order.
  private func generate(
    _ requests: [GenerationRequest], prefillRows: Int = 512, cacheBytes: Int = 1 << 25
  ) throws -> [GenerationResult] {
    try outcomes(requests, prefillRows: prefillRows, cacheBytes: cacheBytes).map { try $0.get() }
  }

  private func outcomes(
    _ requests: [GenerationRequest], prefillRows: Int = 512, cacheBytes: Int = 1 << 25
  ) throws -> [Result<GenerationResult, EngineError>] {
    let cache = try KVCache(
      shapes: golden.model.transformer.attentionShapes, bytes: cacheBytes)
    let generator = Generator(
      model: golden.model, kernels: golden.kernels, arena: try Arena(bytes: 1 << 28),
      cache: cache)
    generator.prefillRows = prefillRows
    let ids = try requests.map { try generator.add($0) }
    var results: [Int: Result<GenerationResult, EngineError>] = [:]
    while !generator.isIdle {
      for event in generator.step() {
        if case .finished(let id, let result) = event { results[id] = .success(result) }
        if case .failed(let id, let error) = event { results[id] = .failure(error) }
      }
    }
    #expect(cache.freePages == cache.pageCount, "pages were lost")
    return try ids.map { try #require(results[$0]) }
  }

  /// Log-probs of each token after the first, by a training forward.
  private func forward(_ tokens: [Int32], _ adapter: Adapter?) throws -> [Float] {
    let datum = try golden.datum(tokens, targets: Array(tokens[1...]) + [0])
    let answer = try golden.run(
      TrainingRequest(
        adapter: adapter, data: [datum], loss: LossFunction(name: "cross_entropy"),
        accumulates: false))
    return Array(answer.logprobs[0].dropLast())
  }

  @Test(arguments: [1, 2, 31, 32, 33, 70])
  func sampledLogprobsAreForwardLogprobs(length: Int) throws {
    let adapter = try golden.adapter("all-r3")
    for prefillRows in [512, 7] {
      let result = try #require(
        generate([request(length, adapter, samples: 3)], prefillRows: prefillRows).first)
      #expect(Set(result.sequences.map(\.tokens)).count == 3, "samples are not independent")
      for sequence in result.sequences {
        #expect(sequence.tokens.count == 40)
        let expected = try forward(Array(tokens[..<length]) + sequence.tokens, adapter)
        let ours = result.promptLogprobs.dropFirst().compactMap(\.self) + sequence.logprobs
        #expect(ours == expected, "\(prefillRows) prefill rows")
      }
    }
  }

  /// Weights with which the model overflows give no tokens and no log-probs, as they give none in
  /// `forward`; the neighbours' are what they are alone.
  @Test(arguments: [true, false])
  func overflowEndsARequestAndNoOther(scores: Bool) throws {
    let wild = try golden.adapter("all-r3")
    for i in 0..<wild.parameters.count { wild.parameters.pointer[i] = 1e30 }
    wild.repack(kernels: golden.kernels)
    var bad = request(33, wild, samples: 2)
    bad.wantsPromptLogprobs = scores
    let fine = request(32, try golden.adapter("all-r3"))
    let found = try outcomes([fine, bad, fine])
    let error = #expect(throws: EngineError.self) { try found[1].get() }
    #expect(error?.code == .failedPrecondition && error?.field == (scores ? "prompt" : nil))
    let alone = try #require(generate([fine]).first)
    for other in [found[0], found[2]] {
      #expect(try other.get().sequences.map(\.logprobs) == alone.sequences.map(\.logprobs))
    }
    #expect(throws: EngineError.self) { try forward(Array(tokens[..<33]), wild) }
  }

  /// A request answers the same alone and in a crowd of other prompts and adapters.
  @Test func crowdMovesNoBit() throws {
    let adapters = [nil, try golden.adapter("all-r3"), try golden.adapter("unembed-r32")]
    let requests = [5, 64, 33, 1, 90].enumerated().map { i, length in
      request(length, adapters[i % 3], samples: 1 + i % 2, maxTokens: 10 + 7 * i)
    }
    let together = try generate(requests, prefillRows: 20)
    // A cache that holds only some of them: the others wait.
    let waiting = try generate(requests, cacheBytes: 1 << 20)
    for (i, request) in requests.enumerated() {
      let alone = try #require(generate([request]).first)
      for other in [together[i], waiting[i]] {
        #expect(other.sequences.map(\.tokens) == alone.sequences.map(\.tokens))
        #expect(other.sequences.map(\.logprobs) == alone.sequences.map(\.logprobs))
        #expect(other.promptLogprobs == alone.promptLogprobs)
      }
    }
  }

  /// Any tokens are scored in place of those of the prompt: its own give its own log-probs, all others
  /// what `forward` gives for them; what was not asked for is 0.
  @Test func tokensInPlaceOfThePrompts() throws {
    let adapter = try golden.adapter("all-r3")
    var request = request(70, adapter, maxTokens: 1)
    let prompt = request.prompt
    let size = Int32(golden.model.config.vocabularySize)
    let others: [Int32] = prompt.map { ($0 + 7) % size }
    var cells = [Int32](repeating: -1, count: 80)
    for row in 40..<69 { cells += [prompt[row + 1], others[row + 1]] }
    request.promptTargets = PromptTargets(
      rowStarts: (0...69).map { 2 * $0 }, tokens: cells)
    let result = try #require(generate([request], prefillRows: 7).first)
    #expect(result.targetLogprobs.count == cells.count)
    #expect(result.targetLogprobs.prefix(80).allSatisfy { $0 == 0 })
    let own = stride(from: 80, to: cells.count, by: 2).map { result.targetLogprobs[$0] }
    #expect(own == result.promptLogprobs[41...].compactMap(\.self))
    for row in [40, 55, 68] {
      let alone = try forward(Array(prompt[...row]) + [others[row + 1]], adapter)
      #expect(result.targetLogprobs[2 * row + 1] == alone.last)
    }
    // The same cells where nothing else is listed; no other log-probs are asked for.
    request.promptTargets = PromptTargets(
      rowStarts: (0...69).map { 2 * max($0 - 40, 0) }, tokens: Array(cells[80...]))
    request.wantsPromptLogprobs = false
    let sparse = try #require(generate([request]).first)
    #expect(sparse.targetLogprobs == Array(result.targetLogprobs[80...]))
    #expect(sparse.promptLogprobs.isEmpty)
  }

  @Test func tokensThatCannotBeScoredAreNamed() throws {
    let size = Int32(golden.model.config.vocabularySize)
    for (targets, words) in [
      (PromptTargets(rowStarts: [0, 1], tokens: [3]), "needs 2 rows"),
      (PromptTargets(rowStarts: [0, 1, 2], tokens: [-1, -1]), "names no token"),
      (
        PromptTargets(rowStarts: [0, 1, 2], tokens: [3, size]), "\(size) is neither -1 nor a token"
      ),
      (PromptTargets(rowStarts: [0, 1, 2], tokens: [-2, 3]), "-2 is neither -1 nor a token"),
      (PromptTargets(rowStarts: [0, 1, 2], tokens: [-2, -2]), "-2 is neither -1 nor a token"),
    ] {
      var request = request(3, nil)
      request.promptTargets = targets
      let error = #expect(throws: EngineError.self) { try generate([request]) }
      #expect(error?.code == .invalidArgument && error?.field == "target_prompt_logprobs")
      #expect(error?.message.hasPrefix(words) == true, "\(error?.message ?? "")")
    }
  }

  /// Log-probs of the last n tokens alone: the same bits, and what precedes them is found in the cache.
  @Test func logprobsOfTheLastTokensUseTheCache() throws {
    let cache = try KVCache(shapes: golden.model.transformer.attentionShapes, bytes: 1 << 25)
    let generator = Generator(
      model: golden.model, kernels: golden.kernels, arena: try Arena(bytes: 1 << 28), cache: cache)
    func run(_ last: Int?, targets: PromptTargets? = nil) throws -> GenerationResult {
      var request = request(100, nil, maxTokens: 1)
      request.cacheScope = "a"
      request.lastPromptLogprobs = last
      request.topPromptLogprobs = 2
      request.promptTargets = targets
      _ = try generator.add(request)
      while true {
        for case .finished(_, let result) in generator.step() { return result }
      }
    }
    let whole = try run(nil)
    #expect(
      whole.promptLogprobs.count == 100 && whole.promptLogprobs[1...].allSatisfy { $0 != nil })
    for (last, cached) in [(1, 96), (3, 96), (4, 64), (36, 32), (99, 0), (100, 0), (1000, 0)] {
      let result = try run(last)
      #expect(result.cachedPromptTokens == cached, "last \(last)")
      let first = max(100 - last, 1)
      #expect(result.promptLogprobs[..<first].allSatisfy { $0 == nil })
      #expect(result.promptLogprobs[first...] == whole.promptLogprobs[first...])
      #expect(result.topPromptLogprobs[..<first].allSatisfy { $0.isEmpty })
      #expect(result.topPromptLogprobs[first...] == whole.topPromptLogprobs[first...])
    }
    // A token to score before them needs its position, and gives no other log-prob.
    let result = try run(
      3, targets: PromptTargets(rowStarts: (0..<100).map { $0 > 40 ? 1 : 0 }, tokens: [tokens[41]]))
    #expect(result.cachedPromptTokens == 32)
    #expect(result.promptLogprobs[41] == nil)
    #expect(result.targetLogprobs.map(Optional.init) == [whole.promptLogprobs[41]])
  }

  /// Temperature 0 takes the likeliest token; top-k log-probs are the head of the distribution and
  /// hold the sampled token's own value.
  @Test func greedyAndTopLogprobs() throws {
    var greedy = request(17, nil, maxTokens: 12)
    greedy.parameters.temperature = 0
    greedy.topSampleLogprobs = 5
    greedy.topPromptLogprobs = 3
    let result = try #require(generate([greedy]).first)
    let sequence = try #require(result.sequences.first)
    for (i, token) in sequence.tokens.enumerated() {
      #expect(sequence.top[i].count == 5)
      #expect(sequence.top[i].first == TokenLogprob(token: token, logprob: sequence.logprobs[i]))
      #expect(
        zip(sequence.top[i], sequence.top[i].dropFirst()).allSatisfy { $0.logprob >= $1.logprob })
    }
    #expect(result.topPromptLogprobs.map(\.count) == [0] + Array(repeating: 3, count: 16))
  }

  /// top_k 1 and a tiny top_p leave one candidate; stop tokens end a sequence and are part of it.
  @Test func truncationAndStops() throws {
    var greedy = request(17, nil, maxTokens: 12)
    greedy.parameters.temperature = 0
    let expected = try #require(generate([greedy]).first?.sequences.first)
    var topK = request(17, nil, maxTokens: 12)
    topK.parameters.topK = 1
    var topP = request(17, nil, maxTokens: 12)
    topP.parameters.topP = 1e-6
    var stopping = greedy
    stopping.parameters.stopTokens = [expected.tokens[3]]
    let results = try generate([topK, topP, stopping]).compactMap(\.sequences.first)
    #expect(results[0].tokens == expected.tokens && results[0].logprobs == expected.logprobs)
    #expect(results[1].tokens == expected.tokens && results[1].logprobs == expected.logprobs)
    let end = try #require(expected.tokens.firstIndex(of: expected.tokens[3]))
    #expect(results[2].tokens == Array(expected.tokens[...end]))
    #expect(results[2].stopReason == .stop && results[0].stopReason == .length)
  }

  /// What another request left in the cache moves no bit, saves what it says, and stays within its
  /// scope; a small cache gives it up when pages are needed.
  @Test(arguments: [1 << 25, 1 << 20])
  func prefixCacheMovesNoBit(cacheBytes: Int) throws {
    let adapter = try golden.adapter("all-r3")
    let cache = try KVCache(shapes: golden.model.transformer.attentionShapes, bytes: cacheBytes)
    let generator = Generator(
      model: golden.model, kernels: golden.kernels, arena: try Arena(bytes: 1 << 28), cache: cache)
    generator.prefixPages = cache.pageCount
    func run(_ request: GenerationRequest) throws -> GenerationResult {
      let id = try generator.add(request)
      while true {
        for case .finished(id, let result) in generator.step() { return result }
      }
    }
    func scoped(_ count: Int, _ scope: String?, _ adapter: Adapter?) -> GenerationRequest {
      var result = request(count, adapter, samples: 2)
      result.wantsPromptLogprobs = false
      result.cacheScope = scope
      return result
    }
    let first = try run(scoped(70, "a", adapter))
    #expect(first.cachedPromptTokens == 0)
    let again = try run(scoped(70, "a", adapter))
    #expect(again.cachedPromptTokens == 64)
    #expect(again.sequences.map(\.tokens) == first.sequences.map(\.tokens))
    #expect(again.sequences.map(\.logprobs) == first.sequences.map(\.logprobs))
    // A longer prompt that continues a sample: prompt and sampled tokens are found.
    var longer = scoped(70, "a", adapter)
    longer.prompt += first.sequences[1].tokens
    let continued = try run(longer)
    #expect(continued.cachedPromptTokens == 96)
    longer.cacheScope = nil
    let alone = try run(longer)
    #expect(alone.cachedPromptTokens == 0)
    #expect(continued.sequences.map(\.logprobs) == alone.sequences.map(\.logprobs))
    // Whole prompts are never taken from the cache: the last token's logits are wanted.
    #expect(try run(scoped(64, "a", adapter)).cachedPromptTokens == 32)
    // Another scope and other weights share nothing; prompt log-probs need every position.
    #expect(try run(scoped(70, "b", nil)).cachedPromptTokens == 0)
    var scored = scoped(70, "a", adapter)
    scored.wantsPromptLogprobs = true
    #expect(try run(scored).cachedPromptTokens == 0)
    // Many others: the cache never holds more than there is, or than it may.
    for i in 0..<40 { _ = try run(scoped(40 + i, "other \(i)", nil)) }
    generator.prefixPages = 10
    for i in 0..<40 { _ = try run(scoped(40 + i, "scope \(i)", nil)) }
    #expect(cache.freePages + generator.cachedPages == cache.pageCount, "pages were lost")
    #expect(generator.cachedPages <= generator.prefixPages)
    #expect(generator.cachedPages > 0)
  }
}
