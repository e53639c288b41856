import Foundation
import Testing

@testable import Engine

/// More sequences than the cache has pages for: they take turns, give way and are computed again, and
/// not a bit of what they say differs from each request alone in a large cache (numerics rule l).
@Suite struct PreemptionTests {
  private func generator(
    _ golden: GoldenModel, pages: Int, places: Int = Generator.maximumSequences
  ) throws -> Generator {
    let shapes = golden.model.transformer.attentionShapes
    return Generator(
      model: golden.model, kernels: golden.kernels, arena: try Arena(bytes: 1 << 30),
      cache: try KVCache(shapes: shapes, bytes: pages * KVCache.Geometry(shapes).pageBytes),
      places: places)
  }

  private func run(
    _ requests: [GenerationRequest], _ generator: Generator
  ) throws -> [GenerationResult] {
    let ids = try requests.map { try generator.add($0) }
    var results: [Int: GenerationResult] = [:]
    var steps = 0
    while !generator.isIdle {
      for event in generator.step() {
        if case .finished(let id, let result) = event { results[id] = result }
        if case .failed(_, let error) = event { throw error }
      }
      steps += 1
      try #require(
        steps < 20_000,
        "no end: \(generator.running.map(\.holder)), \(generator.cache.freePages) free")
    }
    return try ids.map { try #require(results[$0]) }
  }

