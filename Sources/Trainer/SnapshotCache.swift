import Engine

/// Adapters loaded for sampling, by checkpoint path; the least recently used leaves first.
struct SnapshotCache {
  private var entries: [String: (adapter: Adapter, used: UInt64)] = [:]
  private var clock: UInt64 = 0
  private let capacity: Int

  /// - Parameter capacity: adapters held at most.
  init(capacity: Int = 64) { self.capacity = capacity }

  /// The adapter at `path`, loaded by `load` if it is not here.
  mutating func adapter(
    _ path: String, load: () throws -> Adapter
  ) rethrows -> Adapter {
    clock += 1
    if let entry = entries[path] {
      entries[path]?.used = clock
      return entry.adapter
    }
    let adapter = try load()
    insert(path, adapter)
    return adapter
  }

  /// Puts an adapter in, over one of the same path.
  mutating func insert(_ path: String, _ adapter: Adapter) {
    clock += 1
    entries[path] = (adapter, clock)
    if entries.count > capacity, let oldest = entries.min(by: { $0.value.used < $1.value.used }) {
      entries[oldest.key] = nil
    }
  }

  mutating func remove(_ path: String) { entries[path] = nil }
}
