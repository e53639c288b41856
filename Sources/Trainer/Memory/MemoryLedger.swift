/// What of a worker's memory is in use, by kind: a value that says yes or no before anything is
/// allocated.
struct MemoryLedger {
  /// What memory is for, where clients decide how much is taken.
  enum Kind: String, CaseIterable {
    /// Models that are trained, with their optimizers, and snapshots that are sampled from.
    case adapters
    /// Requests of models on their way through the worker, written out, and their answers.
    case training = "training requests"
    /// The same of requests that sample or score.
    case sampling = "sampling requests"
  }

  private let limits: [Kind: Int]
  private var used: [Kind: Int] = [:]

  init(limits: [Kind: Int]) { self.limits = limits }

  func limit(_ kind: Kind) -> Int { limits[kind] ?? 0 }
  func used(_ kind: Kind) -> Int { used[kind] ?? 0 }
  func free(_ kind: Kind) -> Int { max(0, limit(kind) - used(kind)) }

  /// Takes memory, all or nothing.
  mutating func reserve(_ bytes: Int, _ kind: Kind) throws(MemoryShortage) {
    guard bytes >= 0, bytes <= free(kind) else {
      throw MemoryShortage(
        kind: kind, needed: bytes, free: free(kind), limit: limit(kind))
    }
    used[kind, default: 0] += bytes
  }

  mutating func release(_ bytes: Int, _ kind: Kind) {
    used[kind, default: 0] -= bytes
  }
}

/// Memory that was asked for and is not there.
struct MemoryShortage: Error, Equatable {
  let kind: MemoryLedger.Kind
  let needed: Int
  let free: Int
  let limit: Int

  /// Whether it would not be there if nobody else had any.
  var isForGood: Bool { needed > limit || needed < 0 }

  func message(_ what: String) -> String {
    let bytes = MemoryPlan.Bytes.init
    let start = "\(what) needs \(bytes(needed)) of memory; this worker has \(bytes(limit)) for"
    return isForGood
      ? "\(start) \(kind.rawValue) in all (serve --memory)"
      : "\(start) \(kind.rawValue), of which \(bytes(free)) are free"
  }
}