  /// Random crowds of several tenants in caches that hold one to a few sequences.
  @Test(arguments: Golden.models)
  func tinyCachesMoveNoBit(name: String) throws {
    let golden = try GoldenModel(name, threads: 1)
    let large = try generator(golden, pages: 400)
    var preemptions = 0
    for seed in 0..<UInt64(20) {
      var random = SeededRandom(9000 + seed)
      let adapters = try [
        nil, RandomAdapter(&random, sites: golden.model.sites).make(golden),
      ]
      let stem = random.tokens(100, golden)
      let isScoped = Bool.random(using: &random)
      let requests = try (0..<8).map { i in
        let choice = Int.random(in: 0...1, using: &random)
        var request = RandomSample(&random, stem: stem, golden).make(
          adapters[choice], scope: isScoped ? "adapter \(choice)" : nil)
        request.sampleCount = Int.random(in: 1...4, using: &random)
        request.tenant = ["a", "b", "c"][i % 3]
        try request.validate(golden.model.config)
        return request
      }
      // 140 tokens of a prompt and 40 new ones take six pages.
      let pages = Int.random(in: 6...20, using: &random)
      let small = try generator(
        golden, pages: pages, places: Int.random(in: 1...12, using: &random))
      small.prefillRows = [20, 64, 512].randomElement(using: &random) ?? 512
      small.prefixPages = isScoped ? pages / 2 : 0
      let together = try run(requests, small)
      preemptions += small.preemptions
      #expect(small.cache.freePages + small.cachedPages == pages, "pages were lost, seed \(seed)")
      for (i, request) in requests.enumerated() {
        var alone = request
        alone.cacheScope = nil
        let expected = try #require(run([alone], large).first)
        #expect(
          SampleOutcome(together[i]) == SampleOutcome(expected), "seed \(seed), request \(i)")
      }
    }
    #expect(preemptions > 10, "\(preemptions)")
  }

  /// One request whose samples together need many times the cache: they come in turns.
  @Test func samplesOfOneRequestTakeTurns() throws {
    let golden = try GoldenModel("llama")
    var random = SeededRandom(5)
    var request = GenerationRequest(prompt: random.tokens(40, golden))
    request.sampleCount = 16
    request.parameters.maxTokens = 100
    request.parameters.seed = 3
    let small = try generator(golden, pages: 12)
    let result = try #require(run([request], small).first)
    #expect(result.sequences.map(\.tokens.count) == Array(repeating: 100, count: 16))
    let alone = try #require(run([request], generator(golden, pages: 400)).first)
    #expect(SampleOutcome(result) == SampleOutcome(alone))
    #expect(small.cache.freePages == 12)
  }

  /// What a sequence needs at most fits exactly: it runs, alone and in a crowd, and with several
  /// samples; one position more is refused with the figures.
  @Test func allOfTheCacheCanBeUsed() throws {
    let golden = try GoldenModel("llama")
    var random = SeededRandom(6)
    let small = try generator(golden, pages: 4)
    #expect(small.contextLength == 128)
    var requests = (0..<3).map { i in
      var request = GenerationRequest(prompt: random.tokens(50 + i, golden))
      request.parameters.maxTokens = small.cache.positions - request.prompt.count
      request.sampleCount = 1 + i
      return request
    }
    let results = try run(requests, small)
    for (request, result) in zip(requests, results) {
      #expect(
        result.sequences.allSatisfy { $0.tokens.count == request.parameters.maxTokens })
    }
    // The last token is drawn and not put in: one more than there are positions.
    requests[0].parameters.maxTokens += 2
    let error = #expect(throws: EngineError.self) { _ = try small.add(requests[0]) }
    #expect(error?.code == .resourceExhausted)
    #expect(error?.message.contains("129 tokens") == true, "\(String(describing: error))")
    #expect(error?.message.contains("holds 128 tokens") == true)
  }

  /// Another tenant's sequences are let in beside a flood's, which has more than its share.
  @Test func aFloodDoesNotKeepOthersOut() throws {
    let golden = try GoldenModel("llama")
    var random = SeededRandom(7)
    let generator = try generator(golden, pages: 60, places: 8)
    for _ in 0..<200 {
      var request = GenerationRequest(prompt: random.tokens(20, golden))
      request.tenant = "flood"
      request.parameters.maxTokens = 100
      _ = try generator.add(request)
    }
    for _ in 0..<10 { _ = generator.step() }
    var request = GenerationRequest(prompt: random.tokens(20, golden))
    request.tenant = "calm"
    request.parameters.maxTokens = 30
    let id = try generator.add(request)
    var steps = 0
    var isDone = false
    while !isDone {
      for case .finished(id, _) in generator.step() { isDone = true }
      steps += 1
      try #require(steps < 40, "calm waits behind the flood")
    }
    // Pages and tokens of those that gave way are not lost.
    #expect(generator.preemptions >= 1)
    generator.cancel(0)
  }

  /// One that waits for most of the cache holds up nobody who fits, and is not kept out by those who
  /// pass it.
  @Test func whoFitsPassesAndGivesWay() throws {
    let golden = try GoldenModel("llama")
    var random = SeededRandom(9)
    let generator = try generator(golden, pages: 8)
    func add(_ tenant: String, prompt: Int, _ tokens: Int) throws -> Int {
      var request = GenerationRequest(prompt: random.tokens(prompt, golden))
      request.tenant = tenant
      request.parameters.maxTokens = tokens
      return try generator.add(request)
    }
    let first = try add("first", prompt: 60, 30)
    _ = generator.step()
    // It needs six pages and one to grow, and six are free.
    let large = try add("large", prompt: 190, 10)
    var small = try add("small", prompt: 40, 100)
    var ends: [Int] = []
    var steps = 0
    while !ends.contains(large) {
      for case .finished(let id, _) in generator.step() { ends.append(id) }
      // There is always one that would pass.
      if ends.contains(small) { small = try add("small", prompt: 40, 100) }
      steps += 1
      try #require(steps < 120, "\(ends)")
    }
    #expect(ends.first == first)
    // It ran beside the first one, gave way to the large one, and ends all the same.
    #expect(generator.preemptions == 1)
    while !generator.isIdle {
      for case .finished(let id, _) in generator.step() { ends.append(id) }
    }
    #expect(ends.last == small)
  }

  /// A cancelled request gives everything back at once, whatever part of it runs.
  @Test func cancellingGivesAllBack() throws {
    let golden = try GoldenModel("llama")
    var random = SeededRandom(8)
    let generator = try generator(golden, pages: 10)
    for steps in 0..<12 {
      var request = GenerationRequest(prompt: random.tokens(70, golden))
      request.sampleCount = 5
      let ids = try (0..<3).map { _ in try generator.add(request) }
      generator.prefillRows = 33
      for _ in 0..<steps { _ = generator.step() }
      for id in ids { generator.cancel(id) }
      #expect(generator.isIdle && generator.cache.freePages == 10, "after \(steps) steps")
    }
  }

  /// Memory of pages that are free goes back to the system.
  @Test func freePagesAreGivenBack() throws {
    let golden = try GoldenModel("llama")
    let shapes = golden.model.transformer.attentionShapes
    let bytes = KVCache.Geometry(shapes).pageBytes
    let count = (256 << 20) / bytes
    let cache = try KVCache(shapes: shapes, bytes: count * bytes)
    func resident() throws -> Int {
      let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
      return try #require(Int(text.split(separator: " ")[1])) * 4096
    }
    let pages = try #require(cache.allocate(count))
    // Zeroed memory of the system costs nothing until it is written.
    for page in pages.dropFirst() { cache.copy(pages[0], to: page) }
    let before = try resident()
    for page in pages { cache.release(page) }
    // Others run in this process meanwhile.
    #expect(try before - resident() > 128 << 20)
    // What comes back is zeroed, warm or not.
    let again = try #require(cache.allocate(count))
    #expect(Set(again) == Set(pages))
  }
}
