import CKernels

/// What one step computes beside the keys and values.
struct StepPlan {
  /// A prompt position at which log-probs of what follows it are wanted.
  struct Score {
    let row: Int
    let position: Int
    let group: GenerationGroup

    /// The prompt's own next token.
    var target: Int32 { group.request.prompt[position + 1] }
    /// Other tokens to score in its place.
    var others: ArraySlice<Int32> {
      group.request.promptTargets.map { $0.tokens[$0.cells(position)] } ?? []
    }
  }

  /// A position whose next token is drawn.
  struct Draw {
    let row: Int
    let group: GenerationGroup
    let sample: Int
    let parameters: ck_draw_params
  }

  var scores: [Score] = []
  var draws: [Draw] = []
}

/// A request: its samples as far as they are drawn, and which of them wait for their turn.
///
/// The prompt is computed first, once for all samples, whose first tokens are drawn from it. The
/// samples then run together or in turns, as pages allow.
final class GenerationGroup {
  let id: Int
  let request: GenerationRequest
  private var sequences: [GeneratedSequence]
  private var promptLogprobs: [Float?] = []
  private var topPrompt: [[TokenLogprob]] = []
  private var targetLogprobs: [Float] = []
  /// Prompt positions before this one are scored, as far as anybody wants it.
  private var scored: Int
  /// Positions that came from the prefix cache when the request began.
  private(set) var cached: Int?
  /// Whether the prompt was computed, and first tokens are drawn.
  private(set) var isPrompted = false
  /// Whether the prompt waits to be computed, or is.
  private var waitsForPrompt = true
  /// Samples that have not ended and do not run.
  private var waiting: [Int] = []
  /// Pages of the computed prompt, for samples that have not begun.
  private var stem: [Int32] = []
  /// Why it cannot go on: the model's numbers overflow.
  private(set) var fault: EngineError?

  init(id: Int, request: GenerationRequest) {
    self.id = id
    self.request = request
    sequences = Array(repeating: GeneratedSequence(), count: request.sampleCount)
    let count = request.prompt.count
    if request.wantsPromptLogprobs { promptLogprobs = Array(repeating: nil, count: count) }
    if request.topPromptLogprobs > 0 { topPrompt = Array(repeating: [], count: count) }
    scored = request.firstLogprob - 1
    if let targets = request.promptTargets {
      targetLogprobs = Array(repeating: 0, count: targets.tokens.count)
      scored = (0..<scored).first(where: targets.asks) ?? scored
    }
    if request.parameters.maxTokens == 0 {
      for i in sequences.indices { sequences[i].stopReason = .length }
    }
  }

  /// Sequences that have not ended.
  var openSequences: Int { sequences.count { $0.stopReason == nil } }
  var isFinished: Bool { isPrompted && sequences.allSatisfy { $0.stopReason != nil } }

  var result: GenerationResult {
    GenerationResult(
      sequences: sequences, promptLogprobs: promptLogprobs, topPromptLogprobs: topPrompt,
      targetLogprobs: targetLogprobs, cachedPromptTokens: cached ?? 0)
  }

  // MARK: Tokens

  func length(of sample: Int?) -> Int {
    request.prompt.count + (sample.map { sequences[$0].tokens.count } ?? 0)
  }

  func lastToken(of sample: Int) -> Int32 {
    let tokens = sequences[sample].tokens
    return tokens[tokens.count - 1]
  }

  /// Tokens of the prompt and behind it.
  func tokens(of sample: Int?, _ range: Range<Int>) -> [Int32] {
    let count = request.prompt.count
    guard let sample, range.upperBound > count else { return Array(request.prompt[range]) }
    let drawn = sequences[sample].tokens
    let first = max(range.lowerBound, count)
    return Array(request.prompt[min(range.lowerBound, count)...])
      + drawn[first - count..<range.upperBound - count]
  }

  /// Most positions that one of its sequences can take: the last token is never put in.
  var longest: Int { request.prompt.count + max(request.parameters.maxTokens, 1) - 1 }

  // MARK: Waiting and running

