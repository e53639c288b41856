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
    let leastCache = Self.leastCache(bases)
    if let given = options.kvCacheBytes, given < leastCache {
      throw EngineError(
        .resourceExhausted,
        "--kv-cache of \(Bytes(given)) is too little to sample from any of the base models; at least "
          + "\(Bytes.rounded(leastCache)) are needed")
    }
    let parts = Parts(limit, options.kvCacheBytes, bases)
    guard parts.isEnough(leastCache) else {
      let least = Self.leastLimit(above: limit, options.kvCacheBytes, bases, leastCache)
      let needed = Parts(least, options.kvCacheBytes, bases)
      throw EngineError(
        .resourceExhausted,
        "--memory of \(Bytes(limit)) for a worker is too little; at least \(Bytes.rounded(least)) are "
          + "needed: \(Bytes(needed.bases)) for the base models, \(Bytes(Self.processBytes)) for the "
          + "worker itself, \(Bytes(needed.workspace + needed.requests)) for workspace and requests, "
          + "\(Bytes(needed.kvCache)) for the KV cache, \(Bytes(needed.adapters)) for adapters")
    }
    // Every model gets the same number of positions, up to the whole context of many sequences.
    let each = bases.reduce(0) { $0 + $1.cache.bytesPerPosition }
    let positions = each == 0 ? 0 : parts.kvCache / each
    var caches: [String: Int] = [:]
    var lengths: [String: Int] = [:]
    for base in bases {
      let bytes = positions * base.cache.bytesPerPosition
      caches[base.name] = bytes
      lengths[base.name] = min(base.maxPositions, base.cache.positions(in: bytes))
    }
    self.limit = limit
    self.bases = parts.bases
    workspace = parts.workspace
    requests = parts.requests
    kvCache = caches
    contextLengths = lengths
    adapters = parts.adapters
  }

  /// What some memory is divided into, enough or not.
  private struct Parts {
    let bases: Int
    let workspace: Int
    let requests: Int
    let kvCache: Int
    let adapters: Int

    init(_ limit: Int, _ givenCache: Int?, _ models: [Base]) {
      bases = models.reduce(0) { $0 + $1.bytes }
      let free = limit - MemoryPlan.processBytes - bases
      let least = models.map(\.leastWorkspace).max() ?? 0
      workspace = max(least, MemoryPlan.clamp(free / 4, MemoryPlan.workspaceRange))
      requests = MemoryPlan.clamp(free / 8, MemoryPlan.requestRange)
      let shared = free - workspace - requests
      kvCache = givenCache ?? shared / 2
      adapters = shared - kvCache
    }

    func isEnough(_ leastCache: Int) -> Bool {
      adapters >= MemoryPlan.leastAdapters && kvCache >= leastCache
    }
  }

  /// Keys and values without which not every base model could be sampled.
  private static func leastCache(_ bases: [Base]) -> Int {
    let each = bases.reduce(0) { $0 + $1.cache.bytesPerPosition }
    // As many positions of each as the one needs that has the largest steps.
    let positions = bases.map { base in
      let step = max(1, base.cache.bytesPerPosition)
      return (base.cache.pageBytes + step - 1) / step
    }
    return each * (positions.max() ?? 0)
  }

  /// The least memory, in whole MiB, that suffices: parts grow with the whole, so it is looked for.
  private static func leastLimit(
    above limit: Int, _ cache: Int?, _ bases: [Base], _ leastCache: Int
  ) -> Int {
    func isEnough(_ mebibytes: Int) -> Bool {
      Parts(mebibytes << 20, cache, bases).isEnough(leastCache)
    }
    var (low, high) = (max(limit, 0) >> 20, 1)
    while !isEnough(high), high < 1 << 42 { high *= 2 }
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if isEnough(middle) { high = middle } else { low = middle }
    }
    return high << 20
  }

  private static func clamp(_ value: Int, _ range: ClosedRange<Int>) -> Int {
    min(max(value, range.lowerBound), range.upperBound)
  }

  /// Bytes for people.
  struct Bytes: CustomStringConvertible {
    let count: Int
    init(_ count: Int) { self.count = count }

    /// As an option takes them: whole MiB that are enough.
    static func rounded(_ count: Int) -> String { "\((count + (1 << 20) - 1) >> 20)M" }

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
