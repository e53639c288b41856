import CKernels

/// Something that is computed position by position into pages: a request's prompt, or one sample
/// behind it. Only those that run hold pages.
final class PagedSequence {
  let group: GenerationGroup
  /// Nil for the prompt.
  let sample: Int?
  private(set) var pages: [Int32]
  /// Pages at the front that belong to the request's prompt, which others use, too.
  let sharedPages: Int
  /// Positions whose keys and values are in the pages.
  private(set) var filled: Int
  /// Where the step under way ends; `filled` if it does not take part.
  private(set) var end: Int
  /// The request that it was let in before, though that was next.
  var passed: Int?

  init(
    _ group: GenerationGroup, sample: Int?, pages: [Int32], sharedPages: Int = 0, filled: Int
  ) {
    self.group = group
    self.sample = sample
    self.pages = pages
    self.sharedPages = sharedPages
    self.filled = filled
    end = filled
  }

  /// Tokens that there are: the prompt, and what was drawn.
  var length: Int { group.length(of: sample) }
  /// Positions that are not computed yet: one while it decodes.
  var pending: Int { length - filled }

  /// What it holds, for the policy.
  var holder: DecodePolicy.Holder {
    DecodePolicy.Holder(
      tenant: group.request.tenant, request: group.id, sample: sample ?? 0,
      pages: pages.count - sharedPages, passed: passed)
  }

  /// Lets it take part in the next step with at most `rows` rows.
  func plan(rows: Int) { end = filled + min(rows, pending) }

  /// Whether the page of the last planned position is missing.
  var needsPage: Bool { PagePool.pages(for: end) > pages.count }

  func grow(by page: Int32) { pages.append(page) }

  /// Adds its rows to the step.
  func schedule(into batch: inout RowBatch, plan: inout StepPlan) {
    guard end > filled else { return }
    let row = batch.rows
    if pending == 1, let sample {
      batch.append(
        CollectionOfOne(group.lastToken(of: sample)), start: filled, pages: pages,
        adapter: group.request.adapter)
    } else {
      batch.append(
        group.tokens(of: sample, filled..<end), start: filled, pages: pages,
        adapter: group.request.adapter)
    }
    if sample == nil { group.planScores(filled..<end, row: row, into: &plan) }
    if end == length {
      group.planDraws(of: sample, position: end, row: row + end - 1 - filled, into: &plan)
    }
  }

  /// The step has filled its positions.
  func advance() { filled = end }

  /// Gives its pages back.
  func drop(_ cache: KVCache) {
    for page in pages { cache.release(page) }
    pages = []
  }

  /// Gives its pages back; later requests find what is in them.
  func release(_ cache: KVCache, leavingTo prefixes: inout PrefixCache) {
    if let scope = group.request.cacheScope {
      prefixes.insert(
        group.tokens(of: sample, 0..<filled), scope: scope, pages: pages, in: cache)
    }
    drop(cache)
  }
}
