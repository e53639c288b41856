import CKernels

/// What one step computes beside the keys and values.
struct StepPlan {
  /// A prompt position whose next token's log-prob is wanted.
  struct Score {
    let row: Int
    let target: Int32
    let group: GenerationGroup
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

/// A request being decoded: its samples and the pages they use.
final class GenerationGroup {
  let id: Int
  let request: GenerationRequest
  private var sequences: [GeneratedSequence]
  private var promptLogprobs: [Float?] = [nil]
  private var topPrompt: [[TokenLogprob]] = [[]]
  /// Prompt positions whose keys and values are in the cache, and those of the step under way.
  private var prefilled = 0
  private var scheduled = 0
  /// Pages of each sample; the prompt's whole pages are shared.
  private var pages: [[Int32]] = []
  /// Positions that came from the prefix cache.
  private var cached = 0

  init(id: Int, request: GenerationRequest) {
    self.id = id
    self.request = request
    sequences = Array(repeating: GeneratedSequence(), count: request.sampleCount)
    if request.parameters.maxTokens == 0 {
      for i in sequences.indices { sequences[i].stopReason = .length }
    }
  }

  private var isPrefilled: Bool { prefilled == request.prompt.count }
  /// Sequences that have not ended.
  var openSequences: Int { sequences.count { $0.stopReason == nil } }
  var isFinished: Bool { isPrefilled && sequences.allSatisfy { $0.stopReason != nil } }

  var result: GenerationResult {
    GenerationResult(
      sequences: sequences, promptLogprobs: request.wantsPromptLogprobs ? promptLogprobs : [],
      topPromptLogprobs: request.topPromptLogprobs > 0 ? topPrompt : [],
      cachedPromptTokens: cached)
  }

  // MARK: Pages

  private var sharedPages: Int { request.prompt.count / PagePool.positionsPerPage }
  private var pagesPerSample: Int {
    PagePool.pages(for: request.prompt.count + max(request.parameters.maxTokens, 1))
      - sharedPages
  }

  /// Most pages that the request can ever use: all are taken at admission, so that no sequence is
  /// stopped half way by its neighbours.
  var pagesNeeded: Int { sharedPages + request.sampleCount * pagesPerSample }

  /// Pages of a known prefix that this request can start from. Its last prompt token is computed in
  /// any case, and all of them are when their log-probs are asked for.
  var reusablePages: Int {
    request.wantsPromptLogprobs || request.topPromptLogprobs > 0
      ? 0 : (request.prompt.count - 1) / PagePool.positionsPerPage
  }

  /// Takes over the pages: the first `reused` hold the start of the prompt already.
  func assign(_ all: [Int32], reused: Int) {
    prefilled = reused * PagePool.positionsPerPage
    cached = prefilled
    let shared = all[..<sharedPages]
    pages = (0..<request.sampleCount).map { sample in
      let start = sharedPages + sample * pagesPerSample
      return Array(shared + all[start..<start + pagesPerSample])
    }
  }

  func releasePages(_ cache: KVCache) {
    guard let first = pages.first else { return }
    for page in first[..<sharedPages] { cache.release(page) }
    for list in pages { for page in list[sharedPages...] { cache.release(page) } }
    pages = []
  }

  /// Leaves what was computed for later requests: each sequence's whole pages, without its last
  /// token, which was never put in.
  func leavePages(_ prefixes: inout PrefixCache, _ cache: KVCache) {
    guard let scope = request.cacheScope else { return }
    for (sequence, list) in zip(sequences, pages) {
      prefixes.insert(
        request.prompt + sequence.tokens.dropLast(), scope: scope, pages: list, in: cache)
    }
  }

  // MARK: A step

  /// Adds this request's rows to the step.
  func schedule(into batch: inout RowBatch, plan: inout StepPlan, prefillBudget: inout Int) {
    if isPrefilled {
      for i in sequences.indices where sequences[i].stopReason == nil {
        let position = request.prompt.count + sequences[i].tokens.count - 1
        let row = batch.rows
        batch.append(
          CollectionOfOne(sequences[i].tokens[sequences[i].tokens.count - 1]), start: position,
          pages: pages[i], adapter: request.adapter)
        plan.draws.append(draw(row: row, sample: i, position: position + 1))
      }
      return
    }
    let end = min(prefilled + prefillBudget, request.prompt.count)
    guard end > prefilled else { return }
    prefillBudget -= end - prefilled
    let row = batch.rows
    batch.append(
      request.prompt[prefilled..<end], start: prefilled, pages: pages[0],
      adapter: request.adapter)
    if request.wantsPromptLogprobs || request.topPromptLogprobs > 0 {
      for position in prefilled..<min(end, request.prompt.count - 1) {
        plan.scores.append(
          StepPlan.Score(
            row: row + position - prefilled, target: request.prompt[position + 1], group: self))
      }
    }
    if end == request.prompt.count {
      for i in sequences.indices where sequences[i].stopReason == nil {
        plan.draws.append(draw(row: row + end - 1 - prefilled, sample: i, position: end))
      }
    }
    scheduled = end
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

  func addPromptLogprob(_ logprob: Float, top: [TokenLogprob]) {
    promptLogprobs.append(logprob)
    topPrompt.append(Array(top.prefix(request.topPromptLogprobs)))
  }

  func addToken(_ token: Int32, _ logprob: Float, sample: Int, top: [TokenLogprob]) {
    sequences[sample].tokens.append(token)
    sequences[sample].logprobs.append(logprob)
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
  }

  /// Ends the step: when the prompt is done, its last, partly filled page is copied to the other
  /// samples, which now go their own ways.
  func advance(_ cache: KVCache, _ prefixes: inout PrefixCache) {
    guard !isPrefilled else { return }
    prefilled = max(prefilled, scheduled)
    guard isPrefilled else { return }
    if let scope = request.cacheScope, let first = pages.first {
      prefixes.insert(request.prompt, scope: scope, pages: first, in: cache)
    }
    guard request.prompt.count % PagePool.positionsPerPage != 0 else { return }
    for list in pages.dropFirst() { cache.copy(pages[0][sharedPages], to: list[sharedPages]) }
  }
}
