import CKernels

/// Something that happened in a step.
package enum GenerationEvent: Sendable {
  /// Sample `sample` of request `id` has one more token.
  /// - index: its place among the tokens of the sample.
  case token(id: Int, sample: Int, index: Int, token: Int32, logprob: Float)
  case finished(id: Int, GenerationResult)
  case failed(id: Int, EngineError)
}

/// Decodes many requests together: sequences join and leave between steps, of any adapters, over
/// one paged cache. A prompt is prefilled once however many samples it has.
///
/// Pages are taken as sequences grow. When there are none left, sequences give way and are computed
/// again later; `DecodePolicy` says whose turn it is. Tokens depend on the request alone: the draw is
/// keyed by (seed, sample, position), and logits by what precedes a position (numerics contract 1).
package final class Generator {
  package let model: BaseModel
  let kernels: Kernels
  let arena: Arena
  package let cache: KVCache
  private var prefixes = PrefixCache()

  /// Most pages that hold prefixes for later requests.
  package var prefixPages: Int

  /// Prompt rows of one step, so that decoding sequences are not held up by a long prefill.
  package var prefillRows = Generator.maximumPrefillRows
  package static let maximumPrefillRows = 512

  /// Sequences that one step computes at most.
  package static let maximumSequences = 256
  /// Bytes of workspace that stay with the process between steps.
  static let keptWorkspace = 1 << 30

  /// Requests that have not ended, in order of arrival.
  private var groups: [GenerationGroup] = []
  private(set) var running: [PagedSequence] = []
  private var nextID = 0
  private let policy: DecodePolicy

  /// Sequences that gave way to others.
  package private(set) var preemptions = 0

  /// - Parameter places: sequences that run at once.
  package init(
    model: BaseModel, kernels: Kernels, arena: Arena, cache: KVCache,
    places: Int = Generator.maximumSequences
  ) {
    self.model = model
    self.kernels = kernels
    self.arena = arena
    self.cache = cache
    prefixPages = cache.pageCount / 8
    policy = DecodePolicy(pages: cache.pageCount, places: places)
  }

  package var isIdle: Bool { groups.isEmpty }

  /// Rows of the last step, and how many of them were of prompts.
  package private(set) var lastRows = 0
  package private(set) var lastPrefillRows = 0

  /// Sequences that the next step computes, and requests that have not begun.
  package var runningSequences: Int { running.count }
  package var waitingRequests: Int { groups.count { $0.cached == nil } }
  /// Pages that hold prefixes for later requests.
  package var cachedPages: Int { prefixes.count }

  /// Longest sequence that can be sampled or scored.
  package var contextLength: Int { min(model.config.maxPositions, cache.positions) }

  /// Queues a request.
  ///
  /// - Returns: the id its events carry.
  /// - Throws: `invalidArgument` naming the field; `resourceExhausted` when the cache could never
  ///   hold one of its sequences.
  package func add(_ request: GenerationRequest) throws(EngineError) -> Int {
    try request.validate(model.config)
    let group = GenerationGroup(id: nextID, request: request)
    try cache.check(positions: group.longest)
    nextID += 1
    groups.append(group)
    return group.id
  }

  /// Drops a request; its pages are free at once.
  package func cancel(_ id: Int) {
    drop { $0.id == id }
  }

  private func drop(where isDropped: (GenerationGroup) -> Bool) {
    for sequence in running where isDropped(sequence.group) { sequence.drop(cache) }
    running.removeAll { isDropped($0.group) }
    for group in groups where isDropped(group) { group.releaseStem(cache) }
    groups.removeAll(where: isDropped)
  }

  /// Runs one pass: a chunk of prompts and one token of every decoding sequence.
  package func step() -> [GenerationEvent] {
    (lastRows, lastPrefillRows) = (0, 0)
    admit()
    planRows()
    guard !running.isEmpty else { return [] }
    do throws(EngineError) {
      return try runStep()
    } catch {
      // Out of workspace: nobody's sequence can be continued from an unknown point.
      let failed = Set(running.map(\.group.id))
      drop { failed.contains($0.id) }
      return failed.sorted().map { GenerationEvent.failed(id: $0, error) }
    }
  }

  // MARK: Who runs

  /// Lets in who is next, and who may pass one that does not fit.
  private func admit() {
    var first: [String: GenerationGroup] = [:]
    for group in groups where group.nextWaiting != nil && first[group.request.tenant] == nil {
      first[group.request.tenant] = group
    }
    var blocked: Int?
    // So many at most: those who are displaced may be let in again.
    for _ in 0..<2 * policy.places where !first.isEmpty {
      let candidates = first.values.sorted { $0.id < $1.id }
      let waiting = candidates.compactMap(\.waitingHolder)
      let holders = running.map(\.holder)
      guard let next = policy.next(waiting, running: holders) else { return }
      let group = candidates[next]
      if !policy.fits(waiting[next], freePages: availablePages, running: holders) {
        let displaced = policy.displaced(
          by: waiting[next], freePages: availablePages, running: holders)
        for sequence in displaced.map({ running[$0] }) { preempt(sequence) }
      }
      let tenant = group.request.tenant
      guard let sequence = start(group, waiting[next]) else {
        blocked = blocked ?? group.id
        first[tenant] = nil
        continue
      }
      sequence.passed = blocked
      running.append(sequence)
      guard group.nextWaiting == nil else { continue }
      first[tenant] = groups.first { $0.request.tenant == tenant && $0.nextWaiting != nil }
    }
  }

  /// Free pages, and those that are only kept for later requests.
  private var availablePages: Int {
    let held = running.reduce(groups.reduce(0) { $0 + $1.stemPages }) { $0 + $1.holder.pages }
    return max(cache.freePages, cache.pageCount - held)
  }

  private func start(
    _ group: GenerationGroup, _ holder: DecodePolicy.Holder
  ) -> PagedSequence? {
    if policy.fits(holder, freePages: availablePages, running: running.map(\.holder)),
      let sequence = group.start(cache, &prefixes)
    {
      return sequence
    }
    guard running.isEmpty else { return nil }
    // Nobody will end: only prompts that are kept for their samples can be in the way.
    repeat {
      if let sequence = group.start(cache, &prefixes) { return sequence }
    } while releaseStem()
    return nil
  }

  /// Gives up the youngest prompt that is kept for its samples.
  private func releaseStem() -> Bool {
    guard let group = groups.last(where: { $0.stemPages > 0 }) else { return false }
    group.releaseStem(cache)
    return true
  }

  /// Takes the pages of a sequence; its tokens stay, and it waits for its next turn.
  private func preempt(_ sequence: PagedSequence) {
    preemptions += 1
    running.removeAll { $0 === sequence }
    sequence.release(cache, leavingTo: &prefixes)
    sequence.group.preempted(sequence)
    if !running.contains(where: { $0.group === sequence.group }) {
      sequence.group.releaseStem(cache)
    }
  }

  /// Says how far each sequence gets in this step, and finds the pages for it.
  private func planRows() {
    var left = prefillRows
    let filling = running.filter { $0.sample == nil || $0.pending > 1 }
    let tenants = Set(filling.map(\.group.request.tenant))
    let share = max(left / max(tenants.count, 1), 1)
    var given: [String: Int] = [:]
    var rows: [ObjectIdentifier: Int] = [:]
    for isRest in [false, true] {
      for sequence in filling where left > 0 {
        let (id, tenant) = (ObjectIdentifier(sequence), sequence.group.request.tenant)
        let limit = isRest ? left : min(left, share - given[tenant, default: 0])
        let count = min(sequence.pending - rows[id, default: 0], max(limit, 0))
        rows[id, default: 0] += count
        given[tenant, default: 0] += count
        left -= count
      }
    }
    // Those that had to give way meanwhile have no pages.
    for sequence in running where !sequence.pages.isEmpty {
      sequence.plan(rows: rows[ObjectIdentifier(sequence)] ?? (sequence.pending == 1 ? 1 : 0))
      while sequence.needsPage, let page = takePage(for: sequence) { sequence.grow(by: page) }
    }
  }

  /// A page for a sequence that runs; nil if it had to give way itself.
  private func takePage(for sequence: PagedSequence) -> Int32? {
    while true {
      prefixes.makeRoom(1, in: cache)
      if let page = cache.allocate(1)?.first { return page }
      if let victim = policy.victim(running.map(\.holder)) {
        let other = running[victim]
        preempt(other)
        if other === sequence { return nil }
      } else if !releaseStem() {
        preempt(sequence)
        return nil
      }
    }
  }

  // MARK: A step

  private func runStep() throws(EngineError) -> [GenerationEvent] {
    arena.clear(keep: Self.keptWorkspace)
    var batch = RowBatch()
    var plan = StepPlan()
    for sequence in running {
      let before = batch.rows
      let isFilling = sequence.sample == nil || sequence.pending > 1
      sequence.schedule(into: &batch, plan: &plan)
      if isFilling { lastPrefillRows += batch.rows - before }
    }
    lastRows = batch.rows
    guard batch.rows > 0 else { return [] }
    let pass = try Pass(
      kernels: kernels, arena: arena, policy: .inference, batch: batch, store: .cache(cache))
    let hidden = pass.tape[try model.transformer.hidden(pass)].value
    try score(plan.scores, hidden, batch.segments)
    let events = try draw(plan.draws, hidden, batch.segments)
    return events + fail() + settle()
  }

  /// Ends the requests that cannot go on.
  private func fail() -> [GenerationEvent] {
    let failed = groups.filter { $0.fault != nil }
    guard !failed.isEmpty else { return [] }
    drop { $0.fault != nil }
    return failed.compactMap { group in group.fault.map { .failed(id: group.id, $0) } }
  }

  /// After a step: prompts make place for their samples, sequences and requests end.
  private func settle() -> [GenerationEvent] {
    var stillRunning: [PagedSequence] = []
    for sequence in running {
      sequence.advance()
      if sequence.sample == nil, sequence.pending == 0 {
        sequence.group.prompted(sequence, cache, &prefixes)
      } else if !sequence.group.isOpen(sequence.sample) {
        sequence.release(cache, leavingTo: &prefixes)
      } else {
        stillRunning.append(sequence)
      }
    }
    running = stillRunning
    let finished = groups.filter(\.isFinished)
    if !finished.isEmpty { groups.removeAll(where: \.isFinished) }
    prefixes.trim(to: prefixPages, in: cache)
    return finished.map { .finished(id: $0.id, $0.result) }
  }

  /// Logits of the rows `index`, block by block.
  private func eachBlock(
    _ index: [Int], _ hidden: Rows, _ segments: [Segment],
    _ body: (Range<Int>, Rows) throws(EngineError) -> Void
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
      try body(range, logits)
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

  /// The distribution of each row of logits.
  private struct Distribution {
    let logits: Rows
    let temperatures: Rows
    let max: Rows
    let sum: Rows

    func row(_ i: Int) -> Distribution {
      let range = i..<i + 1
      return Distribution(
        logits: logits.slice(range), temperatures: temperatures.slice(range),
        max: max.slice(range), sum: sum.slice(range))
    }
  }

  /// - Parameter temperatures: one for each row; 0 stands for 1 (see `ck_softmax_stats`).
  private func distribution(
    _ logits: Rows, temperatures: [Float]
  ) throws(EngineError) -> Distribution {
    let distribution = Distribution(
      logits: logits, temperatures: try arena.rows(logits.count, 1),
      max: try arena.rows(logits.count, 1), sum: try arena.rows(logits.count, 1))
    for (i, temperature) in temperatures.enumerated() {
      distribution.temperatures.pointer[i] = temperature
    }
    kernels.softmaxStats(
      max: distribution.max, sum: distribution.sum, logits,
      temperatures: distribution.temperatures)
    return distribution
  }

  /// The distribution of the model itself.
  private func distribution(_ logits: Rows) throws(EngineError) -> Distribution {
    try distribution(logits, temperatures: Array(repeating: 1, count: logits.count))
  }

  /// The log-prob of one token for each row.
  private func logprobs(
    _ tokens: Indices, _ distribution: Distribution
  ) throws(EngineError) -> Rows {
    let out = try arena.rows(tokens.count, 1)
    kernels.logprobs(
      out, distribution.logits, max: distribution.max, sum: distribution.sum,
      temperatures: distribution.temperatures, targets: tokens)
    return out
  }

  /// Log-probs of any tokens in the distribution of one row; NaN for those that are none.
  private func logprobs(
    _ tokens: ArraySlice<Int32>, _ row: Distribution
  ) throws(EngineError) -> UnsafeBufferPointer<Float> {
    guard !tokens.isEmpty else { return UnsafeBufferPointer(start: nil, count: 0) }
    let out = try arena.rows(1, tokens.count)
    kernels.logprobs(
      out, row.logits, max: row.max, sum: row.sum, temperatures: row.temperatures,
      targets: try arena.indices(Array(tokens)))
    return UnsafeBufferPointer(start: out.pointer, count: tokens.count)
  }

  /// Log-probs of prompt tokens.
  private func score(
    _ scores: [StepPlan.Score], _ hidden: Rows, _ segments: [Segment]
  ) throws(EngineError) {
    try eachBlock(scores.map(\.row), hidden, segments) {
      (range, logits) throws(EngineError) in
      let own = try distribution(logits)
      let out = try logprobs(try arena.indices(scores[range].map(\.target)), own)
      let k = scores[range].map(\.group.request.topPromptLogprobs).max() ?? 0
      let top = try topLogprobs(k, own)
      for (i, score) in scores[range].enumerated() {
        score.group.addPromptLogprobs(
          at: score.position, out.pointer[i], top: top.isEmpty ? [] : top[i],
          others: try logprobs(score.others, own.row(i)))
      }
    }
  }

  /// The k likeliest tokens of each row.
  private func topLogprobs(
    _ k: Int, _ distribution: Distribution
  ) throws(EngineError) -> [[TokenLogprob]] {
    guard k > 0 else { return [] }
    let count = distribution.logits.count
    let ids = try arena.indices([Int32](repeating: 0, count: count * k))
    let values = try arena.rows(count, k)
    kernels.topK(
      ids: ids, logprobs: values, distribution.logits, max: distribution.max,
      sum: distribution.sum, temperatures: distribution.temperatures)
    return (0..<count).map { row in
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
      (range, logits) throws(EngineError) in
      let parameters = draws[range].map(\.parameters)
      let tempered = try distribution(logits, temperatures: parameters.map(\.temperature))
      let tokens = try arena.indices([Int32](repeating: 0, count: range.count))
      kernels.draw(tokens, logits, max: tempered.max, parameters)
      let out = try logprobs(tokens, tempered)
      let wantsModel = draws[range].contains { $0.group.request.wantsModelLogprobs }
      let model = wantsModel ? try logprobs(tokens, try distribution(logits)) : nil
      let k = draws[range].map(\.group.request.topSampleLogprobs).max() ?? 0
      let top = try topLogprobs(k, tempered)
      for (i, draw) in draws[range].enumerated() {
        let (token, logprob) = (tokens.pointer[i], out.pointer[i])
        let added = draw.group.addToken(
          token, logprob, model: model?.pointer[i], sample: draw.sample,
          top: top.isEmpty ? [] : top[i])
        guard let index = added else { continue }
        events.append(
          .token(
            id: draw.group.id, sample: draw.sample, index: index, token: token, logprob: logprob))
      }
    }
    return events
  }
}
