import Checkpoints
import Engine

/// Adapters loaded for sampling, by checkpoint path; the least recently used leaves first.
struct SnapshotCache {
  struct Entry {
    fileprivate(set) var adapter: Adapter
    /// Of the checkpoint, as it was loaded.
    let manifest: CheckpointStore.Manifest
    /// Of the manifest's file: another worker may have replaced the checkpoint since, or its owner may
    /// have changed who can read it.
    let identity: FileIdentity
    /// Tells this adapter from every other that was here: whose cached keys and values are these?
    var number = 0
    fileprivate var used: UInt64 = 0

    init(adapter: Adapter, manifest: CheckpointStore.Manifest, identity: FileIdentity) {
      self.adapter = adapter
      self.manifest = manifest
      self.identity = identity
    }
  }

  private var entries: [String: Entry] = [:]
  private var clock: UInt64 = 0
  private var numbers = 0
  private let capacity: Int
  private(set) var bytes = 0

  /// - Parameter capacity: bytes of adapters held at most; one is held in any case. (Memory that is
  ///   wanted for others is taken by `removeOldestIdle`.)
  init(capacity: Int = 1 << 30) { self.capacity = capacity }

  var count: Int { entries.count }

  /// The entry of a path, if it is the version that is on disk and has not expired.
  mutating func current(_ path: String, identity: FileIdentity, now: UInt64) -> Entry? {
    guard let entry = entries[path] else { return nil }
    guard entry.identity == identity, !entry.manifest.isExpired(at: now) else {
      remove(path)
      return nil
    }
    clock += 1
    entries[path]?.used = clock
    return entry
  }

  /// Puts an adapter in, over one of the same path.
  @discardableResult
  mutating func insert(_ path: String, _ entry: Entry) -> Entry {
    remove(path)
    clock += 1
    numbers += 1
    var entry = entry
    entry.used = clock
    entry.number = numbers
    entries[path] = entry
    bytes += entry.adapter.bytes
    while bytes > capacity, entries.count > 1,
      let oldest = entries.min(by: { $0.value.used < $1.value.used })
    {
      remove(oldest.key)
    }
    return entry
  }

  /// Forgets the one that was used longest ago of those that nobody is sampling from.
  /// - Returns: false if there is none.
  mutating func removeOldestIdle() -> Bool {
    for path in entries.sorted(by: { $0.value.used < $1.value.used }).map(\.key) {
      guard var entry = entries.removeValue(forKey: path) else { continue }
      if isKnownUniquelyReferenced(&entry.adapter) {
        bytes -= entry.adapter.bytes
        return true
      }
      entries[path] = entry
    }
    return false
  }

  /// Lets go of what a session's models saved without a name.
  mutating func removeAll(of session: String) {
    for path in entries.keys where path.hasPrefix("tinsmith://\(session):") {
      if let parsed = try? CheckpointPath(path, field: "path"), parsed.isUnnamed { remove(path) }
    }
  }

  mutating func remove(_ path: String) {
    guard let entry = entries.removeValue(forKey: path) else { return }
    bytes -= entry.adapter.bytes
  }
}
