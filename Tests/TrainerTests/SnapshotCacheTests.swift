import Checkpoints
import Foundation
import Testing

@testable import Engine
@testable import Trainer

@Suite struct SnapshotCacheTests {
  private func entry(_ identity: FileIdentity, expires: UInt64 = 0) throws
    -> SnapshotCache.Entry
  {
    let site = AdapterSite(index: 0, module: "m", group: .mlp, inputs: 4, outputs: 4)
    let manifest = CheckpointStore.Manifest(
      path: try CheckpointPath("tinsmith://m/sampler_weights/a", field: "path"), tenant: "ann",
      baseModel: "base", rank: 1, alpha: 32, trainAttention: false, trainMLP: true,
      trainUnembed: false, step: 0, createdUnixMilliseconds: 1, expiresUnixMilliseconds: expires,
      userMetadata: [:])
    return SnapshotCache.Entry(
      adapter: try Adapter(config: LoRAConfig(rank: 1), sites: [site]), manifest: manifest,
      identity: identity)
  }

  /// A file that can be replaced.
  private func withFile(_ body: (String) throws -> Void) throws {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try Data("1".utf8).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
  }

  @Test func keepsTheRecentlyUsed() throws {
    try withFile { path in
      let identity = try #require(FileIdentity(path))
      let bytes = try entry(identity).adapter.bytes
      var cache = SnapshotCache(capacity: 2 * bytes)
      func has(_ path: String) -> Bool {
        cache.current(path, identity: identity, now: 0) != nil
      }
      cache.insert("a", try entry(identity))
      cache.insert("b", try entry(identity))
      #expect(has("a"))
      cache.insert("c", try entry(identity))
      #expect(has("a") && has("c") && !has("b"))
      #expect(cache.bytes == 2 * bytes && cache.count == 2)
      cache.remove("a")
      #expect(!has("a") && cache.bytes == bytes)
      // One larger than the whole capacity is held all the same.
      var small = SnapshotCache(capacity: 1)
      small.insert("a", try entry(identity))
      #expect(small.current("a", identity: identity, now: 0) != nil)
    }
  }

  /// A checkpoint that was replaced or has expired is not the one that was loaded; the adapters of
  /// two versions never have one number.
  @Test func forgetsOtherVersions() throws {
    try withFile { path in
      let old = try #require(FileIdentity(path))
      var cache = SnapshotCache()
      let first = cache.insert("a", try entry(old, expires: 100))
      #expect(cache.current("a", identity: old, now: 99)?.number == first.number)
      #expect(cache.current("a", identity: old, now: 100) == nil)
      cache.insert("a", try entry(old))
      try Data("2".utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
      let new = try #require(FileIdentity(path))
      #expect(new != old)
      #expect(cache.current("a", identity: new, now: 0) == nil)
      #expect(cache.insert("a", try entry(new)).number != first.number)
    }
  }
}
