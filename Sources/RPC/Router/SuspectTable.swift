internal import DequeModule

/// Requests that were at a worker when it crashed, and how often they crashed one alone. A batch dies together, so being there proves nothing: a suspect runs alone when it comes
/// again, only crashes while alone count, and the third one condemns it. Kills from outside are no
/// crashes.
struct SuspectTable {
  /// Crashes while alone after which a request is not run any more.
  static let maximumCrashes = 3

  private struct Entry {
    var crashes: Int
    var since: UInt64
  }

  private var entries: [RequestKey: Entry] = [:]
  /// In the order of their addition, some of them gone.
  private var order = Deque<RequestKey>()

  var isEmpty: Bool { entries.isEmpty }
  var count: Int { entries.count }

  /// How often a request crashed a worker alone; nil if it is no suspect.
  func crashes(of key: RequestKey) -> Int? { entries.isEmpty ? nil : entries[key]?.crashes }

  /// A worker crashed.
  /// - Parameters:
  ///   - there: the requests that were at it.
  ///   - alone: the suspect among them, if it was there alone.
  mutating func crashed(_ there: [RequestKey], alone: RequestKey?, now: UInt64) {
    for key in there {
      let known = entries[key]
      let crashes = (known?.crashes ?? 0) + (key == alone ? 1 : 0)
      entries[key] = Entry(crashes: crashes, since: now)
      if known == nil { order.append(key) }
    }
    while entries.count > RouterLimits.suspects, let oldest = order.popFirst() {
      entries[oldest] = nil
    }
  }

  /// A suspect was answered: it is innocent.
  mutating func answered(_ key: RequestKey) {
    guard !entries.isEmpty else { return }
    entries[key] = nil
  }

  /// Forgets those of which nothing was heard for long.
  mutating func expire(_ now: UInt64) {
    while let oldest = order.first {
      if let entry = entries[oldest] {
        guard now >= entry.since + RouterLimits.idleMilliseconds else { return }
        entries[oldest] = nil
      }
      order.removeFirst()
    }
  }
}
