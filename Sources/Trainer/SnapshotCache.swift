import Engine
import Glibc

/// Adapters loaded for sampling, by checkpoint path; the least recently used leaves first.
struct SnapshotCache {
  /// Which version of a file this is: what replaces a file has another inode or time.
  struct FileIdentity: Equatable {
    let device: UInt64
    let inode: UInt64
    let seconds: Int
    let nanoseconds: Int

    /// Nil when there is no such file.
    init?(_ path: String) {
      var facts = stat()
      guard stat(path, &facts) == 0 else { return nil }
      device = UInt64(facts.st_dev)
      inode = UInt64(facts.st_ino)
      seconds = facts.st_mtim.tv_sec
      nanoseconds = facts.st_mtim.tv_nsec
    }
  }

  struct Entry {
    let adapter: Adapter
    let base: String
    /// Of the checkpoint's manifest: another worker may have replaced the checkpoint since.
    let identity: FileIdentity
    /// 0 for never.
    let expiresUnixMilliseconds: UInt64
    /// Tells this adapter from every other that was here: whose cached keys and values are these?
    var number = 0
    fileprivate var used: UInt64 = 0

    init(
      adapter: Adapter, base: String, identity: FileIdentity, expiresUnixMilliseconds: UInt64
    ) {
      self.adapter = adapter
      self.base = base
      self.identity = identity
      self.expiresUnixMilliseconds = expiresUnixMilliseconds
    }
  }

  private var entries: [String: Entry] = [:]
  private var clock: UInt64 = 0
  private var numbers = 0
  private let capacity: Int
  private(set) var bytes = 0

  /// - Parameter capacity: bytes of adapters held at most; one is held in any case.
  init(capacity: Int = 1 << 30) { self.capacity = capacity }

  var count: Int { entries.count }

  /// The entry of a path, if it is the version that is on disk and has not expired.
  mutating func current(_ path: String, identity: FileIdentity, now: UInt64) -> Entry? {
    guard let entry = entries[path] else { return nil }
    guard entry.identity == identity,
      entry.expiresUnixMilliseconds == 0 || now < entry.expiresUnixMilliseconds
    else {
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

  mutating func remove(_ path: String) {
    guard let entry = entries.removeValue(forKey: path) else { return }
    bytes -= entry.adapter.bytes
  }
}
