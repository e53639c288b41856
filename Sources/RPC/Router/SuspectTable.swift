internal import DequeModule

/// Requests that were at a worker when it crashed, and how often they crashed one alone. A batch
/// dies together, so being there proves nothing: a suspect runs alone when it comes again, only
/// crashes while alone count, and the third one condemns it. Kills from outside are no crashes.
/// Each tenant has its share of the table, and forgets its own oldest ones beyond that.
struct SuspectTable {
  /// Crashes while alone after which a request is not run any more.
  static let maximumCrashes = 3

  private struct Entry {
    var crashes: Int
    var since: UInt64
    var tenant: Int
  }

  private var entries: [RequestKey: Entry] = [:]
  /// In the order of their addition, some of them gone.
  private var order: [Int: Deque<RequestKey>] = [:]
  /// How many each tenant has.
  private var counts: [Int: Int] = [:]

  var isEmpty: Bool { entries.isEmpty }
  var count: Int { entries.count }

  /// How often a request crashed a worker alone; nil if it is no suspect.
  func crashes(of key: RequestKey) -> Int? { entries.isEmpty ? nil : entries[key]?.crashes }

  /// A worker crashed.
  /// - Parameters:
  ///   - there: the requests that were at it, and whose they are.
  ///   - alone: the suspect among them, if it was there alone.
  mutating func crashed(
    _ there: [(key: RequestKey, tenant: Int)], alone: RequestKey?, now: UInt64
  ) {
    for (key, tenant) in there {
      let known = entries[key]
      let crashes = (known?.crashes ?? 0) + (key == alone ? 1 : 0)
      if known == nil {
        makeRoom(for: tenant)
        counts[tenant, default: 0] += 1
        order[tenant, default: []].append(key)
      }
      entries[key] = Entry(crashes: crashes, since: now, tenant: known?.tenant ?? tenant)
    }
  }

  private mutating func makeRoom(for tenant: Int) {
    while !Share.allows(
      1, holder: 0, tenant: counts[tenant] ?? 0, all: entries.count, of: RouterLimits.suspects),
      let oldest = order[tenant]?.popFirst()
    {
      remove(oldest)
    }
  }

  private mutating func remove(_ key: RequestKey) {
    guard let entry = entries.removeValue(forKey: key) else { return }
    let left = (counts[entry.tenant] ?? 1) - 1
    counts[entry.tenant] = left > 0 ? left : nil
  }

  /// A suspect was answered: it is innocent.
  mutating func answered(_ key: RequestKey) {
    guard !entries.isEmpty else { return }
    remove(key)
  }

  /// Forgets those of which nothing was heard for long.
  mutating func expire(_ now: UInt64) {
    guard !order.isEmpty else { return }
    for tenant in Array(order.keys) {
      while let oldest = order[tenant]?.first {
        if let entry = entries[oldest] {
          guard now >= entry.since + RouterLimits.idleMilliseconds else { break }
          remove(oldest)
        }
        _ = order[tenant]?.popFirst()
      }
      if order[tenant]?.isEmpty ?? true { order[tenant] = nil }
    }
  }
}
