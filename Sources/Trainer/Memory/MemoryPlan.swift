package import Engine

/// How a worker's memory is divided: a function of the limit and of the base models, so that router
/// and workers say the same of what can be sampled.
///
/// Base models and the process itself are taken off first; they are there whatever clients do. Of
/// the rest an eighth is for requests and their answers, a quarter for the workspace of a step, and
/// what is left is shared by the KV cache and the adapters.
package struct MemoryPlan: Sendable, Equatable {
  /// What one base model takes.
  package struct Base: Sendable {
    package let name: String
    /// Its weights as they lie in memory, and tables made from its config.
    package let bytes: Int
    package let cache: KVCache.Geometry
    /// Longest sequence that the model knows.
    package let maxPositions: Int
    /// Workspace without which nothing can be computed.
    package let leastWorkspace: Int

    package init(
      name: String, bytes: Int, cache: KVCache.Geometry, maxPositions: Int, leastWorkspace: Int
    ) {
      self.name = name
      self.bytes = bytes
      self.cache = cache
      self.maxPositions = maxPositions
      self.leastWorkspace = leastWorkspace
    }
  }

  /// Code, threads and heap of the process, and what the allocator keeps.
  static let processBytes = 192 << 20
  private static let requestRange = 64 << 20...1 << 30
  private static let workspaceRange = 256 << 20...3 << 30
  /// Adapters must have some room beside a cache that was asked for.
  private static let leastAdapters = 64 << 20

  package let limit: Int
  package let bases: Int
  package let workspace: Int
  package let requests: Int
  package let adapters: Int
  /// Bytes of keys and values, by base model.
  package let kvCache: [String: Int]
  /// Longest sequence that can be sampled, by base model.
  package let contextLengths: [String: Int]

  package var kvCacheBytes: Int { kvCache.values.reduce(0, +) }

  /// - Parameter options: resolved.
  /// - Throws: `resourceExhausted` when the memory does not suffice for what is served, with figures.
  package init(_ options: MemoryOptions, bases: [Base]) throws(EngineError) {
    let limit = options.memoryBytes ?? 0
    let taken = bases.reduce(0) { $0 + $1.bytes }
    let free = limit - Self.processBytes - taken
    let least = bases.map(\.leastWorkspace).max() ?? 0
    let workspace = max(least, Self.clamp(free / 4, Self.workspaceRange))
    let requests = Self.clamp(free / 8, Self.requestRange)
    let shared = free - workspace - requests
    let kvCache = options.kvCacheBytes ?? shared / 2
    guard shared - kvCache >= Self.leastAdapters else {
      let needed =
        limit - shared + (options.kvCacheBytes ?? Self.leastAdapters) + Self.leastAdapters
      throw EngineError(
        .resourceExhausted,
        "--memory of \(Bytes(limit)) is too little: the base models take \(Bytes(taken)), a worker "
          + "itself \(Bytes(Self.processBytes)), workspace and requests "
          + "\(Bytes(workspace + requests)), the KV cache \(Bytes(kvCache)); "
          + "at least \(Bytes(needed)) are needed")
    }
    // Every model gets the same number of positions, up to the whole context of many sequences.
    let each = bases.reduce(0) { $0 + $1.cache.bytesPerPosition }
    let positions = each == 0 ? 0 : kvCache / each
    var caches: [String: Int] = [:]
    var lengths: [String: Int] = [:]
    for base in bases {
      let bytes = positions * base.cache.bytesPerPosition
      caches[base.name] = bytes
      lengths[base.name] = min(base.maxPositions, base.cache.positions(in: bytes))
      guard bytes >= base.cache.pageBytes else {
        throw EngineError(
          .resourceExhausted,
          "a KV cache of \(Bytes(kvCache)) holds \(positions) positions of each base model, which is "
            + "less than a page of \(base.name) (\(Bytes(base.cache.pageBytes)))")
      }
    }
    self.limit = limit
    self.bases = taken
    self.workspace = workspace
    self.requests = requests
    self.kvCache = caches
    contextLengths = lengths
    adapters = shared - kvCache
  }

  private static func clamp(_ value: Int, _ range: ClosedRange<Int>) -> Int {
    min(max(value, range.lowerBound), range.upperBound)
  }

  /// Bytes for people.
  struct Bytes: CustomStringConvertible {
    let count: Int
    init(_ count: Int) { self.count = count }

    var description: String {
      let size = Double(max(count, 0))
      for (unit, bytes) in [("GiB", 0x1p30), ("MiB", 0x1p20), ("KiB", 0x1p10)]
      where size >= bytes {
        let tenths = (size / bytes * 10).rounded() / 10
        return "\(tenths) \(unit)"
      }
      return "\(max(count, 0)) bytes"
    }
  }
}