  /// What waits: the prompt (nil inside), or the first sample that does not run.
  var nextWaiting: Int?? {
    guard isPrompted else { return waitsForPrompt ? .some(nil) : .none }
    return waiting.first.map { .some($0) }
  }

  /// What its next sequence needs to run, for the policy.
  var waitingHolder: DecodePolicy.Holder? {
    guard let next = nextWaiting else { return nil }
    let shared = stem.isEmpty ? 0 : wholePages
    return DecodePolicy.Holder(
      tenant: request.tenant, request: id, sample: next ?? 0,
      pages: max(PagePool.pages(for: length(of: next)) - shared, 1))
  }

  private var wholePages: Int { request.prompt.count / PagePool.positionsPerPage }

  /// Pages of a known prefix that a sequence can start from. Its last token is computed in any
  /// case, and so is the prompt from the first position whose log-probs are asked for.
  private func reusablePages(_ sample: Int?) -> Int {
    (sample == nil ? scored : length(of: sample) - 1) / PagePool.positionsPerPage
  }

  /// Starts what waits first, with all pages of what is known of it.
  /// - Returns: nil if there are not enough, even without what is kept for later requests.
  func start(_ cache: KVCache, _ prefixes: inout PrefixCache) -> PagedSequence? {
    guard let next = nextWaiting else { return nil }
    guard let sequence = fork(next, cache, &prefixes) ?? begin(next, cache, &prefixes) else {
      return nil
    }
    if next == nil { waitsForPrompt = false } else { waiting.removeFirst() }
    if cached == nil { cached = sequence.filled }
    return sequence
  }

  /// A sample from the pages of the prompt: whole ones are shared, the last, partly filled one is
  /// copied, since from here on samples go their own ways. The last sample takes it over.
  private func fork(
    _ next: Int?, _ cache: KVCache, _ prefixes: inout PrefixCache
  ) -> PagedSequence? {
    guard let sample = next, !stem.isEmpty else { return nil }
    if waiting.count == 1 {
      defer { stem = [] }
      return PagedSequence(
        self, sample: sample, pages: stem, filled: request.prompt.count)
    }
    var pages = Array(stem[..<wholePages])
    if wholePages < stem.count {
      prefixes.makeRoom(1, in: cache)
      guard let own = cache.allocate(1) else { return nil }
      cache.copy(stem[wholePages], to: own[0])
      pages += own
    }
    for page in stem[..<wholePages] { cache.retain(page) }
    return PagedSequence(
      self, sample: sample, pages: pages, sharedPages: wholePages, filled: request.prompt.count)
  }

  /// A prompt, or a sample whose pages were given to others.
  private func begin(
    _ next: Int?, _ cache: KVCache, _ prefixes: inout PrefixCache
  ) -> PagedSequence? {
    let length = length(of: next)
    let reused =
      request.cacheScope.map {
        prefixes.find(tokens(of: next, 0..<length), scope: $0, limit: reusablePages(next))
      } ?? []
    for page in reused { cache.retain(page) }
    let needed = PagePool.pages(for: length) - reused.count
    prefixes.makeRoom(needed, in: cache)
    guard let fresh = cache.allocate(needed) else {
      for page in reused { cache.release(page) }
      return nil
    }
    return PagedSequence(
      self, sample: next, pages: reused + fresh, sharedPages: reused.count,
      filled: reused.count * PagePool.positionsPerPage)
  }

  /// The prompt is computed: its pages stay for the samples, of which each has a token now.
  func prompted(_ prompt: PagedSequence, _ cache: KVCache, _ prefixes: inout PrefixCache) {
    isPrompted = true
    waiting = sequences.indices.filter { sequences[$0].stopReason == nil }
    if let scope = request.cacheScope {
      prefixes.insert(request.prompt, scope: scope, pages: prompt.pages, in: cache)
    }
    guard !waiting.isEmpty else { return prompt.release(cache, leavingTo: &prefixes) }
    stem = prompt.pages
  }

  /// A sequence that ran gives way; it waits before those that have not begun.
  func preempted(_ sequence: PagedSequence) {
    guard let sample = sequence.sample else { return waitsForPrompt = true }
    waiting.insert(sample, at: waiting.firstIndex { $0 > sample } ?? waiting.count)
  }

