/// Who decodes while there are more sequences than pages or places: decisions without state.
///
/// A tenant's use is its part of the pages or of the places, whichever is larger; tenants with
/// something to do have equal shares. Whoever uses least is let in next; while it does not fit, others
/// that do may pass it, and give way to it as soon as that lets it start. When nothing is left, the
/// youngest sequence of whoever uses most gives way; its tokens are kept, and computed again later
/// (numerics rule l). The oldest sequence of all never gives way, so that each ends some time.
struct DecodePolicy {
  /// A sequence that runs, with its pages, or that waits, with those it needs to run.
  struct Holder: Equatable {
    let tenant: String
    let request: Int
    let sample: Int
    let pages: Int
    /// The request that was next and did not fit when this one was let in.
    var passed: Int? = nil

    fileprivate var age: (Int, Int) { (request, sample) }
  }

  /// Pages of the cache.
  let pages: Int
  /// Sequences that may run at once.
  let places: Int

  /// Parts of pages and places in thousandths, by tenant.
  private func uses(_ running: [Holder]) -> [String: Int] {
    var counts: [String: (pages: Int, places: Int)] = [:]
    for holder in running {
      counts[holder.tenant, default: (0, 0)].pages += holder.pages
      counts[holder.tenant, default: (0, 0)].places += 1
    }
    return counts.mapValues { use($0.pages, $0.places) }
  }

  private func use(_ heldPages: Int, _ heldPlaces: Int) -> Int {
    max(heldPages * 1000 / max(pages, 1), heldPlaces * 1000 / max(places, 1))
  }

  /// Who is let in next, by its index.
  func next(_ waiting: [Holder], running: [Holder]) -> Int? {
    let uses = uses(running)
    return waiting.indices.min { a, b in
      let (left, right) = (waiting[a], waiting[b])
      return (uses[left.tenant] ?? 0, left.request, left.sample)
        < (uses[right.tenant] ?? 0, right.request, right.sample)
    }
  }

  /// Whether one that waits may start without taking what those who run need next. Each of them may
  /// soon need a page, so some are left to them.
  func fits(_ holder: Holder, freePages: Int, running: [Holder]) -> Bool {
    guard running.count < places else { return false }
    return holder.pages + running.count <= freePages
      || (running.isEmpty && holder.pages <= freePages)
  }

  /// Who gives way to one that waits, so that it fits: those who passed it; and where its tenant stays
  /// within its share, those of tenants that are above theirs. Nobody, if that would not suffice.
  func displaced(by holder: Holder, freePages: Int, running: [Holder]) -> [Int] {
    let tenants = Set(running.map(\.tenant)).union([holder.tenant])
    let share = 1000 / tenants.count
    let own = running.filter { $0.tenant == holder.tenant }
    let wanted = use(own.reduce(holder.pages) { $0 + $1.pages }, own.count + 1)
    var (left, free) = (running, freePages)
    var displaced: [Int] = []
    while !fits(holder, freePages: free, running: left) {
      let uses = uses(left)
      let isAboveShare = { (other: Holder) in
        wanted <= share && other.tenant != holder.tenant && (uses[other.tenant] ?? 0) > share
      }
      guard
        let index = youngest(
          left, under: holder, where: { $0.passed == holder.request || isAboveShare($0) }),
        let place = running.firstIndex(of: left[index])
      else { return [] }
      free += left[index].pages
      left.remove(at: index)
      displaced.append(place)
    }
    return displaced
  }

  /// Who gives way when one that runs needs a page; it may be that one.
  func victim(_ running: [Holder]) -> Int? {
    let uses = uses(running)
    guard let oldest = oldest(running) else { return nil }
    return running.indices.filter { $0 != oldest }.max { a, b in
      let (left, right) = (running[a], running[b])
      return (uses[left.tenant] ?? 0, left.request, left.sample)
        < (uses[right.tenant] ?? 0, right.request, right.sample)
    }
  }

  private func oldest(_ running: [Holder]) -> Int? {
    running.indices.min { running[$0].age < running[$1].age }
  }

  /// - Parameter holder: one that waits; if it is the oldest of all, any other is younger.
  private func youngest(
    _ running: [Holder], under holder: Holder, where isFit: (Holder) -> Bool
  ) -> Int? {
    let oldest = oldest(running + [holder])
    return running.indices.filter { $0 != oldest && isFit(running[$0]) }
      .max { running[$0].age < running[$1].age }
  }
}
