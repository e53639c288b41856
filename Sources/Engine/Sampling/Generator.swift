import CKernels

/// Something that happened in a step.
package enum GenerationEvent: Sendable {
  /// Sample `sample` of request `id` has one more token.
  case token(id: Int, sample: Int, token: Int32, logprob: Float)
  case finished(id: Int, GenerationResult)
  case failed(id: Int, EngineError)
}

/// Decodes many requests together: sequences join and leave between steps, of any adapters, over
/// one paged cache. A prompt is prefilled once however many samples it has.
///
/// Tokens depend on the request alone: the draw is keyed by (seed, sample, position), and logits
/// by what precedes a position (numerics contract 1).
package final class Generator {
  package let model: BaseModel
  let kernels: Kernels
  let arena: Arena
  package let cache: KVCache
  private var prefixes = PrefixCache()

  /// Most pages that hold prefixes for later requests.
  package var prefixPages: Int

  /// Prompt rows of one step, so that decoding sequences are not held up by a long prefill.
  package var prefillRows = 512

  private var waiting: [GenerationGroup] = []
  private(set) var running: [GenerationGroup] = []
  private var nextID = 0

  package init(model: BaseModel, kernels: Kernels, arena: Arena, cache: KVCache) {
    self.model = model
    self.kernels = kernels
    self.arena = arena
    self.cache = cache
    prefixPages = cache.pageCount / 8
  }

  package var isIdle: Bool { waiting.isEmpty && running.isEmpty }

  /// Rows of the last step, and how many of them were of prompts.
  package private(set) var lastRows = 0
  package private(set) var lastPrefillRows = 0

  /// Sequences that the next step computes, and requests that wait for pages.
  package var runningSequences: Int { running.reduce(0) { $0 + $1.openSequences } }
  package var waitingRequests: Int { waiting.count }
  /// Pages that hold prefixes for later requests.
  package var cachedPages: Int { prefixes.count }

  /// Queues a request.
  ///
  /// - Returns: the id its events carry.
  /// - Throws: `invalidArgument` naming the field; `resourceExhausted` when the cache could never
  ///   hold it.
  package func add(_ request: GenerationRequest) throws(EngineError) -> Int {
    try request.validate(model.config)
    let group = GenerationGroup(id: nextID, request: request)
    guard group.pagesNeeded <= cache.pageCount else {
      throw EngineError(
        .resourceExhausted,
        "the request needs \(group.pagesNeeded) pages of KV cache, there are \(cache.pageCount)")
    }
    nextID += 1
    waiting.append(group)
    return group.id
  }

  /// Drops a request; its pages are free at once.
  package func cancel(_ id: Int) {
    waiting.removeAll { $0.id == id }
    for group in running where group.id == id { group.releasePages(cache) }
    running.removeAll { $0.id == id }
  }

  /// Runs one pass: a chunk of prompts and one token of every decoding sequence.
  package func step() -> [GenerationEvent] {
    (lastRows, lastPrefillRows) = (0, 0)
    admit()
    guard !running.isEmpty else { return [] }
    do throws(EngineError) {
      return try runStep()
    } catch {
      // Out of workspace: nobody's sequence can be continued from an unknown point.
      let failed = running.map { GenerationEvent.failed(id: $0.id, error) }
      for group in running { group.releasePages(cache) }
      running.removeAll()
      return failed
    }
  }

  /// Admits in order of arrival; the first that does not fit waits for pages.
  private func admit() {
    var admitted = 0
    while admitted < waiting.count, admit(waiting[admitted]) { admitted += 1 }
    waiting.removeFirst(admitted)
  }

  private func admit(_ group: GenerationGroup) -> Bool {
    let reused =
      group.request.cacheScope.map {
        prefixes.find(group.request.prompt, scope: $0, limit: group.reusablePages)
      } ?? []
    for page in reused { cache.retain(page) }
    let needed = group.pagesNeeded - reused.count
    if cache.freePages < needed { prefixes.makeRoom(needed, in: cache) }
    guard let fresh = cache.allocate(needed) else {
      for page in reused { cache.release(page) }
      return false
    }
    group.assign(reused + fresh, reused: reused.count)
    running.append(group)
    return true
  }

  private func runStep() throws(EngineError) -> [GenerationEvent] {
    arena.clear(keep: 1 << 30)
    var batch = RowBatch()
    var plan = StepPlan()
    var prefillBudget = prefillRows
    for group in running {
      group.schedule(into: &batch, plan: &plan, prefillBudget: &prefillBudget)
    }
    lastRows = batch.rows
    lastPrefillRows = prefillRows - prefillBudget
    let pass = try Pass(
      kernels: kernels, arena: arena, policy: .inference, batch: batch, store: .cache(cache))
    let hidden = pass.tape[try model.transformer.hidden(pass)].value
    try score(plan.scores, hidden, batch.segments)
    let events = try draw(plan.draws, hidden, batch.segments)
    var finished: [GenerationEvent] = []
    for group in running {
      group.advance(cache, &prefixes)
      if group.isFinished {
        group.leavePages(&prefixes, cache)
        group.releasePages(cache)
        finished.append(.finished(id: group.id, group.result))
      }
    }
    running.removeAll(where: \.isFinished)
    prefixes.trim(to: prefixPages, in: cache)
    return events + finished
  }

  /// Logits of the rows `index`, block by block.
  private func eachBlock(
    _ index: [Int], _ hidden: Rows, _ segments: [Segment],
    _ body: (Range<Int>, Rows, Rows, Rows) throws(EngineError) -> Void
  ) throws(EngineError) {
    for start in stride(from: 0, to: index.count, by: OutputHead.blockRows) {
      let range = start..<min(start + OutputHead.blockRows, index.count)
      let mark = arena.mark
      let rows = index[range]
      let x = try arena.rows(rows.count, hidden.width)
      kernels.gatherRows(x, hidden, try arena.indices(rows.map { Int32($0) }))
      let local = regroup(Array(rows), segments)
      let (logits, _) = try model.transformer.head.logits(
        x, segments: local, kernels: kernels, arena: arena)
      let max = try arena.rows(rows.count, 1)
      let sum = try arena.rows(rows.count, 1)
      kernels.softmaxStats(max: max, sum: sum, logits)
      try body(range, logits, max, sum)
      arena.reset(to: mark)
    }
  }

  /// Segments of gathered rows: the adapter of each, neighbours joined.
  private func regroup(_ rows: [Int], _ segments: [Segment]) -> [Segment] {
    var result: [Segment] = []
    for (i, row) in rows.enumerated() {
      let adapter = segments.first { $0.rows.contains(row) }?.adapter
      if let last = result.last, last.adapter === adapter {
        result[result.count - 1] = Segment(
          rows: last.rows.lowerBound..<i + 1, adapter: adapter)
      } else {
        result.append(Segment(rows: i..<i + 1, adapter: adapter))
      }
    }
    return result
  }

  /// Log-probs of prompt tokens.
  private func score(
    _ scores: [StepPlan.Score], _ hidden: Rows, _ segments: [Segment]
  ) throws(EngineError) {
    try eachBlock(scores.map(\.row), hidden, segments) {
      (range, logits, max, sum) throws(EngineError) in
      let out = try arena.rows(range.count, 1)
      let targets = try arena.indices(scores[range].map(\.target))
      kernels.logprobs(out, logits, max: max, sum: sum, targets: targets)
      let k = scores[range].map(\.group.request.topPromptLogprobs).max() ?? 0
      let top = try topLogprobs(k, logits, max, sum)
      for (i, score) in scores[range].enumerated() {
        score.group.addPromptLogprob(
          out.pointer[i], top: top.isEmpty ? [] : top[i])
      }
    }
  }

  /// The k likeliest tokens of each row.
  private func topLogprobs(
    _ k: Int, _ logits: Rows, _ max: Rows, _ sum: Rows
  ) throws(EngineError) -> [[TokenLogprob]] {
    guard k > 0 else { return [] }
    let ids = try arena.indices([Int32](repeating: 0, count: logits.count * k))
    let values = try arena.rows(logits.count, k)
    kernels.topK(ids: ids, logprobs: values, logits, max: max, sum: sum)
    return (0..<logits.count).map { row in
      (0..<k).map { j in
        TokenLogprob(
          token: ids.pointer[row * k + j], logprob: values.pointer[row * k + j])
      }
    }
  }

  private func draw(
    _ draws: [StepPlan.Draw], _ hidden: Rows, _ segments: [Segment]
  ) throws(EngineError) -> [GenerationEvent] {
    var events: [GenerationEvent] = []
    try eachBlock(draws.map(\.row), hidden, segments) {
      (range, logits, max, sum) throws(EngineError) in
      let tokens = try arena.indices([Int32](repeating: 0, count: range.count))
      kernels.draw(tokens, logits, max: max, draws[range].map(\.parameters))
      let out = try arena.rows(range.count, 1)
      kernels.logprobs(out, logits, max: max, sum: sum, targets: tokens)
      let k = draws[range].map(\.group.request.topSampleLogprobs).max() ?? 0
      let top = try topLogprobs(k, logits, max, sum)
      for (i, draw) in draws[range].enumerated() {
        let (token, logprob) = (tokens.pointer[i], out.pointer[i])
        draw.group.addToken(
          token, logprob, sample: draw.sample, top: top.isEmpty ? [] : top[i])
        events.append(
          .token(id: draw.group.id, sample: draw.sample, token: token, logprob: logprob))
      }
    }
    return events
  }
}