  /// Gives back what is kept of the prompt: samples that wait compute it again.
  func releaseStem(_ cache: KVCache) {
    for page in stem { cache.release(page) }
    stem = []
  }

  var stemPages: Int { stem.count }

  func isOpen(_ sample: Int?) -> Bool {
    sample.map { sequences[$0].stopReason == nil } ?? !isPrompted
  }

  // MARK: A step

  /// Asks for the log-probs of prompt tokens; those that were given before the prompt had to give
  /// way are not given again.
  func planScores(_ positions: Range<Int>, row: Int, into plan: inout StepPlan) {
    for position in positions.clamped(to: scored..<request.prompt.count - 1)
    where position + 1 >= request.firstLogprob || request.promptTargets?.asks(position) == true {
      plan.scores.append(
        StepPlan.Score(
          row: row + position - positions.lowerBound, position: position, group: self))
    }
  }

  /// Asks for the next token of a sample, or for the first ones of all.
  func planDraws(of sample: Int?, position: Int, row: Int, into plan: inout StepPlan) {
    if let sample {
      plan.draws.append(draw(row: row, sample: sample, position: position))
    } else {
      for i in sequences.indices where sequences[i].stopReason == nil {
        plan.draws.append(draw(row: row, sample: i, position: position))
      }
    }
  }

  private func draw(row: Int, sample: Int, position: Int) -> StepPlan.Draw {
    let parameters = request.parameters
    return StepPlan.Draw(
      row: row, group: self, sample: sample,
      parameters: ck_draw_params(
        seed: parameters.seed, sample: UInt32(sample), position: UInt32(position),
        temperature: parameters.temperature, top_p: parameters.topP,
        top_k: Int32(parameters.topK)))
  }

  /// - Parameter others: of the tokens to score at this position, NaN where there is none.
  func addPromptLogprobs(
    at position: Int, _ logprob: Float, top: [TokenLogprob], others: UnsafeBufferPointer<Float>
  ) {
    scored = position + 1
    guard logprob.isFinite else {
      return fail("the log-prob of token \(position + 1)", field: "prompt")
    }
    if position + 1 >= request.firstLogprob {
      if request.wantsPromptLogprobs { promptLogprobs[position + 1] = logprob }
      if request.topPromptLogprobs > 0 {
        topPrompt[position + 1] = Array(top.prefix(request.topPromptLogprobs))
      }
    }
    guard let targets = request.promptTargets else { return }
    for (cell, other) in zip(targets.cells(position), others) where targets.tokens[cell] >= 0 {
      targetLogprobs[cell] = other
    }
  }

  /// - Parameter model: its log-prob in the model's own distribution, if anybody asked for it.
  /// - Returns: its place among the sample's tokens; nil if its log-prob is no number.
  func addToken(
    _ token: Int32, _ logprob: Float, model: Float?, sample: Int, top: [TokenLogprob]
  ) -> Int? {
    guard logprob.isFinite else {
      fail("the log-prob of sample \(sample)'s token \(sequences[sample].tokens.count)")
      return nil
    }
    sequences[sample].tokens.append(token)
    sequences[sample].logprobs.append(logprob)
    if request.wantsModelLogprobs, let model { sequences[sample].modelLogprobs.append(model) }
    if request.topSampleLogprobs > 0 {
      sequences[sample].top.append(Array(top.prefix(request.topSampleLogprobs)))
    }
    if request.parameters.stopTokens.contains(token)
      || request.shouldStop?(sample, sequences[sample].tokens) == true
    {
      sequences[sample].stopReason = .stop
    } else if sequences[sample].tokens.count == request.parameters.maxTokens {
      sequences[sample].stopReason = .length
    }
    return sequences[sample].tokens.count - 1
  }

  private func fail(_ what: String, field: String? = nil) {
    guard fault == nil else { return }
    fault = EngineError(
      .failedPrecondition, "\(what) is not finite: these weights make the model overflow",
      field: field)
  }
}
